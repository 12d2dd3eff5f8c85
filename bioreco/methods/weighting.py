"""Weights that make a loss on Lambda count as much where points are seldom acquired.

Weighted SSDU: Millard and Chiew, IEEE Trans. Comput. Imaging 2023. With p the probability of a
point to be acquired and q that of an acquired point to be in Lambda, the squared error is divided
by 1 - K, K = (1 - p) / (1 - p (1 - q)): the probability of a point that the network doesn't see to
be in the loss. The expectation is then that of a loss on all points that it doesn't see.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 15  # pixels over which the density of the acquired points is taken


def weights(mask: Tensor, probability: Tensor) -> Tensor:
    """Return the factor (1 - K)^(-1/2) on the modulus of the error.

    Parameters
    ----------
    mask
        Omega (b, 1, ky, kx), bool.
    probability
        q, of each acquired point to be in Lambda; 0 where it can't be.

    Returns
    -------
    Tensor
        (b, 1, ky, kx), at least 1 where q is above 0, else 0.

    Notes
    -----
    p isn't known of a scan with one mask. It is taken as the density of that mask nearby: about
    1/R, and 1 within the calibration lines.

    """
    p = density(mask)
    seen = p * (1 - probability)
    share = p * probability / (1 - seen).clamp(min=1e-6)
    return torch.where(probability > 0, share.clamp(min=1e-6) ** -0.5, 0)


def density(mask: Tensor) -> Tensor:
    """Return the share of the points around each that are acquired (b, 1, ky, kx)."""
    return functional.avg_pool2d(
        mask.float(), WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False
    )
