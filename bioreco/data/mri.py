"""Multi-coil MRI: k-space from files, made ready to learn from, or simulated."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bioreco.data.acquisition import Acquisition
from bioreco.data.image import times
from bioreco.data.kspace.coils import compressed, prewhitened
from bioreco.data.kspace.maps import with_maps
from bioreco.data.kspace.oversampling import narrowed
from bioreco.data.kspace.part import part_of
from bioreco.data.kspace.scan import is_scan, opened
from bioreco.data.kspace.scans import Scan
from bioreco.data.kspace.undersampling import is_full, undersampled
from bioreco.data.others import SUBSAMPLING, Others
from bioreco.data.scans import Scans
from bioreco.data.simulation.mri import simulate
from bioreco.errors import UserError, nearest

log = logging.getLogger("bioreco")

PREWHITEN = ("auto", "scan", "edge", "none")
_LINES = 24
_CHECKED = 2**28  # bytes of k-space that are looked through at once


@dataclass(kw_only=True, eq=False)
class MRI(Scans):
    """Multi-coil k-space.

    What is done to a scan, in this order: noise prewhitening, coil compression, coil maps, removal
    of the readout oversampling, undersampling in retrospect. What was found and done is logged.

    Parameters
    ----------
    paths
        Files with k-space; all in the folder `root` if there are none. Without both, a simulation.
    root
        A folder that relative paths start from.
    axes
        What the axes of the array are, slowest first: frame, slice, coil, y, x.
    frames, slices
        Use the first frames, and slices in the middle; None for all.
    prewhiten
        Where the noise covariance comes from: "scan" (a noise scan), "edge" (the corners of
        k-space), "auto" (the scan if there is one), or "none".
    coils
        Compress to so many virtual coils; None keeps all.
    maps
        "espirit", "lowres" (windowed centre), "file", or "auto" for the first of file, espirit and
        lowres that works.
    support
        ESPIRiT eigenvalue from which on a pixel belongs to the object; 0 keeps all pixels.
    oversampling
        "auto" removes the readout oversampling that the header says; or a factor; or "none".
    acceleration
        Lines outside the centre for each one that is kept; None or 1 leaves what was measured.
    acs_lines
        Central lines that are all kept.
    pattern
        "equispaced", "uniform", "gaussian", or "points".
    jitter
        Draw the pattern anew for each frame and slice.
    caipi
        Shift of each band along y in pixels, where the file doesn't say so.
    sharp
        Fully sampled images of others, for methods that learn from them unpaired: "simulated", or
        files, folders or globs of images.
    subsampling
        How they are undersampled: "stochastic", each time by a mask drawn anew, or
        "deterministic", as the measurement they are shown beside.
    seed
        Of the pattern.

    Attributes
    ----------
    acquisitions
        One a file.

    Raises
    ------
    UserError
        If there is nothing to read, or what is read can't be used as asked.

    """

    baselines: ClassVar[tuple[str, ...]] = ("zero_filled", "cg_sense", "l1_wavelet")
    retrospective: ClassVar[tuple[str, ...]] = ("acceleration",)

    seed: int
    paths: list[str] | None = None
    root: str | None = None
    axes: list[str] | None = None
    frames: int | None = None
    slices: int | None = None
    prewhiten: str = "auto"
    coils: int | None = None
    maps: str = "auto"
    support: float = 0.8
    oversampling: float | str = "auto"
    acceleration: float | None = 4.0
    acs_lines: int = 24
    pattern: str = "equispaced"
    jitter: bool = False
    caipi: list[float] | None = None
    sharp: str | list[str] = "simulated"
    subsampling: str = "stochastic"

    def __post_init__(self) -> None:
        if self.prewhiten not in PREWHITEN:
            words, near = ", ".join(PREWHITEN), nearest(self.prewhiten, PREWHITEN)
            raise UserError(f"data.prewhiten={self.prewhiten}: choose from {words}.{near}")
        if not 0 <= self.support < 1:
            raise UserError(f"data.support={self.support:g}: from 0 to below 1")
        if self.subsampling not in SUBSAMPLING:
            words, near = ", ".join(SUBSAMPLING), nearest(self.subsampling, SUBSAMPLING)
            raise UserError(f"data.subsampling={self.subsampling}: choose from {words}.{near}")
        found = find_scans(self.paths, self.root)
        bases: list[Acquisition] = [
            opened(path, axes=self.axes, caipi=self.caipi) for path in found
        ]
        bases = bases or [_simulated(self.seed)]
        self.acquisitions = [self._ready(base) for base in bases]

    def _ready(self, base: Acquisition) -> Acquisition:
        """Wrap what is asked for around one scan."""
        file = not isinstance(base, Scan) or base.sensitivities is not None
        factor = self._factor(base)
        scan = part_of(base, self.frames, self.slices)
        _look_through(scan)
        less = (self.acceleration or 1) != 1 and is_full(scan.mask(0, 0))
        lines = min(_LINES, self.acs_lines) if less else _LINES
        scan = prewhitened(scan, self.prewhiten)
        scan = compressed(scan, self.coils, lines=lines)
        scan = with_maps(scan, self.maps, file=file, lines=lines, crop=self.support)
        scan = narrowed(scan, factor)
        return undersampled(
            scan,
            pattern=self.pattern,
            acceleration=self.acceleration,
            acs_lines=self.acs_lines,
            seed=self.seed,
            jitter=self.jitter,
        )

    def others(self) -> Others:
        """Return the sharp domain, on the pixels of the scans."""
        return Others(
            self.acquisitions,
            self.sharp,
            seed=self.seed,
            pattern=self.pattern if self.subsampling == "stochastic" else None,
            acceleration=self.acceleration,
            acs=self.acs_lines,
        )

    def _factor(self, base: Acquisition) -> float:
        """Return how much finer than the image the readout is sampled."""
        if self.oversampling == "none":
            return 1.0
        if self.oversampling == "auto":
            return (base.oversampling or 1.0) if isinstance(base, Scan) else 1.0
        try:
            return float(self.oversampling)
        except ValueError:
            raise UserError(
                f"data.oversampling={self.oversampling}: auto, none, or a factor such as 2."
            ) from None


def find_scans(paths: list[str] | None, root: str | None) -> list[Path]:
    """Return the files with k-space that are meant.

    Raises
    ------
    UserError
        If there are none.

    """
    if root is not None and not Path(root).expanduser().is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    base = Path(root).expanduser() if root is not None else Path()
    found: list[Path] = []
    for path in paths or []:
        pattern = Path(path).expanduser()
        whole = pattern if pattern.is_absolute() else base / pattern
        if whole.exists() or not any(sign in path for sign in "*?["):
            found.append(whole)
            continue
        matches = sorted(m for m in whole.parent.glob(whole.name) if is_scan(m))
        if not matches:
            raise UserError(f"data.paths: no file with k-space matches {path}")
        found += matches
    if not paths and root is not None:
        found = sorted(path for path in base.iterdir() if is_scan(path) and path.suffix != ".hdr")
        if not found:
            raise UserError(
                f"data.root={root}: no file in it holds k-space (fastMRI or ISMRMRD HDF5,"
                " BART .cfl, or complex arrays in .npy, .npz or .mat)"
            )
    return found


def _look_through(scan: Acquisition) -> None:
    """Read a scan once if it is small, so that bad values are found before anything is learnt."""
    size = scan.frames * scan.groups * scan.coils * scan.size[0] * scan.size[1] * 8
    if size <= _CHECKED:
        for frame in range(scan.frames):
            for group in range(scan.groups):
                scan.mask(frame, group)


def _simulated(seed: int) -> Acquisition:
    scan = simulate(seed=seed)
    log.info(
        "This is a seeded simulation (seed %d), not a scan: %d slices of %s pixels, %d coils.",
        seed,
        scan.groups,
        times(scan.size),
        scan.coils,
    )
    return scan
