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
        Returns the error of the method as it is now; the same weights give the same error. None:
        the validation loss is the error.

    Attributes
    ----------
    step
        After which step the best weights were, or None if none were looked at.
    weights
        The method's state then.
    stale
        Looks since then.

    """

    def __init__(self, judge: Judge | None) -> None:
        self.judge = judge
        self.error = float("inf")
        self.step: int | None = None
        self.looks = self.stale = 0
        self.weights: dict[str, Any] = {}

    def look(self, method: Method, step: int, validation: float) -> float:
        """Judge the method; keep a copy of it if it is the best so far."""
        error = self.judge() if self.judge is not None else validation
        self.looks, self.stale = self.looks + 1, self.stale + 1
        if error < self.error:
            self.error, self.step, self.stale = error, step, 0
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
            "stale": self.stale,
            "weights": self.weights,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.error, self.step = state["error"], state["step"]
        self.looks, self.stale = state["looks"], state.get("stale", 0)
        self.weights = dict(state["weights"])

    def words(self) -> str:
        """Say what was chosen."""
        error, of = ("held-out error", " of the noise") if self.judge else ("validation loss", "")
        return (
            f"after step {self.step}, where the {error} was the least of {self.looks}"
            f" ({self.error:.4g}{of})"
        )
