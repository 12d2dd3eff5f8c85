"""Which weights of a training are reported: those with the least error without a truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from bioreco.methods.method import Method

Judge = Callable[[], float]


class Selection:
    """Keeps the best weights seen so far.

    Parameters
    ----------
    judge
        Returns the error of the method as it is now; the same weights give the same error.

    Attributes
    ----------
    step
        After which step the best weights were, or None if none were looked at.
    weights
        The method's state then.

    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.error = float("inf")
        self.step: int | None = None
        self.looks = 0
        self.weights: dict[str, Any] = {}

    def look(self, method: Method, step: int) -> float:
        """Judge the method; keep a copy of it if it is the best so far."""
        error = self.judge()
        self.looks += 1
        if error < self.error:
            self.error, self.step = error, step
            self.weights = {
                key: value.detach().clone() if isinstance(value, Tensor) else value
                for key, value in method.state_dict().items()
            }
        return error

    def state(self) -> dict[str, Any]:
        """Return all of it as plain values and tensors."""
        return {
            "error": self.error,
            "step": self.step,
            "looks": self.looks,
            "weights": self.weights,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.error, self.step = state["error"], state["step"]
        self.looks, self.weights = state["looks"], dict(state["weights"])

    def words(self) -> str:
        """Say what was chosen."""
        return (
            f"after step {self.step}, where the held-out error was the least of {self.looks}"
            f" ({self.error:.4g} of the noise)"
        )
