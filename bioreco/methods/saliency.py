"""The saliency constraint of c2GAN: what stands out in one domain stands out in the other.

    L = || S(y; tau_y) - S(G(y); tau_x) ||_1,    S(v; tau) = sigmoid(k (v - tau)),

the mean over pixels, with v from 0 to 1 (Li et al., Light: Sci. Appl. 10, 2021). It keeps the
background from becoming structure and structure from becoming background, which a cycle allows.
The thresholds are Otsu's, one for each domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bioreco.errors import UserError

BINS = 256
DARK, BRIGHT = 0.01, 0.999  # quantiles that are 0 and 1
BUDGET = 2**18  # pixels that thresholds are found on


class Saliency(nn.Module):
    """The constraint, as a loss.

    Parameters
    ----------
    weight
        0 leaves it out.
    slope
        k.
    dark
        Whether what stands out of the measurements is dark, and bright in sharp images.
    decay
        The weight falls by exp(-decay) over the training; 0: it stays.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        *,
        weight: float = 0.0,
        slope: float = 100.0,
        dark: bool = False,
        decay: float = 0.0,
    ) -> None:
        super().__init__()
        if weight < 0 or not slope > 0 or decay < 0:
            raise UserError(
                f"method.saliency: weight={weight:g} slope={slope:g} decay={decay:g}: not negative,"
                " and a slope above 0"
            )
        self.weight, self.slope, self.dark, self.decay = weight, slope, dark, decay
        one = {"low": 0.0, "high": 1.0, "threshold": 0.5}
        self.domains = {"measured": dict(one), "sharp": dict(one)}

    def prepare(self, measured: Sequence[Tensor], sharp: Sequence[Tensor]) -> None:
        """Find scale and threshold of both domains."""
        for name, images in (("measured", measured), ("sharp", sharp)):
            if images:
                self.domains[name] = _domain(images)

    def loss(self, y: Tensor, made: Tensor, progress: float) -> Tensor:
        """Return the weighted loss of measurements and what was made of them."""
        seen, wanted = self.mask(y, "measured"), self.mask(made, "sharp")
        if self.dark:
            seen = 1 - seen
        weight = self.weight * math.exp(-self.decay * progress)
        return weight * (seen - wanted).abs().mean()

    def mask(self, v: Tensor, domain: str) -> Tensor:
        """Return S(v; tau), near 1 where an image is brighter than the threshold."""
        known = self.domains[domain]
        scaled = (v - known["low"]) / (known["high"] - known["low"])
        return torch.sigmoid(self.slope * (scaled - known["threshold"]))

    def get_extra_state(self) -> dict[str, Any]:
        """Return scales and thresholds."""
        return {name: dict(known) for name, known in self.domains.items()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self.domains = {name: dict(known) for name, known in state.items()}


def _domain(images: Sequence[Tensor]) -> dict[str, float]:
    values = torch.cat([image.flatten() for image in images]).float()
    values = values[:: max(1, len(values) // BUDGET)].sort().values
    low, high = (float(values[int(q * (len(values) - 1))]) for q in (DARK, BRIGHT))
    high = max(high, low + 1e-6)
    scaled = ((values - low) / (high - low)).clamp(0, 1)
    return {"low": low, "high": high, "threshold": otsu(scaled)}


def otsu(values: Tensor) -> float:
    """Return the threshold of values from 0 to 1 that parts them best (Otsu, 1979)."""
    counts = torch.histc(values, BINS, 0, 1).double()
    centres = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS
    below, mass = counts.cumsum(0), (counts * centres).cumsum(0)
    above = below[-1] - below
    apart = mass / below.clamp(min=1) - (mass[-1] - mass) / above.clamp(min=1)
    between = below * above * apart.square()
    best = (between >= (1 - 1e-9) * between.max()).nonzero()  # a gap between both has many
    return float(best.double().mean() + 1) / BINS
