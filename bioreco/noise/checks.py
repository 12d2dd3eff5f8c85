"""Does a noise model fit the images it is used on? A wrong one is told in plain words."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.model import NoiseModel

log = logging.getLogger("bioreco")

OUTSIDE = 0.05  # share of an image that may lie outside the range of a model
REFUSED = 4.0  # times the variance found in the images, more or less, that a model may say
TOLD = 2.0
COARSE = 4  # pixels along y and x that are averaged, so that signal is seen rather than noise


def check(model: NoiseModel, images: Sequence[Tensor], noise: Sequence[Sequence[Noise]]) -> None:
    """Refuse a model that contradicts the images.

    Parameters
    ----------
    model
        The noise model, known.
    images
        (c, [z,] y, x) each, in grey levels; parts of them suffice.
    noise
        The noise estimated in each image, channel by channel.

    Raises
    ------
    UserError
        If the images are no counts, lie outside the range of the model, or are several times
        noisier or less noisy than it says.

    """
    seen = [image.double() for image in images]
    if not seen:
        return
    model.check_counts(seen)
    levels = torch.cat([_coarse(image).flatten() for image in seen])
    _check_range(model, levels)
    _check_size(model, levels, noise)


def _coarse(image: Tensor) -> Tensor:
    planes = image.reshape(-1, 1, *image.shape[-2:])
    return functional.avg_pool2d(planes, COARSE)


def _check_range(model: NoiseModel, levels: Tensor) -> None:
    if model.span is None:
        return
    low, high = model.span
    ends = torch.tensor([low, high], dtype=levels.dtype)
    slack = 3 * model.variance(ends).sqrt() / COARSE + 0.02 * (high - low)
    outside = (levels < low - slack[0]) | (levels > high + slack[1])
    share = float(outside.double().mean())
    if share > OUTSIDE:
        some = levels[:: max(1, len(levels) // 10**6)]
        first, last = (float(torch.quantile(some, q)) for q in (0.01, 0.99))
        raise UserError(
            f"the noise model was measured at signals from {low:.4g} to {high:.4g} grey levels, but"
            f" the images have {first:.4g} to {last:.4g}.\n"
            "Were the calibration frames taken with another camera, gain or exposure?"
        )


def _check_size(model: NoiseModel, levels: Tensor, noise: Sequence[Sequence[Noise]]) -> None:
    found = [
        one.sigma**2 for channels in noise for one in channels
        if one.sigma > 0 and one.sure and not one.shared_axes()
    ]  # fmt: skip
    if not found:
        return
    measured = sum(found) / len(found)
    ratio = float(model.variance(levels).mean()) / measured
    if 1 / TOLD < ratio < TOLD:
        return
    text = (
        f"the noise model says noise of {(ratio * measured) ** 0.5:.3g} grey levels in these"
        f" images, but they have about {measured**0.5:.3g}"
    )
    if 1 / REFUSED < ratio < REFUSED:
        log.warning("Mind: %s.", text)
        return
    raise UserError(f"{text}.\nIs it a model of another camera or gain? {model.describe()}.")
