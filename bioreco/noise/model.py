"""What a noise model is: the probability of a measurement given the signal, in grey levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from bioreco.metrics.noise import Noise


class NoiseModel(nn.Module):
    """p(y | s) for one pixel; the noise of neighbouring pixels is independent.

    Signals and measurements are in the grey levels of the detector, never on a network's scale.
    A model is a probability: over y it integrates to one, and its mean is s.

    Notes
    -----
    Models that are not told their parameters take them from `calibrate` (frames of a known signal)
    or, at the latest, from `fit` before training. Parameters of a shape that depends on data go
    through `get_extra_state`.

    """

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return log p(y | s), per grey level; y and s broadcast against each other."""
        raise NotImplementedError

    def variance(self, s: Tensor) -> Tensor:
        """Return the variance of y given s, in grey levels squared."""
        raise NotImplementedError

    def fit(self, noise: Sequence[Sequence[Noise]]) -> None:
        """Take what is still unknown from the noise estimated in the user's images, by channel."""

    def describe(self) -> str:
        """Say in one line what the model is, with its numbers and units."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return the model as plain values and tensors, for a file."""
        raise NotImplementedError
