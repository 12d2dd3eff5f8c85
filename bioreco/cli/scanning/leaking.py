"""How much of what happens in one slice a method reads in another, and how noise grows."""

from __future__ import annotations

import numpy as np
import torch

from bioreco.data.scans import Scans
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import collate, tensors
from bioreco.methods.method import Method
from bioreco.metrics.gfactor import sense_gfactor
from bioreco.metrics.leakage import Image, leakage
from bioreco.operators.models import SMSMRI

CHANGE = 0.03  # of the signal: a strong activation

CONVENTIONS = {
    "leakage": f"largest share of a change of {100 * CHANGE:g} % in one slice that is read in"
    " another one of its group, without noise",
    "gfactor": "of least squares SENSE, median over the object",
    "gfactor_95": "95th percentile of the same",
}


def leaked(method: Method, data: Scans, runtime: Runtime) -> dict[str, float]:
    """Return the leakage of a method between simultaneous slices; nothing where it is unknown."""
    scan = data.acquisitions[0]
    truth = scan.reference(0, 0)
    if scan.bands < 2 or truth is None:
        return {}
    batch = tensors(collate([data.training(method.wants).problem(0, 0, 0, seed=0)]), runtime.device)
    H = SMSMRI().operator(batch)
    around = truth / float(batch["unit"])

    @torch.no_grad()
    def respond(image: Image) -> Image:
        x = torch.from_numpy(image.astype(np.complex64))[None].to(runtime.device)
        found: Image = method.reconstruct({**batch, "y": H(x)}).mean[0].cpu().numpy()
        return found

    matrix = leakage(respond, CHANGE * around, around=around)
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    return {"leakage": float(off.max())}


def noise_growth(data: Scans) -> dict[str, float]:
    """Return the g-factor of the first group, where whole lines are measured."""
    scan = data.acquisitions[0]
    mask, maps = scan.mask(0, 0), scan.maps(0)
    if not (mask == mask[:, :1]).all():
        return {}
    growth = sense_gfactor(maps, np.flatnonzero(mask[:, 0]), scan.caipi)
    inside = growth[np.abs(maps).sum(axis=1) > 0]
    return {
        "gfactor": float(np.median(inside)),
        "gfactor_95": float(np.percentile(inside, 95)),
    }
