"""What a series with a task shows: tSNR, response, detection, phase; in numbers and as maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.cli.scanning.scoring import magnitude, support, truth_of
from bioreco.data.acquisition import Acquisition
from bioreco.engine.galleries import Row
from bioreco.metrics import functional
from bioreco.metrics.functional import COHERENT, CONVENTIONS, Task
from bioreco.metrics.series import DRIFT
from bioreco.metrics.smoothed import equally_smooth

__all__ = ["CONVENTIONS", "control", "rows", "scores"]

Series = NDArray[np.float32]

BRIGHT = 0.15  # of the brightest tenth of the mean image: what is darker is no brain


def scores(scan: Acquisition, path: Path) -> dict[str, float]:
    """Return the scores of a series with a task; nothing for others, nor for a few frames."""
    if not _tells(scan):
        return {}
    assert scan.paradigm is not None
    series = read(scan, path)
    return functional.evaluate(
        series,
        _task(scan),
        mask=brain(scan, series),
        truth=truth(scan),
        beta=scan.paradigm.beta,
    )


def control(scan: Acquisition, path: Path, like: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of a plain series smoothed until its noise is as smooth as another's.

    Parameters
    ----------
    scan
        The scan.
    path
        Its reconstruction by a method that doesn't smooth.
    like
        Scores of the other; nothing is returned without its smoothness.

    """
    if not _tells(scan) or "smoothness_fwhm" not in like:
        return {}
    assert scan.paradigm is not None
    series = read(scan, path)
    inside, task = brain(scan, series), _task(scan)
    smoothed = equally_smooth(series, task.regressor, mask=inside, target=like["smoothness_fwhm"])
    return functional.evaluate(
        smoothed, task, mask=inside, truth=truth(scan), beta=scan.paradigm.beta
    )


def rows(scan: Acquisition, paths: Mapping[str, Path], z: int) -> list[Row]:
    """Return the rows of a picture: tSNR, phase and response of one slice."""
    if not _tells(scan):
        return []
    every = {name: read(scan, path) for name, path in paths.items()}
    inside = brain(scan, next(iter(every.values())))[z]
    true = truth(scan)
    if true is not None:
        every["truth"] = true
    task = _task(scan)
    found = {name: functional.maps(one[:, z : z + 1], task) for name, one in every.items()}
    steady = {name: np.where(inside, one.tsnr[0], np.nan) for name, one in found.items()}
    learnt = [steady[name] for name in paths]
    high = float(np.nanpercentile(learnt[-1], 99)) if inside.any() else 1.0
    medians = {name: f"median {np.nanmedian(values):.1f}" for name, values in steady.items()}
    phase = {
        name: np.where(inside & (one.coherence[0] > COHERENT), one.phase[0], np.nan)
        for name, one in found.items()
    }
    response = {name: np.where(inside, one.beta[0], np.nan) for name, one in found.items()}
    return [
        Row("tSNR", steady, (0, high), "viridis", medians),
        Row(f"phase (coherence > {COHERENT})", phase, (-np.pi, np.pi), "hsv"),
        Row("response, per cent", response, (-3, 3), "RdBu_r"),
    ]


def read(scan: Acquisition, path: Path) -> Series:
    """Return the magnitude of all frames (t, z, y, x)."""
    return np.stack([magnitude(path, frame) for frame in range(scan.frames)])


def truth(scan: Acquisition) -> Series | None:
    """Return the true magnitude of all frames, if it is known."""
    volumes = (truth_of(scan, frame) for frame in range(scan.frames))
    found = [volume for volume in volumes if volume is not None]
    return np.stack(found) if len(found) == scan.frames else None


def brain(scan: Acquisition, series: Series) -> NDArray[np.bool_]:
    """Return the voxels that the numbers are about: in the object, and not dark."""
    first = truth_of(scan, 0)
    mean = series.mean(axis=0) if first is None else first
    inside = support(scan)
    bright = np.percentile(mean[inside], 90) if inside.any() else 0.0
    return inside & (mean > BRIGHT * bright)


def _tells(scan: Acquisition) -> bool:
    """Return whether there is a task, and more frames than courses that are fitted to them."""
    return scan.paradigm is not None and scan.frames > DRIFT + 2


def _task(scan: Acquisition) -> Task:
    assert scan.paradigm is not None  # looked at before
    known = scan.paradigm
    return Task(known.regressor, known.frequency or None, scan.geometry.repetition_time)
