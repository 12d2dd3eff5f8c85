"""k-space as it was acquired, whatever file or simulation it comes from.

A scan is a series of frames; each frame is a number of groups of slices that were excited
together (one slice each in ordinary MRI). A group of a frame is one problem y = H(x) + w. Nothing
is read before it is asked for, so that a series may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Geometry:
    """Where the slices lie in the scanner.

    Attributes
    ----------
    affine
        Voxel (x, y, z, 1) to millimetres (4, 4), as in NIfTI.
    repetition_time
        Seconds between frames; None if it is unknown or there is one frame.
    slices
        Position of each slice in the volume, (groups, bands).

    """

    affine: NDArray[np.float64]
    repetition_time: float | None
    slices: NDArray[np.int64]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along x, y and z, in millimetres."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


@dataclass(frozen=True)
class Paradigm:
    """What the subject did, and where a simulation knows it, what the brain did.

    Attributes
    ----------
    regressor
        The response expected of an active voxel, one value a frame (frames,), with a peak of 1.
    frequency
        Frequency of the task in hertz.
    beta
        True signal change in per cent of the mean (z, y, x), or None.

    """

    regressor: NDArray[np.float64]
    frequency: float
    beta: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Acquisition:
    """A scan. Subclasses give `kspace`, `mask` and `maps`, and what else they have.

    Attributes
    ----------
    name
        Of the file, or of the simulation; results are named after it.
    frames, groups, bands, coils
        Repetitions; groups of slices in each; slices of a group; receive coils.
    size
        Pixels along y (phase encoding) and x (readout).
    caipi
        Shift of each band along y, in pixels: D_s, all 0 without CAIPI (bands,).
    geometry
        Where the slices lie.
    paradigm
        The task of a functional series, or None.
    notes
        What reading the file found out, in plain words.

    """

    name: str
    frames: int
    groups: int
    bands: int
    coils: int
    size: tuple[int, int]
    caipi: tuple[float, ...]
    geometry: Geometry
    paradigm: Paradigm | None = None
    notes: Sequence[str] = field(default=())

    def kspace(self, frame: int, group: int) -> Complex:
        """Return the measurements y (coils, ky, kx), centred; 0 where none was taken."""
        raise NotImplementedError

    def mask(self, frame: int, group: int) -> Mask:
        """Return which were taken (ky, kx)."""
        raise NotImplementedError

    def maps(self, group: int) -> Complex:
        """Return the coil maps (bands, coils, y, x), with sum |C|^2 = 1 in the object, else 0."""
        raise NotImplementedError

    def calibration(self, group: int) -> Complex | None:
        """Return fully sampled central lines of each band alone (bands, coils, lines, kx)."""

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return the true image (bands, y, x), or None."""

    def noise(self) -> Complex | None:
        """Return a scan without signal (coils, samples), or None."""
