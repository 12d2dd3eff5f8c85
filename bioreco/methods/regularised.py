"""Regularised least squares: of the images that explain the measurements, the most plausible one.

argmin_x 1/2 ||y - H x||^2 + R(x), Eq. (2) of the review, for any forward model. R is a formula, or
a denoiser: in the place of the proximal operator (plug-and-play), or its residual as the gradient
(RED).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from bioreco.errors import UserError
from bioreco.methods.method import Batch
from bioreco.methods.untrained import Untrained
from bioreco.operators import least_squares as solvers
from bioreco.operators import variation, wavelets
from bioreco.operators.linear import LinearOperator
from bioreco.operators.models import ForwardModel
from bioreco.operators.regularisers import (
    RED,
    Denoiser,
    PlugAndPlay,
    Regulariser,
    Tikhonov,
    TotalVariation,
    Wavelet,
    Within,
)

SOLVERS: dict[str, solvers.Solver] = {
    "gradient_descent": solvers.gradient_descent,
    "proximal_gradient": solvers.proximal_gradient,
    "accelerated": solvers.accelerated,
    "variable_splitting": solvers.variable_splitting,
    "admm": solvers.admm,
}
BRIGHT = 0.95  # quantile of the object's magnitudes that is taken for 1


class Regularised(Untrained):
    """Least squares with a regulariser.

    Parameters
    ----------
    forward_model
        What makes H of a batch.
    denoiser
        A trained denoiser as the prior of "pnp" and "red", images (b, S, y, x) complex to images;
        None: `filter`.
    regulariser
        "l2", "total_variation", "wavelet"; "pnp" or "red", which take a denoiser.
    solver
        "gradient_descent", "proximal_gradient", "accelerated" (with momentum),
        "variable_splitting" or "admm".
    weight
        Of the regulariser, for an image that is about 1 in the object: to that it is scaled. Of
        "pnp" it is the share of the way to the denoised image, at most 1.
    iterations
        Steps of the solver.
    mu
        Penalty that ties the image to its regularised twin ("variable_splitting", "admm": there
        "pnp" trusts the denoiser the more, the greater it is), or what is added to the curvature
        that sets the steps of the other solvers (R's own in "gradient_descent").
    wavelet, levels
        Family ("haar", "db2", "db3", "db4", "db6", "db8") and scales of wavelets.
    filter
        Denoiser where there is no trained one: "wavelet", "total_variation" or "median" (3 x 3).
    strength
        Threshold of the first two, for an image that is about 1.
    prior
        Run or checkpoint of the trained denoiser; whoever builds the method loads it.

    Raises
    ------
    UserError
        If an option is out of range or unknown.

    """

    def __init__(
        self,
        forward_model: ForwardModel,
        denoiser: Denoiser | None,
        *,
        regulariser: Literal["l2", "total_variation", "wavelet", "pnp", "red"] = "wavelet",
        solver: Literal[
            "gradient_descent", "proximal_gradient", "accelerated", "variable_splitting", "admm"
        ] = "accelerated",
        weight: float = 0.01,
        iterations: int = 80,
        mu: float = 0.05,
        wavelet: Literal["haar", "db2", "db3", "db4", "db6", "db8"] = "db4",
        levels: int = 3,
        filter: Literal["wavelet", "total_variation", "median"] = "wavelet",
        strength: float = 0.12,
        prior: str | None = None,
    ) -> None:
        super().__init__()
        self.forward_model = forward_model
        if weight < 0 or (regulariser == "pnp" and not 0 < weight <= 1):
            limits = "above 0 and at most 1 with pnp" if regulariser == "pnp" else "0 or more"
            raise UserError(f"method.weight={weight:g}: {limits}")
        if iterations < 1 or not mu > 0 or not 1 <= levels <= 6 or strength < 0:
            raise UserError(
                f"method: iterations={iterations}, mu={mu:g}, levels={levels},"
                f" strength={strength:g}: at least 1 iteration, mu above 0, 1 to 6 levels,"
                " strength 0 or more"
            )
        if prior is not None and regulariser not in ("pnp", "red"):
            raise UserError(
                f"method.prior={prior}: a trained denoiser goes with method.regulariser=pnp or red,"
                f" not with {regulariser}"
            )
        self.iterations, self.mu, self.solver = iterations, mu, SOLVERS[solver]
        shrink = partial(wavelets.shrink, threshold=strength, family=wavelet, levels=levels)
        smooth = partial(variation.smooth, weight=strength)
        filters: dict[str, Denoiser] = {
            "wavelet": shrink,
            "total_variation": smooth,
            "median": median,
        }
        found = denoiser or filters[filter]
        kinds: dict[str, Callable[[], Regulariser]] = {
            "l2": partial(Tikhonov, weight),
            "total_variation": partial(TotalVariation, weight),
            "wavelet": partial(Wavelet, weight, wavelet, levels),
            "pnp": partial(PlugAndPlay, found, weight),
            "red": partial(RED, found, weight),
        }
        self.regulariser = kinds[regulariser]()

    def image(self, batch: Batch) -> Tensor:
        """Solve Eq. (2) for an image that is about 1, and scale it back."""
        H, y = self.forward_model.operator(batch), batch["y"]
        unit = magnitude(H, y)
        R = Within(self.regulariser, batch["maps"].abs().sum(2) > 0)
        x = self.solver(H, y / unit, R, iterations=self.iterations, mu=self.mu)
        return x * unit


def magnitude(H: LinearOperator, y: Tensor) -> Tensor:
    """Return about how bright the object is (b, 1, 1, 1), from one step of steepest descent."""
    b = H.adjoint(y)
    sizes = b.abs().square().flatten(1).sum(1), H(b).abs().square().flatten(1).sum(1)
    step = sizes[0] / sizes[1].clamp(min=torch.finfo(sizes[1].dtype).tiny)
    bright = []
    for one, length in zip(b.abs(), step, strict=True):
        inside = one[one > 0]
        if not len(inside):
            bright.append(torch.ones_like(length))
            continue
        rank = max(1, round(BRIGHT * len(inside)))
        bright.append(length * inside.kthvalue(rank).values)
    return torch.stack(bright).view(-1, 1, 1, 1)


def median(x: Tensor) -> Tensor:
    """Return the median of 3 x 3 pixels, of real and imaginary part apart, (b, S, y, x)."""
    parts = torch.stack([x.real, x.imag]).flatten(0, 1)
    wide = pad(parts, (1, 1, 1, 1), mode="reflect")
    near = [wide[..., i : i + x.shape[-2], j : j + x.shape[-1]] for i in range(3) for j in range(3)]
    real, imaginary = torch.stack(near).median(0).values.chunk(2)
    return torch.complex(real, imaginary)
