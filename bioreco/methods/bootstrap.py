"""Measurements beside what their surroundings say of them: what noise is learnt from.

Prakash et al., "Fully Unsupervised Probabilistic Noise2Void", ISBI 2020. The predictions
err as well, so that the noise would come out too large; an estimate of it from flat areas says by
how much.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bioreco.methods import draws, masking
from bioreco.metrics.noise import Noise
from bioreco.noise.model import NoiseModel

log = logging.getLogger("bioreco")

PAIRS = 2**18  # wanted
ROUNDS = 16  # masks of each image, at most
GLIMPSE = 1024  # pixels along y and x
MOST = 16  # images
SIDE = 256  # pixels along each axis of what is looked at in one round

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def learn(
    model: NoiseModel,
    predict: Predict,
    images: Sequence[Tensor],
    scales: Sequence[tuple[Tensor, Tensor]],
    noise: Sequence[Sequence[Noise]],
    *,
    density: float,
    stride: Sequence[int],
) -> None:
    """Learn a noise model from images and a network that predicts them; see `blind_pairs`.

    Parameters
    ----------
    model
        A model that knows nothing yet.
    noise
        The noise estimated in each image, channel by channel; see `without_error`.
    predict, images, scales, density, stride
        See `blind_pairs`.

    """
    y, s = blind_pairs(predict, images, scales, density, stride)
    model.calibrate(without_error(y, s, noise), s)
    model.refine([image[0] for image in glimpses(images, scales)])
    log.info("Noise model, learnt from the images: %s.", model.describe())


def blind_pairs(
    predict: Predict,
    images: Sequence[Tensor],
    scales: Sequence[tuple[Tensor, Tensor]],
    density: float,
    stride: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Return measurements (n,) and their blind-spot predictions (n,), in grey levels.

    Parameters
    ----------
    predict
        Called with a part of an image (b, c, [z,] y, x), a seed for each of its samples and a mask;
        returns the prediction of the masked pixels, made from the others.
    images, scales
        Images (b, c, [z,] y, x) on the network's scale, and their (shift, unit) (b, c).
    density
        Fraction of the pixels masked at a time.
    stride
        What the size of a part is a multiple of.

    """
    found: list[Tensor] = []
    for number in range(ROUNDS):
        for image, scale in zip(images, scales, strict=True):
            part = _part(image, stride, number)
            seeds = torch.arange(len(part), device=part.device) + number
            mask = masking.stratified(part, density, seeds)
            both = (part, predict(part, seeds, mask))
            found.append(torch.stack([grey_levels(v, *scale)[mask] for v in both]))
        if sum(pair.shape[1] for pair in found) >= PAIRS:
            break
    y, s = torch.cat(found, 1)
    return y, s


def without_error(y: Tensor, s: Tensor, noise: Sequence[Sequence[Noise]]) -> Tensor:
    """Return measurements as near their predictions as the noise estimated in the images says.

    What y and s differ by is noise and the error of the prediction; this takes the error's share,
    at most half of the variance.

    Parameters
    ----------
    y, s
        Measurements and predictions (n,), in grey levels.
    noise
        The noise estimated in each image, channel by channel; where neighbours share it, or it is
        not sure, it says nothing.

    """
    found = [
        one.sigma**2
        for channels in noise
        for one in channels
        if one.sigma > 0 and one.sure and not one.shared_axes()
    ]
    if not found:
        return y
    share = sum(found) / len(found) / float((y - s).square().mean().clamp(min=1e-12))
    factor: float = min(max(share, 0.5), 1.0) ** 0.5
    return s + (y - s) * factor


def _part(image: Tensor, stride: Sequence[int], number: int) -> Tensor:
    """Return a part of an image that a network can take, another for each number."""
    for axis, step in enumerate(stride, start=2):
        size = image.shape[axis]
        length = max(step, min(size, SIDE) // step * step)
        u = float(draws.uniform(torch.tensor([number * 8 + axis]), 1))
        image = image.narrow(axis, int(u * (size - length + 1)), length)
    return image


def glimpses(images: Sequence[Tensor], scales: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Return the middle of some of the images, in grey levels, of the images' own shape."""
    found = []
    step = max(1, -(-len(images) // MOST))
    for image, (shift, unit) in list(zip(images, scales, strict=True))[::step]:
        seen = image
        for axis in (-1, -2):
            length = min(image.shape[axis], GLIMPSE)
            seen = seen.narrow(axis, (image.shape[axis] - length) // 2, length)
        spatial = [1] * (image.dim() - shift.dim())
        found.append(seen * unit.view(*unit.shape, *spatial) + shift.view(*shift.shape, *spatial))
    return found


def grey_levels(y: Tensor, shift: Tensor, unit: Tensor) -> Tensor:
    """Return values (b, c, ...) in the grey levels of the images; shift and unit are (b, c)."""
    spatial = [1] * (y.dim() - 2)
    return y * unit.view(*unit.shape, *spatial) + shift.view(*shift.shape, *spatial)
