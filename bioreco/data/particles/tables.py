"""The rows of a STAR file's particles, with those of their optics groups beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.star import Block
from bioreco.errors import UserError

Doubles = NDArray[np.float64]


@dataclass
class Tables:
    """The rows of the particles with those of their optics groups beside them.

    Attributes
    ----------
    file
        The name of the file.
    particles
        One row for each particle.
    optics
        One row for each optics group, or None before RELION 3.1.
    group
        The row of its optics group, for each particle.

    """

    file: str
    particles: Block
    optics: Block | None = None
    group: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.group = np.zeros(len(self.particles), np.int64)
        if self.optics is None:
            return
        if "rlnOpticsGroup" not in self.optics or "rlnOpticsGroup" not in self.particles:
            raise UserError(f"{self.file}: both tables need a column rlnOpticsGroup.")
        rows = {value: k for k, value in enumerate(self.optics.column("rlnOpticsGroup"))}
        for k, value in enumerate(self.particles.column("rlnOpticsGroup")):
            if value not in rows:
                raise UserError(
                    f"{self.said(k)}: optics group {value}, but data_optics holds"
                    f" {', '.join(rows)}."
                )
            self.group[k] = rows[value]

    def said(self, k: int) -> str:
        """Say which particle is meant."""
        return f"{self.file}, line {self.particles.lines[k]}"

    def has(self, name: str) -> bool:
        """Whether one of the tables has a column."""
        return name in self.particles or (self.optics is not None and name in self.optics)

    def numbers(self, name: str) -> Doubles:
        """Return a column for each particle, that of the optics groups before that of particles."""
        if self.optics is not None and name in self.optics:
            return numbers(self.optics, name, self.file)[self.group]
        return numbers(self.particles, name, self.file)


def numbers(block: Block, name: str, file: str) -> Doubles:
    """Return a column as numbers.

    Raises
    ------
    UserError
        If a value isn't a finite number, with its line.

    """
    texts = block.column(name)
    out = np.empty(len(texts))
    for k, text in enumerate(texts):
        try:
            out[k] = float(text)
        except ValueError:
            out[k] = np.nan
        if not np.isfinite(out[k]):
            raise UserError(f"{file}, line {block.lines[k]}: {name} is '{text}', not a number.")
    return out
