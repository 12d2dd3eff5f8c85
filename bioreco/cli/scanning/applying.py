"""Write the reconstruction of scans as series of volumes, magnitude and phase."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bioreco.cli.scanning.doubting import doubted
from bioreco.cli.scanning.leaking import leaked
from bioreco.cli.scanning.restoring import responded, restoring
from bioreco.data.kspace.series import Series
from bioreco.data.scans import Scans
from bioreco.engine.runtime import Runtime
from bioreco.engine.scanning import Volume, volumes
from bioreco.methods.method import Method

log = logging.getLogger("bioreco")


@dataclass(frozen=True)
class Found:
    """Results on disk.

    Attributes
    ----------
    paths
        The magnitude of each scan; the phase is beside it.
    seconds
        What they took.
    scores
        What was measured of the method itself.

    """

    paths: Sequence[Path]
    seconds: float
    scores: Mapping[str, float] = field(default_factory=dict)


def apply(method: Method, data: Scans, runtime: Runtime, folder: Path) -> Found:
    """Reconstruct every scan into a folder; NAME.nii and NAME_phase.nii."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    runtime.place(method)
    method.eval()
    problems = data.training(method.wants)
    paths = [target(folder, scan.name) for scan in data.acquisitions]
    restored = [restoring(method, problems, number, runtime) for number in range(len(paths))]
    quiet = not sys.stderr.isatty()
    with tqdm(total=len(paths), desc="reconstructing", disable=quiet, leave=False) as bar:
        for number, (scan, path) in enumerate(zip(data.acquisitions, paths, strict=True)):
            with Series.of(scan, path) as series:
                after = restored[number] or _as_it_is
                for frame, volume in volumes(method, problems, number, runtime, bar.update):
                    series.write(frame, after(volume))
            log.info("Wrote %s", path)
    seconds = time.monotonic() - began
    scores = leaked(method, data, runtime) | doubted(method, data, runtime, folder / "doubt")
    scores |= responded(method, problems, runtime, restored[0])
    return Found(paths, seconds, scores)


def _as_it_is(volume: Volume) -> Volume:
    return volume


def target(folder: Path, name: str) -> Path:
    """Return where the result of a scan goes, by the scan's name without its ending."""
    return folder / f"{Path(name).stem}.nii"
