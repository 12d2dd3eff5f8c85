"""Functional series of multi-coil k-space: a seeded simulation, or the user's own files."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import ClassVar

from bioreco.data.acquisition import Acquisition
from bioreco.data.kspace.coils import compressed, prewhitened
from bioreco.data.kspace.maps import with_maps
from bioreco.data.kspace.scan import opened
from bioreco.data.kspace.scans import Scan
from bioreco.data.mri import PREWHITEN, find_scans
from bioreco.data.scans import Scans
from bioreco.data.simulation.fmri import simulate
from bioreco.data.simulation.protocol import Protocol
from bioreco.errors import UserError, nearest

log = logging.getLogger("bioreco")


@dataclass(frozen=True, kw_only=True)
class FMRI(Protocol, Scans):
    """Functional MRI, of simultaneous slices or of one at a time.

    Parameters
    ----------
    root
        A folder that relative paths start from; alone, all scans in it.
    paths
        Files of k-space. Without `root` and `paths` runs are simulated.
    axes
        What the axes of the files' arrays are, slowest first: frame, slice, coil, y, x.
    prewhiten, maps, support
        How the noise is whitened and the coil maps are found; see `MRI`.
    compress
        Compress to so many virtual coils; None keeps all.
    runs
        Simulated runs of one person; see `Protocol` for how they are measured. Files are measured
        as they are.
    seed
        Decides who the person is, what responds, and the noise.

    Attributes
    ----------
    acquisitions
        The runs, each made or read frame by frame.

    """

    baselines: ClassVar[tuple[str, ...]] = ("sense", "tikhonov", "split_slice_grappa")

    seed: int
    root: str | None = None
    paths: list[str] | None = None
    axes: list[str] | None = None
    prewhiten: str = "auto"
    compress: int | None = None
    maps: str = "auto"
    support: float = 0.8
    runs: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs < 1:
            raise UserError(f"data.runs={self.runs}: at least 1")
        if self.prewhiten not in PREWHITEN:
            words, near = ", ".join(PREWHITEN), nearest(self.prewhiten, PREWHITEN)
            raise UserError(f"data.prewhiten={self.prewhiten}: choose from {words}.{near}")
        found = self._opened() if self.root or self.paths else self._simulated()
        object.__setattr__(self, "acquisitions", [self._ready(base) for base in found])

    def _simulated(self) -> list[Acquisition]:
        protocol = Protocol(**{each.name: getattr(self, each.name) for each in fields(Protocol)})
        log.info(
            "This is a seeded simulation (seed %d), not a scan: %d x %d frames, TR %g s, %d slices"
            " in %d groups (multiband %d), R %d, %d coils, SNR %g, %s.",
            self.seed,
            self.runs,
            self.frames,
            self.repetition_time,
            self.multiband * self.groups,
            self.groups,
            self.multiband,
            self.acceleration,
            self.coils,
            self.snr,
            "a drawn head" if self.anatomy is None else f"the head of {self.anatomy}",
        )
        return [simulate(protocol, seed=self.seed, run=run) for run in range(self.runs)]

    def _opened(self) -> list[Acquisition]:
        return [opened(path, axes=self.axes) for path in find_scans(self.paths, self.root)]

    def _ready(self, base: Acquisition) -> Acquisition:
        """Whiten, compress and give maps to one run, estimated as they would be of a scan."""
        file = not isinstance(base, Scan) or base.sensitivities is not None
        lines = self.calibration_lines
        scan = compressed(prewhitened(base, self.prewhiten), self.compress, lines=lines)
        return with_maps(scan, self.maps, file=file, lines=lines, crop=self.support)
