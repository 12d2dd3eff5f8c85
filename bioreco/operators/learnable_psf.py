"""The forward model of a microscope whose point spread function is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, choose
from bioreco.operators.blur import Blur
from bioreco.operators.convolution import Boundary
from bioreco.operators.optics import Optics

SHAPES = ("radial", "free")
RECENTRED = 100  # steps between two looks at the centre of mass
FAINT = 1e-5  # of the peak: what a learnt kernel starts from where the given one is darker


class LearnablePSF(Blur):
    """y = h * x with h = softmax(w): nowhere negative and of sum 1, whatever w is learnt.

    The arguments of `Blur` say what it starts from.

    Parameters
    ----------
    shape
        "radial": the same in all directions around the axis of the microscope, one number for each
        distance (and plane); "free": one for each pixel, where much data can tell them.
    cycle
        Share of the cycle's weight, || y - h * G(y) ||, in what h is learnt from, beside looking
        like the measurements. What noise hides G(y) lacks, and a PSF that makes up for it is too
        sharp.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    Shifting h one way and x the other changes nothing in y: every 100 steps the centre of mass is
    moved back to the centre.

    """

    def __init__(
        self,
        dims: int,
        spacing: tuple[float, ...] | None,
        measured: Tensor | None,
        *,
        psf: str = "gaussian",
        sigma: float | list[float] | None = None,
        pixel_size: list[float] | None = None,
        extent: list[int] | None = None,
        boundary: Boundary = "mirror",
        down: int = 1,
        shape: Literal["radial", "free"] = "radial",
        cycle: float = 0.0,
        optics: Optics | None = None,
    ) -> None:
        super().__init__(
            dims, spacing, measured, psf=psf, sigma=sigma, pixel_size=pixel_size, extent=extent,
            boundary=boundary, down=down, optics=optics,
        )  # fmt: skip
        choose("forward.shape", shape, SHAPES)
        if cycle < 0:
            raise UserError(f"forward.cycle={cycle:g}: a share of the cycle's weight, not negative")
        self.shape, self.cycle = shape, cycle
        start = self._kernel.clamp(min=FAINT * float(self._kernel.max().clamp(min=1e-12))).log()
        self.weights = nn.Parameter(self._profile(start) if shape == "radial" else start)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor

    def _extent(self, natural: Sequence[int]) -> list[int]:
        """Return how far it reaches: as far as the light of the optics, too, whatever it starts as.

        The start is a guess, and says nothing of how far light goes.
        """
        if self.spacing is not None:
            natural = [
                max(pair) for pair in zip(natural, self.optics.reach(self.spacing), strict=True)
            ]
        return super()._extent(natural)

    @property
    def kernel(self) -> Tensor:
        """The PSF as learnt so far."""
        weights: Tensor = self.weights
        if self.shape == "radial":
            r = self._radii()
            low, share = r.long(), r.frac()
            weights = weights[..., low] * (1 - share) + weights[..., low + 1] * share
        return weights.flatten().softmax(0).view_as(self._kernel)

    @torch.no_grad()
    def restrain(self) -> None:
        """Count a step, and recentre the kernel when it is time."""
        self.steps += 1
        if int(self.steps) % RECENTRED:
            return
        kernel, least = self.kernel, float(self.weights.min())
        movable = kernel.ndim - 2 if self.shape == "radial" else kernel.ndim
        for axis, n in enumerate(kernel.shape[:movable]):
            others = tuple(k for k in range(kernel.ndim) if k != axis)
            along = kernel.sum(others) if others else kernel
            middle = float((along * torch.arange(n, device=along.device)).sum())
            off = round(middle - n // 2)
            if off:
                moved = self.weights.roll(-off, axis)
                moved.narrow(axis, n - off if off > 0 else 0, abs(off)).fill_(least)
                self.weights.copy_(moved)

    def _radii(self) -> Tensor:
        """Return the distance of pixels (y, x) from the axis, in the smaller of their sides."""
        sides = (self.spacing or (1.0, 1.0))[-2:]
        away = [
            side / min(sides) * (torch.arange(n, device=self._kernel.device) - n // 2)
            for n, side in zip(self._kernel.shape[-2:], sides, strict=True)
        ]
        return torch.hypot(away[0][:, None], away[1][None])

    def _profile(self, values: Tensor) -> Tensor:
        """Return the means of ([z,] y, x) over rings of a pixel's width, ([z,] r)."""
        nearest_ring = self._radii().round().long().flatten()
        rings = nn.functional.one_hot(nearest_ring, int(nearest_ring.max()) + 2).to(values)
        found = values.flatten(-2) @ rings / rings.sum(0).clamp(min=1)
        found[..., -1] = found[..., -2]
        return found
