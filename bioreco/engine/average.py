"""The running average of the weights: what training reports, rather than its last, noisy step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a module's parameters; buffers are copied.

    Parameters
    ----------
    module
        What is averaged.
    decay
        Share of the old average kept in each step; less in the first steps, so that the start is
        soon forgotten. 0 keeps the current weights.

    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self._current: list[Tensor] = list(module.parameters())
        self._weights = {k: p.detach().clone() for k, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self._weights.values()), self._current, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the module's place for a while, in evaluation mode."""
        training = self.module.training
        self._swap()
        self.module.eval()
        try:
            yield
        finally:
            self._swap()
            self.module.train(training)

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.module.named_parameters():
            now = parameter.detach().clone()
            parameter.copy_(self._weights[name])
            self._weights[name].copy_(now)

    def hand_over(self) -> None:
        """Leave the average in the module for good."""
        self._swap()

    def state(self) -> dict[str, Tensor]:
        """Return the averaged weights."""
        return self._weights

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over averaged weights."""
        for name, weight in self._weights.items():
            weight.copy_(state[name])
