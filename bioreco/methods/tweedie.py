"""Tweedie's formula: the posterior mean of a pixel from its measurement and the score there.

The score is d log p(y) / dy, with p the density of the measurements. For a noise of the exponential
family, p(y | s) = b(y) exp(y t(s) - a(s)), the posterior mean of the natural parameter t is the
score minus d log b / dy (Robbins 1956; Efron, JASA 2011). What follows is in measured units.

Notes
-----
Only for Gaussian noise is t proportional to the signal, and the formula its posterior mean. For
Poisson noise t is the logarithm of the signal and for Gamma noise its inverse, so that what comes
out are the geometric and the harmonic mean of the posterior. Both are below its mean, by half of
and by its variance relative to the signal: little once noise is averaged away, and `Noise2Score`
gives it back on average.
"""

from __future__ import annotations

import torch
from torch import Tensor

BRIGHTER = 5.0  # largest log of estimate over measurement: only a wrong score asks for more


def gaussian(y: Tensor, score: Tensor, *, variance: Tensor) -> Tensor:
    """Return E[s | y] = y + variance * score for y = s + w, w normal.

    Parameters
    ----------
    y
        Measurements.
    score
        Of the measurements, per unit of y.
    variance
        Of the noise.

    """
    return y + variance * score


def poisson(y: Tensor, score: Tensor, *, gain: Tensor, dark: Tensor) -> Tensor:
    """Return exp(E[log(s + dark)|y]) - dark for y + dark = gain * Poisson((s + dark) / gain).

    Parameters
    ----------
    y
        Measurements.
    score
        Of the measurements, per unit of y.
    gain
        Grey levels per count.
    dark
        What is added so that the variance is that of counts, gain * (s + dark): minus the offset,
        and the variance of further noise over the gain (the shifted Poisson law).

    Notes
    -----
    With k = (y + dark) / gain counts, b = 1 / k! and log s = log gain + psi(k + 1) + gain * score.
    Kim and Ye (2021) write k + 1/2 for exp(psi(k + 1)), which is 11 % less at k = 0.

    """
    counts = ((y + dark) / gain).clamp(min=0)
    rise = (gain * score).clamp(max=BRIGHTER)
    return gain * torch.exp(torch.digamma(counts + 1) + rise) - dark


def gamma(y: Tensor, score: Tensor, *, looks: Tensor, least: Tensor) -> Tensor:
    """Return 1 / E[1 / s | y] for y = s * g, g of the Gamma law of mean 1 and variance 1 / looks.

    Parameters
    ----------
    y
        Measurements, above 0.
    score
        Of the logarithm of the measurements, z = log y: d log p(z) / dz = 1 + y * d log p(y) / dy.
        Noise is equally strong everywhere on that scale.
    looks
        Shape of the law.
    least
        Smallest y / s that is believed. Dark grains say little of the signal behind them: there
        the formula divides by nearly 0, and a small error of the score would blow them up.

    Notes
    -----
    s = looks * y / (looks - 1 - y * d log p(y) / dy) = looks * y / (looks - score).

    """
    return y / torch.maximum(1 - score / looks, least)
