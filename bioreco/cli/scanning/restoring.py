"""Changes between the frames of a series, made to come back as large as they are.

What a method lets through of small changes is measured on a few frames, spread over the series,
by adding known ones; then x_t becomes m + (x_t - m) / share, with m the mean of those frames. The
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

log = logging.getLogger("bioreco")

FRAMES = 8  # of a series, on which it is measured
TRUSTED = (0.5, 1.2)  # shares that can be made good
CONVENTIONS = {
    "restored": "share of small added changes that came back, by which the changes between frames"
    " were divided; 1: they were left as they are",
    "response_bias": "of the true response, added to some frames, what is missing or too much"
    " when it comes back, in per cent; unlike that of beta without the noise of the scan",
}


@dataclass(frozen=True)
class Restored:
    """What is done to each frame.

    Attributes
    ----------
    share
        What a method lets through of small changes.
    mean
        Around what they are, (z, y, x).

    """

    share: float
    mean: Volume

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume, with what changed scaled to its size."""
        found: Volume = self.mean + (volume - self.mean) / np.float32(self.share)
        return found


def restoring(method: Method, problems: Problems, number: int, runtime: Runtime) -> Restored | None:
    """Measure what a method lets through of a scan; None where nothing is to be restored."""
    scan = problems.acquisitions[number]
    if scan.frames < 2 or not isinstance(method, Reconstruction) or not method.restores:
        return None
    mean = np.zeros((int(scan.geometry.slices.max()) + 1, *scan.size), np.complex64)
    found = added = 0.0
    for group, batch in _batches(problems, number, runtime):
        with torch.no_grad(), runtime.autocast():
            x, *sums = response.measured(
                partial(method.apply_to, batch), method.operator(batch), batch["y"], batch["seed"]
            )
        unit = batch["unit"].view(-1, 1, 1, 1)
        mean[scan.geometry.slices[group]] = (x * unit).mean(0).cpu().numpy()
        found, added = found + sums[0], added + sums[1]
    share = found / added if added else float("nan")
    least, most = TRUSTED
    if not least <= share <= most:
        log.info("%s: what comes back of small changes is %.2f of them; left as it is.",
                 scan.name, share)  # fmt: skip
        return None
    log.info("%s: %.1f %% of small added changes came back; changes between frames are divided by"
             " that.", scan.name, 100 * share)  # fmt: skip
    return Restored(share, mean)


def responded(
    method: Method, problems: Problems, runtime: Runtime, restored: Restored | None
) -> dict[str, float]:
    """Return how far the true response of the first scan comes back, if it is known."""
    scan = problems.acquisitions[0]
    known = scan.paradigm.beta if scan.paradigm else None
    if known is None or scan.reference(0, 0) is None:
        return {}
    share = restored.share if restored else 1.0
    found = true = 0.0
    for group, batch in _batches(problems, 0, runtime):
        beta = torch.from_numpy(known[scan.geometry.slices[group]] / 100).to(runtime.device)
        x, changed = _with_response(method, scan, group, batch, beta)
        active = ((beta >= ACTIVE / 100) & (x.mean(0) != 0)).expand_as(x)
        back = ((changed - x) / x.mean(0)).real[active]
        found, true = found + float(back.sum()), true + float(beta.expand_as(x)[active].sum())
    bias = 100 * (found / true / share - 1) if true else float("nan")
    return {"restored": share, "response_bias": bias}


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
