"""A score without a truth for anything that reconstructs: see `metrics.heldout`.

What is scored is small: a few crops, spread over the images, in one orientation. A score takes
the time of reconstructing two megapixels once (`appearance` included), a look during training that
of an eighth of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.engine.crops import Array, Copies, Crop
from bioreco.engine.predict import Predictor
from bioreco.metrics.frc import SMALLEST, frc
from bioreco.metrics.heldout import contrast, contributions, objection
from bioreco.metrics.noise import Noise
from bioreco.metrics.residual import residual
from bioreco.metrics.splits import DOSE, split

Scores = dict[str, float]

FOLDS = 4
PIXELS = 2**18  # scored in all at the end
LEAST = -0.1  # of the noise: an error is never negative, a noise estimate may be wrong by as much
GLANCE = (2, 2**16)  # folds and pixels of a look during training

CONVENTIONS = {
    "heldout_error": "mean squared error, found without a truth, over the variance of the noise:"
    f" 0 is perfect (at {DOSE:g} of the light, on crops; only as right as the noise estimate)",
    "psnr_heldout": "from heldout_error, data range = max - min of the measurement averaged over"
    " 5 pixels along each axis",
}


def why_not(noise: Sequence[Sequence[Noise]]) -> str | None:
    """Return why no image can be scored without a truth; None if one can."""
    reasons = [objection(channel) for channels in noise for channel in channels]
    return None if None in reasons else (reasons[0] if reasons else "there are no images")


def judged(predictor: Predictor, found: Sequence[Crop], *, folds: int = GLANCE[0]) -> float:
    """Return the mean held-out error of a denoiser over crops, as a share of the noise.

    It is infinite where there is none, or where it is impossible.
    """
    each = [one["heldout_error"] for crop in found for one in heldout(predictor, crop, folds=folds)]
    error = float(np.mean(each)) if each else math.inf
    return math.inf if error < LEAST else error


def heldout(predictor: Predictor, crop: Crop, *, folds: int = FOLDS) -> list[Scores]:
    """Score a denoiser on a crop, in each channel whose noise allows it.

    Returns
    -------
    list of dict
        heldout_error, its standard error heldout_error_se, and psnr_heldout where the error is
        surely above zero.

    """
    seen = np.repeat(crop.y[None], folds, axis=0)
    kept: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for c in _good(crop):
        rng = np.random.default_rng([23, crop.seed, c])
        parts, variance = split(crop.y[c], crop.noise[c], folds=folds, rng=rng)
        seen[:, c], kept[c] = parts.seen, (parts.kept, variance)
    found = reconstructed(predictor, seen, crop.beside)
    return [
        _score(crop.y[c], found[:, c], *others, sigma=crop.noise[c].sigma)
        for c, others in kept.items()
    ]


def _good(crop: Crop) -> list[int]:
    """Return the channels that can be scored."""
    return [
        c
        for c, noise in enumerate(crop.noise)
        if objection(noise) is None and np.isfinite(crop.y[c]).any()
    ]


def _score(
    y: Array,
    found: Array,
    kept: NDArray[np.float64],
    variance: NDArray[np.float64],
    *,
    sigma: float,
) -> Scores:
    each = contributions(y, found, kept, variance)
    error, deviation = float(each.mean()), float(each.std()) / math.sqrt(each.size)
    scores = {"heldout_error": error / sigma**2, "heldout_error_se": deviation / sigma**2}
    if error > deviation:
        scores["psnr_heldout"] = 10 * math.log10(contrast(y) ** 2 / error)
    return scores


def appearance(predictor: Predictor, crop: Crop) -> list[Scores]:
    """Describe what a denoiser takes away from a crop, and how far two halves of it agree.

    Returns
    -------
    list of dict
        For each channel whose noise allows it: residual_over_sigma, residual_correlation_x (y, z),
        residual_likeness; frc_pixels where two halves of the light, denoised apart, stop to agree.

    """
    seen = np.repeat(crop.y[None], 3, axis=0)
    good = _good(crop)
    for c in good:
        rng = np.random.default_rng([29, crop.seed, c])
        halves, _ = split(crop.y[c], crop.noise[c], dose=0.5, rng=rng)
        seen[1, c], seen[2, c] = halves.seen[0], halves.kept[0]
    found = reconstructed(predictor, seen, crop.beside)
    return [_looks(crop.y[c], found[:, c], crop.noise[c]) for c in good]


def _looks(y: Array, found: Array, noise: Noise) -> Scores:
    away = residual(y, found[0], noise=noise)
    scores = {"residual_over_sigma": away.over_noise, "residual_likeness": away.likeness}
    scores |= {f"residual_correlation_{a.lower()}": c[0] for a, c in away.correlation.items()}
    if min(y.shape[-2:]) >= SMALLEST:
        resolution = frc(*(np.nan_to_num(half) for half in found[1:])).resolution
        scores |= {} if resolution is None else {"frc_pixels": resolution}
    return {name: value for name, value in scores.items() if math.isfinite(value)}


def reconstructed(predictor: Predictor, values: Array, beside: Mapping[str, Array]) -> Array:
    """Return the reconstruction of arrays (k, c, [z,] y, x), all with the same things beside.

    It is made in one orientation, whatever `inference` says.
    """
    out = np.empty_like(values)
    once = Predictor(
        predictor.method,
        predictor.scale,
        predictor.runtime,
        inference=replace(predictor.inference, augment=False),
        allowed=predictor.allowed,
        joint=predictor.joint,
    )
    torch.manual_seed(0)

    def write(frame: int, region: Sequence[slice], found: Array, _: Array | None) -> None:
        out[frame][:, *region] = found

    others = {n: Copies(np.repeat(v[None], len(values), axis=0)) for n, v in beside.items()}
    once.run(Copies(values), write, lambda _: None, beside=others)
    return out
