"""The pixel size of particle images, which STAR files say under several labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.tables import Tables
from bioreco.errors import UserError

_ALIKE = 0.01


def pixel_size(tables: Tables, said: float | None) -> NDArray[np.float64]:
    """Return the pixel size of each particle in Angstrom.

    Raises
    ------
    UserError
        If there is none, or two labels contradict each other.

    """
    found = dict(_pixel_sizes(tables, said))
    if not found:
        raise UserError(f"{tables.file} has no rlnImagePixelSize.{_why(tables)}")
    (label, first), *others = found.items()
    for other, values in others:
        for k in np.flatnonzero(np.abs(values - first) > _ALIKE * first)[:1]:
            raise UserError(
                f"{tables.said(k)}: the pixel size is {first[k]:.4g} by {label}, but"
                f" {values[k]:.4g} by {other}; one of them is wrong."
            )
    for k in np.flatnonzero((first < 0.1) | (first > 50))[:1]:
        raise UserError(f"{tables.said(k)}: a pixel size of {first[k]:.4g} Angstrom by {label}.")
    return first


def _pixel_sizes(tables: Tables, said: float | None) -> list[tuple[str, NDArray[np.float64]]]:
    found = [
        (name, tables.numbers(name))
        for name in ("rlnImagePixelSize", "rlnPixelSize")
        if tables.has(name)
    ]
    if tables.has("rlnDetectorPixelSize") and tables.has("rlnMagnification"):
        values = tables.numbers("rlnDetectorPixelSize") * 1e4
        label = "rlnDetectorPixelSize (micrometres) over rlnMagnification"
        found.append((label, values / np.maximum(tables.numbers("rlnMagnification"), 1e-9)))
    if said is not None:
        found.append(("data.pixel_size", np.full(len(tables.particles), said)))
    return found


def _why(tables: Tables) -> str:
    if tables.has("rlnDetectorPixelSize"):
        return (
            " rlnDetectorPixelSize is in micrometres and needs rlnMagnification;"
            " say data.pixel_size=ANGSTROM."
        )
    for name in ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"):
        if tables.has(name):
            return f" {name} is that of the micrographs; say data.pixel_size=ANGSTROM."
    return " Say data.pixel_size=ANGSTROM."
