"""The image that explains the measurements best, with nothing known beforehand but its energy.

x = argmin ||y - H x||^2 + weight ||x||^2, by conjugate gradients on (H^H H + weight I) x = H^H y
(SENSE, Pruessmann et al., MRM 42, 1999; by conjugate gradients, MRM 46, 2001). Where whole lines
were measured, each column of the image is factorised once instead, for all frames.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.methods.method import Batch
from bioreco.methods.untrained import Untrained
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.linear import Solved
from bioreco.operators.models import ForwardModel

SOLVERS = ("auto", "cg")
FIXED = ("maps", "mask", "caipi")  # what the factors of a problem depend on
KNOWN = 16  # groups of slices whose factors are kept


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
    solver
        "auto": exactly, where whole lines were measured and the coils tell all voxels apart, else
        by conjugate gradients. "cg": always by these.
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
        solver: Literal["auto", "cg"] = "auto",
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
        if solver not in SOLVERS:
            raise UserError(
                f"method.solver={solver}: choose one of {', '.join(SOLVERS)}."
                + nearest(solver, SOLVERS)
            )
        self.weight, self.iterations, self.tolerance = weight, iterations, tolerance
        self.exact = solver == "auto"
        self._known: list[tuple[Batch, Solved | None]] = []

    def image(self, batch: Batch) -> Tensor:
        """Solve the normal equations."""
        H = self.forward_model.operator(batch)
        b = H.adjoint(batch["y"])
        solved = self._factorised(batch) if self.exact else None
        if solved is not None:
            return solved.solve(b)
        return conjugate_gradient(
            H.normal,
            b,
            mu=self.weight,
            iterations=self.iterations,
            tolerance=self.tolerance,
        )

    def _factorised(self, batch: Batch) -> Solved | None:
        """Return what solves the problems of a batch, worked out once for frames that are alike."""
        first = {name: batch[name][:1] for name in FIXED}
        if not all(bool((batch[name] == first[name]).all()) for name in FIXED):
            return self.forward_model.operator(batch).factorised(self.weight)
        for known, solved in self._known:
            if all(_same(known[name], first[name]) for name in FIXED):
                return solved
        solved = self.forward_model.operator(first).factorised(self.weight)
        self._known = [*self._known[-KNOWN + 1 :], (first, solved)]
        return solved


def _same(u: Tensor, v: Tensor) -> bool:
    return u.device == v.device and torch.equal(u, v)
