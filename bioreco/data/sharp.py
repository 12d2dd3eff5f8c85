"""The unpaired sharp domain: what images would look like without the blur, learnt from others.

Its grey levels have to be those of the measured images. Where they aren't, they are scaled so that
the sharp images, once blurred, have the mean and the contrast of the measured ones.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.formats import find_images, open_image
from bioreco.data.frames import Frames
from bioreco.data.image import times
from bioreco.errors import UserError
from bioreco.operators.linear import LinearOperator

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

UNLIKE = 1e-5  # contrast, relative to the mean, of images that show nothing


def read_sharp(
    paths: Sequence[str], like: Frames, patch: Sequence[int], axes: str | None
) -> list[Array]:
    """Read sharp images (c, [z,] y, x), each frame by itself.

    Raises
    ------
    UserError
        If there are none, or they aren't of the kind of the measured images.

    """
    found: list[Array] = []
    for path in find_images(list(paths)):
        image = open_image(path, axes=axes)
        frames = Frames(image, like.dims)
        if like.dims == 3 and image.size("Z") == 1:
            raise UserError(
                f"data.sharp: {image.name} is a single plane ({image.axes}), but the blurred images"
                " are stacks: give sharp stacks, or say data.dims=2"
            )
        if frames.channels != like.channels:
            raise UserError(
                f"data.sharp: {image.name} has {frames.channels} channels, the blurred images"
                f" {like.channels}"
            )
        if any(n < p for n, p in zip(frames.shape, patch, strict=True)):
            raise UserError(
                f"data.sharp: {image.name} is {times(frames.shape)} pixels, less than a patch,"
                f" {times(patch)}: lower data.patch"
            )
        found += [frames.read(k) for k in range(len(frames))]
    return found


def matched(sharp: Sequence[Array], blurred: Sequence[Array], H: LinearOperator) -> list[Array]:
    """Scale sharp images so that their blurred images are like the measured ones.

    Mean and standard deviation are made equal, both measured after one more blur, so that noise
    counts little. One scale and offset is used for all images of a channel.

    Raises
    ------
    UserError
        If the sharp images show nothing.

    """
    channels = len(sharp[0])
    scale, offset = np.ones(channels), np.zeros(channels)
    for c in range(channels):
        seen = _moments([H.forward(_tensor(y[c])) for y in blurred])
        made = _moments([H.forward(H.forward(_tensor(x[c]))) for x in sharp])
        if not made[1] > UNLIKE * max(abs(made[0]), 1e-30):
            raise UserError("data.sharp: all pixels of the sharp images are alike")
        scale[c] = seen[1] / made[1]
        offset[c] = seen[0] - scale[c] * made[0]
        if abs(scale[c] - 1) > 0.01 or abs(offset[c]) > 0.01 * abs(seen[1]):
            log.info(
                "The grey levels of the sharp images are multiplied by %.4g, and %.4g is added, so"
                " that blurred they have the mean and contrast of the measured images.",
                scale[c],
                offset[c],
            )
    shape = (channels, *[1] * (sharp[0].ndim - 1))
    return [(x * scale.reshape(shape) + offset.reshape(shape)).astype(np.float32) for x in sharp]


def lateral(blocks: Sequence[Array], spacing: Sequence[float], patch: Sequence[int]) -> list[Array]:
    """Return stacks lying on their side: what was y is z, sampled as z is.

    Their planes of z and x are as sharp as the planes of y and x were: what the depth should be.

    Raises
    ------
    UserError
        If they are images, or get smaller than a patch.

    """
    if len(spacing) != 3:
        raise UserError("data.sharp=lateral is for stacks: its sharp domain are their planes")
    step = spacing[0] / spacing[1]
    found = []
    for block in blocks:
        turned = ndimage.zoom(block.swapaxes(1, 2), (1, 1 / step, step, 1), order=1)
        if any(n < p for n, p in zip(turned.shape[1:], patch, strict=True)):
            raise UserError(
                f"data.sharp=lateral: stacks of {times(block.shape[1:])} pixels are"
                f" {times(turned.shape[1:])} lying on their side, less than a patch,"
                f" {times(patch)}: lower data.patch"
            )
        found.append(turned.astype(np.float32))
    return found


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.nan_to_num(values, posinf=0, neginf=0))[None, None]


def _moments(images: Sequence[torch.Tensor]) -> tuple[float, float]:
    flat = torch.cat([image.flatten() for image in images]).double()
    return float(flat.mean()), float(flat.std())
