"""Images with all detail equally strong, for critics.

Where light is blurred the coarsest detail is hundreds of times as strong as the finest. A critic
learns of what is strong first, and of the rest when what follows its judgement has gone astray.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLES = 512  # pieces that a spectrum is the mean of, at most
_FAINT = 1e-6  # of the strongest power: less isn't made stronger


class Whitening:
    """A filter that brings frequencies closer in strength.

    Parameters
    ----------
    images
        Of which the spectrum is taken (b, c, y, x).
    share
        Power of the amplitude spectrum that images are divided by: 0 leaves them, 1 makes all
        frequencies equally strong.

    Attributes
    ----------
    transfer
        The filter (y, x // 2 + 1); filtered images have a mean square of 1.

    """

    def __init__(self, images: Tensor, share: float) -> None:
        spectrum = torch.fft.rfft2(images - images.mean(), norm="ortho")
        power = (spectrum.real**2 + spectrum.imag**2).mean((0, 1))
        power = power.clamp(min=_FAINT * float(power.max().clamp(min=1e-12)))
        twice = torch.full_like(power, 2.0)  # frequencies of the half plane that stand for two
        twice[:, 0] = 1.0
        if images.shape[-1] % 2 == 0:
            twice[:, -1] = 1.0
        found = power ** (-0.5 * share)
        mean = (twice * power * found**2).sum() / images[0, 0].numel()
        self.transfer = found / mean.sqrt()

    def __call__(self, images: Tensor) -> Tensor:
        """Filter images (b, c, y, x), with periodic borders."""
        spectrum = torch.fft.rfft2(images) * self.transfer.to(images)
        filtered: Tensor = torch.fft.irfft2(spectrum, s=images.shape[-2:])
        return filtered


def pieces(images: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Return pieces (b, c, *size) of images (c, [z,] y, x) side by side, evenly `SAMPLES` of them.

    Images that are smaller have none.
    """
    corners = [
        (image, [int(n) * side for n, side in zip(place, size, strict=True)])
        for image in images
        for place in torch.cartesian_prod(
            *(torch.arange(n // side) for n, side in zip(image.shape[1:], size, strict=True))
        )
    ]
    some = corners[:: -(-len(corners) // SAMPLES) or 1]
    return torch.stack([
        image[(slice(None), *(slice(a, a + side) for a, side in zip(at, size, strict=True)))]
        for image, at in some
    ])  # fmt: skip
