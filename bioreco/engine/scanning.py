"""Apply a method to k-space, frame by frame, in memory bounded by a few frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.data.scans import Problems
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import collate, tensors
from bioreco.methods.method import Method

Volume = NDArray[np.complex64]

TOGETHER = 8  # frames reconstructed at once


@torch.no_grad()
def volumes(
    method: Method,
    problems: Problems,
    number: int,
    runtime: Runtime,
    tick: Callable[[float], None],
    *,
    together: int = TOGETHER,
) -> Iterator[tuple[int, Volume]]:
    """Reconstruct one scan.

    Parameters
    ----------
    method
        Its `reconstruct` gives (b, bands, y, x) complex images.
    problems, number
        Scans, and which of them.
    runtime
        Where it runs.
    tick
        Called with the share of the work done since the last call.
    together
        Frames reconstructed at once.

    Yields
    ------
    (frame, volume (z, y, x))
        In the units of the measurements.

    """
    scan = problems.acquisitions[number]
    slices = scan.geometry.slices
    for first in range(0, scan.frames, together):
        frames = range(first, min(first + together, scan.frames))
        found = np.zeros((len(frames), int(slices.max()) + 1, *scan.size), np.complex64)
        for group in range(scan.groups):
            each = [
                problems.problem(number, frame, group, seed=fold(number, frame, group))
                for frame in frames
            ]
            with runtime.autocast():
                mean = method.reconstruct(tensors(collate(each), runtime.device)).mean
            units = np.array([one["unit"] for one in each], np.float32)
            found[:, slices[group]] = mean.cpu().numpy() * units[:, None, None, None]
            tick(len(frames) / scan.frames / scan.groups)
        yield from zip(frames, found, strict=True)
