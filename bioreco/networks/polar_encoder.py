"""An encoder that knows where a particle points: turning its image turns the answer.

Unrolled about the centre, an image is turned by rolling its angles, which circular convolutions
follow. Each angle gets a score, and the direction of the mean is the angle of the particle. So the
angle need not be learnt for all turns one by one, and the local optimum in which half of the
particles are fitted upside down isn't there. What is read at the angles with high scores says the
rest, in the frame of the particle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError
from bioreco.networks.polar_critic import unrolling

_KERNEL = 9
_LEAK = 0.1
_NEAR = 10.0  # concentration of what counts as near an angle, 18 degrees
_SURE = -3.0  # spread of the angle at the start: one that is hardly known is soon given up


@dataclass(frozen=True)
class Code:
    """What an encoder says of images: means, and logarithms of deviations.

    Attributes
    ----------
    angle, angle_spread
        (b,) in radians.
    shift, shift_spread
        (b, 2), (x, y) in the frame of the particle; half the box is 1.
    content, content_spread
        (b, latent).
    around
        Logarithm of the share of each direction in the mean (b, angles), of evenly spaced
        directions from 0 on; an angle is minus the direction.

    """

    angle: Tensor
    angle_spread: Tensor
    shift: Tensor
    shift_spread: Tensor
    content: Tensor
    content_spread: Tensor
    around: Tensor

    def surprise(self, angle: Tensor) -> Tensor:
        """Return -log of the share of directions near angles (b,) in radians."""
        count = self.around.shape[1]
        away = 2 * math.pi * torch.arange(count).to(angle) / count + angle[:, None]
        near = (_NEAR * (away.cos() - 1)).log_softmax(1)
        return -torch.logsumexp(self.around + near, 1)


class PolarEncoder(nn.Module):
    """Circular convolutions over the angles of an image, and a mean direction.

    Parameters
    ----------
    latent
        Numbers that describe the content, beside angle and shift.
    radii, angles
        Samples along the radius and around.
    channels
        Features of the convolutions.
    hidden
        Units of the dense layer.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        latent: int,
        *,
        radii: int = 14,
        angles: int = 48,
        channels: int = 32,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        if min(radii, channels, hidden) < 1 or angles < 2 * _KERNEL or angles % 2:
            raise UserError(
                f"method.encoder.radii={radii} channels={channels} hidden={hidden} angles={angles}:"
                f" at least 1, and an even number of angles, at least {2 * _KERNEL}"
            )
        spans = [_KERNEL, _KERNEL, angles - 1]
        width = [radii, channels, channels, channels]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, span, padding=span // 2, padding_mode="circular")
            for a, b, span in zip(width, width[1:], spans, strict=False)
        )
        self.score = nn.Conv1d(channels, 1, 1)
        self.dense = nn.Linear(channels, hidden)
        self.out = nn.Linear(hidden, 2 * latent + 5)
        self.radii, self.angles, self.latent = radii, angles, latent
        nn.init.normal_(self.out.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[-1:], _SURE)
        around = 2 * math.pi * torch.arange(angles) / angles
        self.register_buffer("around", torch.stack([around.cos(), around.sin()]), persistent=False)
        self.around: Tensor

    def forward(self, images: Tensor) -> Code:
        """Return what images (b, 1, y, x) with square sides show."""
        matrix = unrolling(images.shape[-1], self.radii, self.angles).to(images)
        x = (images.flatten(1) @ matrix).view(-1, self.radii, self.angles)
        x = x / x.flatten(1).std(1).clamp(min=1e-6)[:, None, None]
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), _LEAK)
        around = self.score(x).log_softmax(2)
        share = around.exp()
        to_x, to_y = (share * self.around[:, None, None]).sum(3).flatten(1)
        told = functional.leaky_relu(self.dense((x * share).sum(2)), _LEAK)
        content, content_spread, shift, shift_spread, angle_spread = self.out(told).split(
            [self.latent, self.latent, 2, 2, 1], 1
        )
        angle = -torch.atan2(to_y, to_x)  # a passive rotation by psi moves (1, 0) to the angle -psi
        return Code(
            angle, angle_spread[:, 0], shift, shift_spread, content, content_spread, around[:, 0]
        )
