"""Changes between the frames of a series, made to come back as large as they are.

What a method lets through of small changes is measured on a few frames, spread over the series,
by adding known ones; then x_t becomes m + (x_t - m) / share, with m the mean of those frames and
a share for each neighbourhood, since less comes back where the coils tell slices hardly apart. The
noise grows with the signal, so that nothing is gained or lost but the bias. Where a simulation
knows the true response, it is added in the same way, and what comes back of it is told.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bioreco.data.acquisition import Acquisition
from bioreco.data.scans import Problems
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import collate, tensors
from bioreco.engine.scanning import Volume
from bioreco.methods import response
from bioreco.methods.kspace import Reconstruction
from bioreco.methods.method import Batch, Method
from bioreco.metrics.functional import ACTIVE
from bioreco.operators.models import SMSMRI

Array = NDArray[np.float64]

log = logging.getLogger("bioreco")

FRAMES = 8  # of a series, on which it is measured
TRUSTED = (0.5, 1.2)  # shares that can be made good
WIDTH = 6.0  # standard deviation of a neighbourhood, in pixels
FEW = 0.1  # of the mean density of changes: with fewer, the share is that of all slices
CONVENTIONS = {
    "restored": "share of small added changes that came back, by which (voxel by voxel) the changes"
    " between frames were divided; 1: they were left as they are",
    "response_bias": "of the true response, added to some frames, what is missing or too much"
    " when it comes back, in per cent; unlike that of beta without the noise of the scan",
}


@dataclass(frozen=True)
class Restored:
    """What is done to each frame.

    Attributes
    ----------
    share
        What a method lets through of small changes, (z, y, x).
    mean
        Around what they are, (z, y, x).
    whole
        The share over all slices.

    """

    share: NDArray[np.float32]
    mean: Volume
    whole: float

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume, with what changed scaled to its size."""
        found: Volume = self.mean + (volume - self.mean) / self.share
        return found


def restoring(method: Method, problems: Problems, number: int, runtime: Runtime) -> Restored | None:
    """Measure what a method lets through of a scan; None where nothing is to be restored."""
    scan = problems.acquisitions[number]
    if scan.frames < 2 or not isinstance(method, Reconstruction) or not method.restores:
        return None
    shape = (int(scan.geometry.slices.max()) + 1, *scan.size)
    mean = np.zeros(shape, np.complex64)
    sums = np.zeros((2, *shape))
    for group, batch in _batches(problems, number, runtime):
        with torch.no_grad(), runtime.autocast():
            x, *changes = response.measured(
                partial(method.apply_to, batch), method.operator(batch), batch["y"], batch["seed"]
            )
        slices = scan.geometry.slices[group]
        mean[slices] = (x * batch["unit"].view(-1, 1, 1, 1)).mean(0).cpu().numpy()
        sums[:, slices] = torch.stack(changes).sum(1).cpu().numpy()
    return _restored(scan.name, mean, *sums)


def _restored(name: str, mean: Volume, found: Array, added: Array) -> Restored | None:
    """Return what is to be done, from sums of what came back and of what was added (z, y, x)."""
    whole = found.sum() / added.sum() if added.any() else np.nan
    least, most = TRUSTED
    if not least <= whole <= most:
        log.info("%s: %.2f of small added changes came back; left as it is.", name, whole)
        return None
    width = (0, WIDTH, WIDTH)
    few = added.mean() * FEW
    share = (gaussian_filter(found, width) + few * whole) / (gaussian_filter(added, width) + few)
    log.info("%s: %.1f %% of small added changes came back; those of the series are divided by"
             " that.", name, 100 * whole)  # fmt: skip
    return Restored(share.clip(*TRUSTED).astype(np.float32), mean, float(whole))


def responded(
    method: Method, problems: Problems, runtime: Runtime, restored: Restored | None
) -> dict[str, float]:
    """Return how far the true response of the first scan comes back, if it is known."""
    scan = problems.acquisitions[0]
    known = scan.paradigm.beta if scan.paradigm else None
    if known is None or scan.reference(0, 0) is None:
        return {}
    found = true = 0.0
    for group, batch in _batches(problems, 0, runtime):
        slices = scan.geometry.slices[group]
        beta = torch.from_numpy(known[slices] / 100).to(runtime.device)
        x, changed = _with_response(method, scan, group, batch, beta)
        active = ((beta >= ACTIVE / 100) & (x.mean(0) != 0)).expand_as(x)
        back = (changed - x) / x.mean(0)
        if restored:
            back = back / torch.from_numpy(restored.share[slices]).to(back)
        back = back.real[active]
        found, true = found + float(back.sum()), true + float(beta.expand_as(x)[active].sum())
    bias = 100 * (found / true - 1) if true else float("nan")
    return {"restored": restored.whole if restored else 1.0, "response_bias": bias}


@torch.no_grad()
def _with_response(
    method: Method, scan: Acquisition, group: int, batch: Batch, beta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of frames, and of the same with the true response added."""
    known = (scan.reference(frame, group) for frame in _frames(scan))
    true = torch.from_numpy(np.stack([image for image in known if image is not None]))
    d = beta * true.to(batch["y"]) / batch["unit"].view(-1, 1, 1, 1)
    y = batch["y"] + SMSMRI().operator(batch)(d)
    return method.reconstruct(batch).mean, method.reconstruct({**batch, "y": y}).mean


def _frames(scan: Acquisition) -> list[int]:
    """Return the frames that are looked at."""
    spread = np.linspace(0, scan.frames - 1, min(FRAMES, scan.frames))
    return [round(frame) for frame in spread]


def _batches(problems: Problems, number: int, runtime: Runtime) -> Iterator[tuple[int, Batch]]:
    """Yield each group with its problems at a few frames."""
    scan = problems.acquisitions[number]
    for group in range(scan.groups):
        each = [
            problems.problem(number, frame, group, seed=fold(number, frame, group))
            for frame in _frames(scan)
        ]
        yield group, tensors(collate(each), runtime.device)
