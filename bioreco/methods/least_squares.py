"""The image that explains the measurements best, with nothing known beforehand but its energy.

x = argmin ||y - H x||^2 + weight ||x||^2, by conjugate gradients on (H^H H + weight I) x = H^H y
(SENSE, Pruessmann et al., MRM 42, 1999; by conjugate gradients, MRM 46, 2001).
"""

from __future__ import annotations

from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Batch
from bioreco.methods.untrained import Untrained
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.models import ForwardModel


class ZeroFilled(Untrained):
    """H^H y: what wasn't measured is taken to be 0, and the coils are combined.

    Parameters
    ----------
    forward_model
        What makes H of a batch.

    """

    def __init__(self, forward_model: ForwardModel) -> None:
        super().__init__()
        self.forward_model = forward_model

    def image(self, batch: Batch) -> Tensor:
        """Return H^H y."""
        return self.forward_model.operator(batch).adjoint(batch["y"])


class LeastSquares(Untrained):
    """SENSE, with an energy penalty (Tikhonov) or stopped early if so wished.

    Parameters
    ----------
    forward_model
        What makes H of a batch.
    weight
        Of the energy of the image, for maps with sum |C|^2 = 1: it is scale-free.
    iterations
        Conjugate gradient steps at most; few of them regularise too.
    tolerance
        Relative residual that is small enough.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        forward_model: ForwardModel,
        *,
        weight: float = 0.0,
        iterations: int = 100,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__()
        self.forward_model = forward_model
        if weight < 0 or iterations < 1 or not 0 <= tolerance < 1:
            raise UserError(
                f"method: weight={weight:g}, iterations={iterations}, tolerance={tolerance:g}:"
                " weight from 0, at least 1 iteration, tolerance from 0 to below 1"
            )
        self.weight, self.iterations, self.tolerance = weight, iterations, tolerance

    def image(self, batch: Batch) -> Tensor:
        """Solve the normal equations."""
        H = self.forward_model.operator(batch)
        return conjugate_gradient(
            H.normal,
            H.adjoint(batch["y"]),
            mu=self.weight,
            iterations=self.iterations,
            tolerance=self.tolerance,
        )
