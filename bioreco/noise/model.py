"""What a noise model is: the probability of a measurement given the signal, in grey levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise


class NoiseModel(nn.Module):
    """p(y | s) for one pixel; the noise of neighbouring pixels is independent.

    Signals and measurements are in the grey levels of the detector, never on a network's scale.
    A model is a probability: over y it integrates to one, and its mean is s.

    Attributes
    ----------
    kind
        What the model is called in a file and on the command line.
    estimable
        The parameters that an estimate from single images gives; none if it can't give them all.

    Notes
    -----
    Models that are not told their parameters take them from `calibrate` (measurements of a known
    signal) or, at the latest, from `fit` before training. Parameters are buffers, nan until they
    are known. A model whose parameters have a shape that depends on data goes through
    `get_extra_state`.

    """

    kind: str = ""
    estimable: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether all parameters are known."""
        return not any(bool(buffer.isnan().any()) for buffer in self.buffers())

    @property
    def span(self) -> tuple[float, float] | None:
        """Lowest and highest signal that the model was measured at; None: it holds for any."""
        return None

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return log p(y | s), per grey level; y and s broadcast against each other."""
        raise NotImplementedError

    def variance(self, s: Tensor) -> Tensor:
        """Return the variance of y given s, in grey levels squared."""
        raise NotImplementedError

    def informed_by(self, noise: Sequence[Sequence[Noise]]) -> bool:
        """Return whether `fit` would know all from these estimates."""
        found = any(channel.sigma > 0 for channels in noise for channel in channels)
        return self.known or (bool(self.estimable) and found)

    def fit(self, noise: Sequence[Sequence[Noise]]) -> None:
        """Take what is still unknown from the noise estimated in the user's images, by channel.

        Raises
        ------
        UserError
            If it can't be known from that.

        """
        if self.known:
            return
        if not self.estimable:
            raise UserError(
                f"noise={self.kind} knows nothing of this camera yet. Measure it with bioreco"
                " calibrate FRAMES -o camera.noise, then say noise=file noise.path=camera.noise"
            )
        found = [channel for channels in noise for channel in channels if channel.sigma > 0]
        if not found:
            raise UserError(
                "the noise of these images could not be estimated: say "
                + ", ".join(f"noise.{name}=" for name in self.estimable)
            )
        self.estimate(found)

    def estimate(self, found: Sequence[Noise]) -> None:
        """Take what is still unknown from estimates, of which there is at least one."""
        raise NotImplementedError

    def calibrate(self, y: Tensor, s: Tensor) -> None:
        """Learn all that was not told from measurements y (n,) of the known signals s (n,)."""
        raise NotImplementedError

    def refine(self, y: Sequence[Tensor]) -> None:
        """Make estimates more exact where images (c, [z,] y, x), in grey levels, tell more."""

    def check_counts(self, y: Sequence[Tensor]) -> None:
        """Refuse measurements (in grey levels) that can't come from such a detector at all."""

    def describe(self) -> str:
        """Say in one line what the model is, with its numbers and units."""
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """Return the arguments that make such a model, without what it has learnt."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return the model as plain values and tensors, for a file."""
        tensors = {key: value.cpu() for key, value in self.state_dict().items()}
        return {"kind": self.kind, "options": self.options(), "tensors": tensors}


def beyond(s: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Return the signals within a range, and by how much they were outside it.

    The noise of signals beyond what was measured is taken to be that at the end of the range, about
    their own mean.
    """
    inside = s.clamp(low, high)
    return inside, s - inside


def normal(deviation: Tensor, variance: Tensor) -> Tensor:
    """Return the logarithm of the normal density with mean 0."""
    return -0.5 * (deviation**2 / variance + torch.log(2 * torch.pi * variance))
