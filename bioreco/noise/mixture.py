"""A few bell curves whose heights, widths and places change smoothly with the signal.

Prakash et al., "Fully Unsupervised Probabilistic Noise2Void", ISBI 2020, Eqs. (6) to (9).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.noise.model import NoiseModel, beyond, normal
from bioreco.noise.pairs import Transfer, balanced, transfer

PAIRS = 2**13  # that the parameters are fitted to
ROUNDS = 40  # of the optimiser


class Mixture(NoiseModel):
    """p(y | s) = sum_k alpha_k(s) N(y; mu_k(s), sigma_k(s)), the parameters polynomials in s.

    Parameters
    ----------
    components
        Number of normal densities.
    coefficients
        Of each polynomial: 1 constant, 2 linear in the signal.

    Raises
    ------
    UserError
        If there are too few or too many.

    Notes
    -----
    With t = (s - low) / (high - low), between 0 and 1: alpha is a softmax of polynomials; sigma**2
    a polynomial of coefficients exp(w), at least a quarter of the least variance measured; mu the
    signal, and polynomials of which the weighted mean is taken off, so that the mean is s.

    """

    kind = "mixture"

    def __init__(self, *, components: int = 3, coefficients: int = 2) -> None:
        super().__init__()
        if not 1 <= components <= 10 or not 1 <= coefficients <= 6:
            raise UserError(
                f"noise.components={components} noise.coefficients={coefficients}:"
                " 1 to 10, and 1 to 6"
            )
        self.components, self.coefficients = components, coefficients
        weights = torch.full((3, components, coefficients), math.nan, dtype=torch.float64)
        self.register_buffer("_weights", weights)
        self.register_buffer("_range", torch.full((4,), math.nan, dtype=torch.float64))
        self._weights: Tensor
        self._range: Tensor  # lowest and highest signal, unit of deviations, least variance

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest signal that were measured."""
        return float(self._range[0]), float(self._range[1])

    def calibrate(self, y: Tensor, s: Tensor) -> None:
        """Maximise the likelihood of the pairs."""
        if self.known:
            return
        curve = transfer(y, s)
        unit = float(curve.variance.mean().sqrt())
        least = float(curve.variance.min()) / 4
        high = max(curve.high, curve.low + 1e-3 * unit)
        self._range.copy_(torch.tensor([curve.low, high, unit, least], dtype=torch.float64))
        y, s = (v.double() for v in balanced(y, s, PAIRS))
        weights = self._start(curve).to(y.device).requires_grad_()
        optimizer: torch.optim.Optimizer = torch.optim.LBFGS(
            [weights], max_iter=ROUNDS, history_size=20, line_search_fn="strong_wolfe"
        )

        def loss() -> float:
            optimizer.zero_grad()
            with torch.enable_grad():
                total = -self._log_prob(y, s, weights).mean() + 1e-4 * weights.square().mean()
            torch.autograd.backward(total)
            return float(total.detach())

        optimizer.step(loss)
        self._weights.copy_(weights.detach())

    def _start(self, curve: Transfer) -> Tensor:
        """Return narrow to wide components about the line of variance against signal."""
        low, high, unit, least = self._range.tolist()
        weights = torch.zeros(3, self.components, self.coefficients, dtype=torch.float64)
        factor = torch.logspace(-1, 1, self.components, base=2, dtype=torch.float64)
        if self.components == 1:
            factor = torch.ones(1, dtype=torch.float64)
        height = max(curve.slope * low + curve.height, least) / unit**2
        rise = max(curve.slope * (high - low) / unit**2, 1e-3)
        weights[1] = math.log(1e-3)
        weights[1, :, 0] = torch.log(height * factor)
        if self.coefficients > 1:
            weights[1, :, 1] = torch.log(rise * factor)
        weights[2, :, 0] = torch.linspace(-0.1, 0.1, self.components, dtype=torch.float64)
        return weights

    def _parts(self, s: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log alpha, mu - s and sigma**2 (components, ...) of signals within the range."""
        low, high, unit, least = self._range.tolist()
        t = (s - low) / (high - low)
        weights = weights.to(s.dtype)
        powers = torch.stack([t**k for k in range(self.coefficients)])

        def polynomial(w: Tensor) -> Tensor:
            found: Tensor = torch.tensordot(w, powers, 1)
            return found

        alpha = torch.log_softmax(polynomial(weights[0]), 0)
        variance = (polynomial(weights[1].exp()) * unit**2).clamp(min=least)
        mu = polynomial(weights[2]) * unit
        return alpha, mu - (alpha.exp() * mu).sum(0), variance

    def _log_prob(self, y: Tensor, s: Tensor, weights: Tensor) -> Tensor:
        low, high = self.span
        inside, _ = beyond(s, low, high)
        deviation = y - s
        inside = inside.view([1] * (deviation.dim() - s.dim()) + list(s.shape))
        alpha, mu, variance = self._parts(inside, weights)
        return torch.logsumexp(alpha + normal(deviation - mu, variance), 0)

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        return self._log_prob(y, s, self._weights)

    def variance(self, s: Tensor) -> Tensor:
        """Return the variance of the mixture."""
        alpha, mu, variance = self._parts(beyond(s, *self.span)[0], self._weights)
        return (alpha.exp() * (variance + mu**2)).sum(0)

    def describe(self) -> str:
        """Return the range and the noise at its ends."""
        low, high = self.span
        ends = self.variance(torch.tensor([low, high], dtype=torch.float64)).sqrt().tolist()
        return (
            f"mixture of {self.components} normal densities: noise of {ends[0]:.3g} grey levels at"
            f" {low:.4g}, of {ends[1]:.3g} at {high:.4g}"
        )

    def options(self) -> dict[str, Any]:
        """Return the numbers of components and of coefficients."""
        return {"components": self.components, "coefficients": self.coefficients}
