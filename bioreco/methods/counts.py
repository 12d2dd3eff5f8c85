"""The measurements in grey levels, and whether they have the noise that a noise model says."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Facts
from bioreco.noise.model import NoiseModel

FACTOR = 4.0  # by which the noise said and the noise seen may differ
LOOKED_AT = 2**16  # pixels of an image that are looked at


def grey_levels(facts: Facts) -> list[Tensor]:
    """Return some pixels of each image as they were measured."""
    found = []
    for image, (shift, unit) in zip(facts.images, facts.scales, strict=True):
        flat = image.flatten(1)
        some = flat[:, :: max(1, flat.shape[1] // LOOKED_AT)]
        found.append(some * unit[:, None] + shift[:, None])
    return found


@torch.no_grad()
def check_noise(model: NoiseModel, facts: Facts) -> None:
    """Refuse measurements whose noise is another than a noise model says.

    Raises
    ------
    UserError
        If the standard deviation of the noise is off by more than a factor of four: counts that
        were rescaled, or the noise model of another camera or gain.

    """
    levels = grey_levels(facts)
    seen = [c.sigma**2 for image in facts.noise for c in image if 0 < c.sigma < math.inf]
    if not levels or not seen:
        return
    said = math.sqrt(sum(float(model.variance(v).mean()) for v in levels) / len(levels))
    shown = math.sqrt(sum(seen) / len(seen))
    if not 1 / FACTOR < said / shown < FACTOR:
        raise UserError(
            f"the noise model says noise of {said:.3g} grey levels, but these images show"
            f" {shown:.3g}: rescaled counts, or another camera or gain"
        )
