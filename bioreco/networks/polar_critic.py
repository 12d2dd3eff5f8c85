"""A critic for images that may be turned any way: turning one changes nothing but its beginning.

Particles lie in the plane as they please, so that how likely an image is doesn't depend on its
angle. Unrolled about the centre, an image is turned by rolling its angles, which circular
convolutions follow; the mean over all angles then forgets the angle. What is left to be learnt is
which views there are, two angles instead of three.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from bioreco.errors import UserError

_KEPT = 8  # sizes whose matrices are kept


class PolarCritic(nn.Module):
    """Circular convolutions over the angles of an image, with its radii as channels.

    Parameters
    ----------
    radii, angles
        Samples along the radius and around, whatever the size of the images.
    channels
        Features of the convolutions but the last, which has twice as many.
    kernel
        Angles that the first convolution spans, odd; further ones span half as many.
    blocks
        Convolutions, each of which halves the number of angles.
    leak
        Slope of the activations below 0.
    spectral
        Divide each weight by its largest singular value (Miyato et al., ICLR 2018), instead of a
        penalty on the gradient.
    hidden
        Units of the dense layer.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        *,
        radii: int = 24,
        angles: int = 128,
        channels: int = 64,
        kernel: int = 9,
        blocks: int = 3,
        leak: float = 0.1,
        spectral: bool = False,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        if min(radii, channels, hidden, blocks) < 1 or kernel < 3 or kernel % 2 == 0:
            raise UserError(
                f"method.critic.radii={radii} channels={channels} hidden={hidden} blocks={blocks}"
                f" kernel={kernel}: at least 1, and an odd kernel of at least 3"
            )
        if angles % 2**blocks or angles < kernel * 2 ** (blocks - 1):
            raise UserError(
                f"method.critic.angles={angles}: a multiple of 2^blocks = {2**blocks}, and at least"
                f" kernel * 2^(blocks - 1) = {kernel * 2 ** (blocks - 1)}"
            )
        if not 0 <= leak < 1:
            raise UserError(f"method.critic.leak={leak}: at least 0, below 1")
        wrap = parametrizations.spectral_norm if spectral else (lambda layer: layer)
        width = [radii, *[channels] * (blocks - 1), 2 * channels]
        spans = [kernel, *[kernel // 4 * 2 + 1] * (blocks - 1)]
        self.convolutions = nn.ModuleList(
            wrap(nn.Conv1d(a, b, span, 2, span // 2, padding_mode="circular"))
            for (a, b), span in zip(itertools.pairwise(width), spans, strict=True)
        )
        self.dense = wrap(nn.Linear(width[-1], hidden))
        self.out = wrap(nn.Linear(hidden, 1))
        self.radii, self.angles, self.leak = radii, angles, leak

    def look(self, images: Tensor) -> Tensor:
        """Unroll images (b, 1, y, x) with square sides about the pixel N // 2.

        Returns
        -------
        Tensor
            (b, radii, angles), scaled so that the sum of squares is that over the disc.

        """
        matrix = unrolling(images.shape[-1], self.radii, self.angles).to(images)
        return (images.flatten(1) @ matrix).view(-1, self.radii, self.angles)

    def forward(self, x: Tensor) -> Tensor:
        """Map unrolled images (b, radii, angles) to (b, 1)."""
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), self.leak)
        x = functional.leaky_relu(self.dense(x.mean(2)), self.leak)
        found: Tensor = self.out(x)
        return found


@lru_cache(_KEPT)
def unrolling(size: int, radii: int, angles: int) -> Tensor:
    """Return the matrix (size * size, radii * angles) of trigonometric interpolation."""
    with torch.inference_mode(mode=False):
        radius = (torch.arange(radii, dtype=torch.float64) + 0.5) / radii * (size / 2)
        angle = 2 * math.pi * torch.arange(angles, dtype=torch.float64) / angles
        along_y, along_x = (
            _between((radius[:, None] * turned).flatten(), size)
            for turned in (angle.sin(), angle.cos())
        )
        area = radius * (size / 2 / radii) * (2 * math.pi / angles)
        weight = area.sqrt().repeat_interleave(angles)
        matrix = weight[:, None, None] * along_y[:, :, None] * along_x[:, None, :]
        return matrix.flatten(1).T.contiguous().float()


def _between(place: Tensor, size: int) -> Tensor:
    """Return what each pixel counts at places (p,) away from the centre, periodically (p, size)."""
    pixel = torch.arange(size, dtype=torch.float64) - size // 2
    k = torch.arange(-((size - 1) // 2), (size - 1) // 2 + 1, dtype=torch.float64)
    away = 2 * math.pi * (place[:, None] - pixel) / size
    return torch.cos(away[..., None] * k).sum(-1) / size
