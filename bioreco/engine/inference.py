"""How a trained method is applied: the options of `inference`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bioreco.engine import wiener
from bioreco.engine.tiles import plan
from bioreco.engine.turns import Turn
from bioreco.errors import UserError, nearest

CHOICES = ("auto", "true", "false")
TILES = {"cpu": {2: (256, 256), 3: (40, 192, 192)}, "cuda": {2: (1024, 1024), 3: (64, 256, 256)}}
AFFORDABLE = 2**25  # pixels up to which "auto" averages over orientations


@dataclass(frozen=True)
class Inference:
    """How a trained method is applied.

    Attributes
    ----------
    tile
        Pixels along y and x handed to the network at once, halo included; None suits the device.
    augment
        Average over quarter turns and mirrorings of the image: true, false, or "auto", which does
        so for images of up to 32 megapixels.
    wiener
        Blend the measurement in where a result lacks more than noise (see `wiener`): true, false,
        or "auto", which does so for methods that ask for it. Needs an estimate of the noise.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    tile: int | None = None
    augment: bool | str = "auto"
    wiener: bool | str = "auto"

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile < 16:
            raise UserError(f"inference.tile={self.tile}: at least 16 pixels, or null")
        for key, value in (("augment", self.augment), ("wiener", self.wiener)):
            wanted = str(value).lower()
            if wanted not in CHOICES:
                raise UserError(
                    f"inference.{key}={value}: choose one of {', '.join(CHOICES)}."
                    + nearest(wanted, CHOICES)
                )

    def size(
        self,
        device: torch.device,
        dims: int,
        halo: Sequence[int] | None = None,
        stride: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Return the size of a tile along each axis.

        The default grows with a network that looks far, so that a tile isn't all halo.
        """
        default = TILES[device.type][dims]
        if halo is not None:
            steps = stride or (1,) * dims
            rims = [math.ceil(h / s) * s for h, s in zip(halo, steps, strict=True)]
            least = [2 * r + max(n // 4, s) for r, n, s in zip(rims, default, steps, strict=True)]
            default = tuple(max(n, m) for n, m in zip(default, least, strict=True))
        return default if self.tile is None else (*default[: dims - 2], self.tile, self.tile)

    def blends(self, asked: bool) -> bool:
        """Say whether measurements are blended in, for a method that asks for it or doesn't."""
        wanted = str(self.wiener).lower()
        return asked if wanted == "auto" else wanted == "true"

    def halo(self, halo: Sequence[int] | None, dims: int | None) -> tuple[int, ...] | None:
        """Return the halo of a method, and what blending in `dims` dimensions needs beyond it."""
        if halo is None or dims is None:
            return None if halo is None else tuple(halo)
        return tuple(a + b for a, b in zip(halo, wiener.reach(dims), strict=True))

    def check(self, dims: int, halo: Sequence[int] | None, stride: Sequence[int] | None) -> None:
        """Refuse tiles that are no larger than the halo, before anything is trained."""
        size = self.size(torch.device("cpu"), dims, halo, stride)
        plan((1,) * dims, size, halo, stride)

    def orientations(self, allowed: str, pixels: int) -> list[Turn]:
        """Return the (transposed, mirrored axes) to average over.

        Parameters
        ----------
        allowed
            How the patches of training were turned: "turn", "mirror" or "none".
        pixels
            Of all the images.

        """
        wanted = str(self.augment).lower()
        if wanted == "false" or allowed == "none" or (wanted == "auto" and pixels > AFFORDABLE):
            return [(False, ())]
        turned = (False, True) if allowed == "turn" else (False,)
        return list(itertools.product(turned, [(), (-1,), (-2,), (-1, -2)]))
