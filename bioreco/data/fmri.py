"""Functional series of multi-coil k-space: a seeded simulation, or the user's own files."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields

from bioreco.data.acquisition import Acquisition
from bioreco.data.simulation.fmri import simulate
from bioreco.data.simulation.protocol import Protocol
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


@dataclass(frozen=True, kw_only=True)
class FMRI(Protocol):
    """Functional MRI, of simultaneous slices or of one at a time.

    Parameters
    ----------
    root
        A folder that relative paths start from; alone, all scans in it.
    paths
        Files of k-space. Without `root` and `paths` runs are simulated.
    runs
        Simulated runs of one person; see `Protocol` for how they are measured.
    seed
        Decides who the person is, what responds, and the noise.

    Attributes
    ----------
    acquisitions
        The runs, each made or read frame by frame.

    """

    seed: int
    root: str | None = None
    paths: list[str] | None = None
    runs: int = 1
    acquisitions: list[Acquisition] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs < 1:
            raise UserError(f"data.runs={self.runs}: at least 1")
        found = self._opened() if self.root or self.paths else self._simulated()
        object.__setattr__(self, "acquisitions", found)

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
        raise UserError("data.root and data.paths: reading scans is not part of this data set")
