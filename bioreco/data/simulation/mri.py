"""Simulated multi-coil MRI: slices of several heads and contrasts, all lines, with noise.

Each slice is one group with one band and one frame. It is fully sampled, so that undersampling it
leaves a reference; the truth without noise is there too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioreco.data.acquisition import Acquisition, Complex, Geometry, Mask
from bioreco.data.simulation import synthesis
from bioreco.data.simulation.subject import Subject, draw
from bioreco.data.simulation.synthesis import STREAMS
from bioreco.errors import UserError

CONTRASTS = ("t1", "t2", "flair", "pd")  # of the first head, the second, ...
HIGHEST, LOWEST = 42.0, -22.0  # millimetres between which slices are taken
THICKNESS = 5.0  # millimetres
CALIBRATION = 24  # lines


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedMRI(Acquisition):
    """Slices of some heads, one group each.

    Attributes
    ----------
    subjects
        One for each slice, holding that slice alone.
    sigma
        Standard deviation of the noise of each slice's samples, sqrt(E|n|^2).
    seed
        Of the noise.

    """

    subjects: tuple[Subject, ...]
    sigma: tuple[float, ...]
    seed: int

    def kspace(self, frame: int, group: int) -> Complex:
        """Return all lines of a slice, with noise (coils, ky, kx)."""
        subject = self.subjects[group]
        fine = subject.coils(np.zeros(1, dtype=np.int64), self.coils)
        clean = synthesis.measure(subject.x, fine, (0.0,), np.arange(self.size[0]))
        seeds = (STREAMS["thermal"], self.seed, frame, group)
        return np.asarray(clean + synthesis.gaussian(clean.shape, self.sigma[group], seeds))

    def mask(self, frame: int, group: int) -> Mask:
        """Return that everything was taken (ky, kx)."""
        self._check(frame, group)
        return np.ones(self.size, dtype=bool)

    def maps(self, group: int) -> Complex:
        """Return the true coil maps at the resolution of the image (1, coils, y, x)."""
        return self.subjects[group].maps(np.zeros(1, dtype=np.int64), self.coils)

    def calibration(self, group: int) -> Complex:
        """Return the central lines of the slice (1, coils, lines, kx), as they were measured."""
        count = min(CALIBRATION, self.size[0])
        first = self.size[0] // 2 - count // 2
        return self.kspace(0, group)[None, :, first : first + count]

    def reference(self, frame: int, group: int) -> Complex:
        """Return the truth without noise, at the resolution that is measured (1, y, x)."""
        self._check(frame, group)
        return synthesis.truth(self.subjects[group].x)

    def _check(self, frame: int, group: int) -> None:
        if frame not in range(self.frames) or group not in range(self.groups):
            raise IndexError(f"frame {frame}, group {group} of {self.frames}, {self.groups}")


def simulate(
    *,
    seed: int,
    heads: int = 4,
    slices: int = 4,
    size: int = 128,
    coils: int = 8,
    snr: float = 40.0,
    anatomy: str | None = None,
) -> SimulatedMRI:
    """Measure some slices of some heads.

    Parameters
    ----------
    seed
        Decides who they are, and the noise.
    heads
        People; their contrasts take turns: T1, T2, FLAIR, proton density.
    slices
        Of each.
    size
        Pixels along y and x.
    coils
        Loops of the array.
    snr
        Mean brightness of the brain over the standard deviation of the noise (complex).
    anatomy
        NIfTI file of a brain in place of drawn ones; only the contrasts differ then.

    Raises
    ------
    UserError
        If an option is out of range.

    """
    for name, value, least in (
        ("heads", heads, 1), ("slices", slices, 1), ("size", size, 16), ("coils", coils, 1),
        ("snr", snr, 1e-6),
    ):  # fmt: skip
        if not value >= least:
            raise UserError(
                f"data.{name}={value}: {'above 0' if least < 1 else f'{least} or more'}"
            )
    heights = np.linspace(LOWEST, HIGHEST, slices) if slices > 1 else np.zeros(1)
    subjects = tuple(
        draw(
            (size, size),
            heights[k : k + 1],
            THICKNESS,
            contrast=CONTRASTS[person % len(CONTRASTS)],
            seed=1000 * seed + person,
            anatomy=anatomy,
        )
        for person in range(heads)
        for k in range(slices)
    )
    groups = heads * slices
    return SimulatedMRI(
        name="simulated",
        frames=1,
        groups=groups,
        bands=1,
        coils=coils,
        size=(size, size),
        caipi=(0.0,),
        geometry=Geometry(
            affine=synthesis.affine((size, size), heights, THICKNESS),
            repetition_time=None,
            slices=np.arange(groups)[:, None],
        ),
        subjects=subjects,
        sigma=tuple(subject.brightness / snr for subject in subjects),
        seed=seed,
    )
