"""Scores of reconstructed scans: against the truth, and of series with a task what that shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition
from bioreco.data.kspace.series import open_series
from bioreco.metrics.fidelity import scores

COMPARED = 6  # frames of a series that are compared with the truth, spread over all

Magnitude = NDArray[np.float32]


def fidelity(scan: Acquisition, path: Path) -> dict[str, float]:
    """Return the mean scores of the magnitude, slice by slice; nothing without a truth."""
    found = [
        scores(values, truth)
        for frame in compared(scan)
        for values, truth in slices(scan, path, frame)
    ]
    keys = [key for key in (found[0] if found else {}) if all(key in one for one in found)]
    return {key: float(np.mean([one[key] for one in found])) for key in keys}


def compared(scan: Acquisition) -> list[int]:
    """Return the frames that are compared with the truth."""
    chosen = np.linspace(0, scan.frames - 1, COMPARED).round().astype(int)
    return [int(k) for k in np.unique(chosen)]


def slices(scan: Acquisition, path: Path, frame: int) -> Iterator[tuple[Magnitude, Magnitude]]:
    """Yield the magnitude of each slice of a frame, and its truth."""
    truth = truth_of(scan, frame)
    if truth is not None:
        numbers = np.unique(scan.geometry.slices)
        yield from zip(magnitude(path, frame)[numbers], truth[numbers], strict=True)


def magnitude(path: Path, frame: int) -> Magnitude:
    """Return one volume (z, y, x) of a series."""
    return np.abs(open_series(path).read(frame))


def truth_of(scan: Acquisition, frame: int) -> Magnitude | None:
    """Return the true magnitude (z, y, x) of a frame."""
    volume = np.zeros((int(scan.geometry.slices.max()) + 1, *scan.size), np.float32)
    for group in range(scan.groups):
        truth = scan.reference(frame, group)
        if truth is None:
            return None
        volume[scan.geometry.slices[group]] = np.abs(truth)
    return volume


def support(scan: Acquisition) -> NDArray[np.bool_]:
    """Return where the coils see something (z, y, x)."""
    inside = np.zeros((int(scan.geometry.slices.max()) + 1, *scan.size), bool)
    for group in range(scan.groups):
        inside[scan.geometry.slices[group]] = np.abs(scan.maps(group)).sum(axis=1) > 0
    return inside
