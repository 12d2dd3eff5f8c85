"""Samples of a prior and the measurement of a pixel: how likely it was, and what follows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bioreco.noise.model import NoiseModel


def surprise(samples: Tensor, y: Tensor, noise: NoiseModel, mask: Tensor) -> Tensor:
    """Return -log mean_k p(y | s_k) over the masked pixels of each image, averaged over images.

    Parameters
    ----------
    samples
        Samples s_k of the prior (b, c, K, [z,] y, x), in grey levels.
    y
        Measurements (b, c, [z,] y, x), in grey levels.
    noise
        p(y | s).
    mask
        Which pixels count, of the shape of y.

    """
    s = samples.movedim(2, -1)[mask]
    likely = torch.logsumexp(noise.log_prob(y[mask][:, None], s), 1) - math.log(s.shape[1])
    count = mask.flatten(1).sum(1).clamp(min=1)
    weight = (mask / count.view(-1, *[1] * (mask.dim() - 1)))[mask]
    return -(likely * weight).sum() / len(mask)


def weights(samples: Tensor, y: Tensor, noise: NoiseModel) -> Tensor:
    """Return the weight of each prior sample given the measurement, (b, c, K, [z,] y, x)."""
    return torch.softmax(noise.log_prob(y[:, :, None], samples), 2)
