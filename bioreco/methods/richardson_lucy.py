"""Richardson-Lucy: the most likely object of photon counts, approached step by step.

x <- x / (H^T 1) * H^T(y / (H x)), which never gets negative (Richardson, JOSA 62, 1972; Lucy,
Astron. J. 79, 1974). The object reaches beyond the image by the PSF, so that light from outside
isn't explained by what is inside (Bertero and Boccacci, Astron. Astrophys. 437, 2005).
"""

from __future__ import annotations

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.deconvolution import Deconvolution, Path
from bioreco.operators.blur import Blur
from bioreco.operators.convolution import Cells, cut
from bioreco.operators.linear import LinearOperator

MOST = 200  # iterations that are tried
SEEN = 0.05  # of its light: what is seen less is taken to be seen so much
DARK = 1e-6  # of the mean level: H x is at least that
EDGE = 1e-2  # of the mean level: weaker gradients are taken for flat
LEAST = 0.1  # of H^T 1 that total variation leaves of the denominator


class RichardsonLucy(Deconvolution):
    """Richardson-Lucy, with total variation where it is asked for.

    Parameters
    ----------
    forward_model
        The microscope.
    iterations
        How many; None: the best on images whose truth is known, where the data have some, or else
        the first after which the residual is no larger than the noise, at most 200.
    background
        Grey level where there is no signal; None: the darkest of the image once it is blurred.
    variation
        Weight of total variation (Dey et al., Microsc. Res. Tech. 69, 2006); 0: none. It has no
        unit: brighter images are treated alike.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    option = "iterations"

    def __init__(
        self,
        forward_model: Blur,
        *,
        iterations: int | None = None,
        background: float | None = None,
        variation: float = 0.0,
    ) -> None:
        if iterations is not None and not 1 <= iterations <= 10_000:
            raise UserError(f"method.iterations={iterations}: 1 to 10000, or null")
        if not 0 <= variation < 0.5:
            raise UserError(f"method.variation={variation:g}: from 0 to below 0.5")
        super().__init__(forward_model, strength=iterations, background=background)
        self.variation = variation

    def path(self, y: Tensor, until: float | None) -> Path:
        """Yield (iterations, x)."""
        H, dims = self._operator(), self.forward_model.dims
        y = y.clamp(min=0)
        seen = H.adjoint(torch.ones_like(y)).clamp(min=SEEN)
        mean = float(y.mean())
        x = torch.full_like(seen, mean)
        margins = self.forward_model.convolution.margins
        starts = [before for before, _ in margins]
        for number in range(1, int(until or MOST) + 1):
            ratio = y / H.forward(x).clamp(min=max(DARK * mean, 1e-30))
            below = seen
            if self.variation:
                below = seen - self.variation * curvature(x, dims, EDGE * mean)
                below = torch.maximum(below, LEAST * seen)
            x = x / below * H.adjoint(ratio).clamp(min=0)
            if until is None or number == int(until):
                yield float(number), cut(x, starts, y.shape[-dims:])

    def _operator(self) -> LinearOperator:
        """Return H from an object that is larger than the image."""
        convolution, down = self.forward_model.convolution, self.forward_model.down
        return Cells(down) @ convolution if down > 1 else convolution

    def words(self, strength: float) -> str:
        """Give the iterations."""
        more = f", total variation {self.variation:g}" if self.variation else ""
        return f"Richardson-Lucy, {strength:.0f} iterations{more}"


def curvature(x: Tensor, dims: int, flat: float) -> Tensor:
    """Return div(grad x / |grad x|) along the last `dims` axes; gradients below `flat` fade."""
    steps = []
    for axis in range(-dims, 0):
        step = torch.zeros_like(x)
        n = x.shape[axis] - 1
        step.narrow(axis, 0, n).copy_(x.diff(dim=axis))
        steps.append(step)
    length = torch.stack([step.square() for step in steps]).sum(0).add(max(flat, 1e-30) ** 2).sqrt()
    found = torch.zeros_like(x)
    for axis, step in zip(range(-dims, 0), steps, strict=True):
        part = step / length
        found += part
        n = x.shape[axis] - 1
        found.narrow(axis, 1, n).sub_(part.narrow(axis, 0, n))
    return found
