"""Where a particle lies in its image, as well as a round blob tells.

Measured and simulated particles lie off the centre alike. A critic that is shown both brought back
by the same rule need not learn every place that a view can lie in.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bioreco.methods import spectra
from bioreco.operators.ctf import PARAMETERS, contrast_transfer
from bioreco.operators.fourier_filter import phase_ramp

_WIDTH = 0.2  # standard deviation of the blob, as a share of the image
_FLOOR = 0.02  # of the CTF's power: what is passed less isn't brought back
_PIXEL = PARAMETERS.index("pixel_size")


def centred(images: Tensor, ctf: Tensor, reach: float) -> Tensor:
    """Return images (b, 1, y, x) moved so that their particles lie in the centre.

    Parameters
    ----------
    images
        White particles, with the CTFs (b, 9).
    ctf
        See `bioreco.operators.ctf.PARAMETERS`.
    reach
        How far particles lie off the centre along x and y at most, in Angstrom.

    """
    away = off_centre(images, ctf, reach)
    return spectra.apply(images, phase_ramp(-away, images.shape[-1])[:, None])


@torch.no_grad()
def off_centre(images: Tensor, ctf: Tensor, reach: float) -> Tensor:
    """Return how far particles lie off the centre along (x, y), in pixels (b, 2).

    A round blob, seen through the same CTF, is looked for at all places within reach. The answer
    is the mean place, each weighed by its likelihood given white noise of variance 1, so that it
    is next to 0 where noise hides the particle.
    """
    size = images.shape[-1]
    blob = torch.exp(-0.5 * (math.pi * _WIDTH * size * spectra.frequency(size, images)) ** 2)
    transfer = contrast_transfer(ctf, size)[:, None]
    sought = blob * transfer / (transfer**2 + _FLOOR)
    noise = (sought**2).mean((2, 3), keepdim=True).sqrt()
    score = (spectra.apply(images, sought) / noise)[:, 0]
    along = torch.arange(size, device=images.device) - size // 2
    near = along.abs() <= (reach / ctf[:, _PIXEL, None]).ceil()
    score = score.masked_fill(~(near[:, :, None] & near[:, None, :]), -math.inf)
    best = score.amax((1, 2), keepdim=True).clamp(min=0.1)
    weight = torch.softmax((score * best).flatten(1), 1).view(score.shape)
    return torch.stack([(weight.sum(axis) * along).sum(1) for axis in (1, 2)], 1)
