"""A picture as a function of place: coordinates in, brightness out.

Turning or moving what is shown means turning or moving coordinates, exactly and without a grid.
Places are first taken to waves of random frequencies, since a network of smooth activations is slow
to learn detail from two numbers.

References
----------
.. [1] M. Tancik et al., "Fourier features let networks learn high frequency functions in low
   dimensional domains", NeurIPS 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bioreco.errors import UserError


class Coordinates(nn.Module):
    """Dense layers on a place and a code.

    Parameters
    ----------
    latent
        Numbers that describe the content.
    waves
        Random waves that a place is taken to; 0: the place itself, as published.
    detail
        Standard deviation of their frequencies along each axis, in waves per half box.
    hidden, layers
        Units and number of the dense layers.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        latent: int,
        *,
        waves: int = 32,
        detail: float = 1.0,
        hidden: int = 96,
        layers: int = 2,
    ) -> None:
        super().__init__()
        if waves < 0 or min(hidden, layers) < 1 or detail <= 0:
            raise UserError(
                f"method.decoder.waves={waves} hidden={hidden} layers={layers} detail={detail:g}:"
                " waves not negative, hidden and layers at least 1, detail above 0"
            )
        self.register_buffer("frequencies", 2 * math.pi * detail * torch.randn(2, waves))
        self.frequencies: Tensor
        self.place = nn.Linear(2 * waves or 2, hidden)
        self.content = nn.Linear(latent, hidden, bias=False)
        deeper = [(nn.Linear(hidden, hidden), nn.SiLU()) for _ in range(layers - 1)]
        last = nn.Linear(hidden, 1)
        self.rest = nn.Sequential(*(layer for pair in deeper for layer in pair), last)
        self.activation = nn.SiLU()

    def forward(self, places: Tensor, content: Tensor) -> Tensor:
        """Return the brightness (b, p) at places (b, p, 2) = (x, y) of contents (b, latent)."""
        if self.frequencies.shape[1]:
            phase = places @ self.frequencies
            places = torch.cat([phase.cos(), phase.sin()], -1)
        x = self.activation(self.place(places) + self.content(content)[:, None])
        found: Tensor = self.rest(x)[..., 0]
        return found
