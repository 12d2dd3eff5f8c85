"""Wiener deconvolution: undo the blur at each frequency as far as it stands out of the noise.

x = (H^T H + w)^-1 H^T y, which for a periodic image is conj(h) y / (|h|^2 + w) in frequency
(Wiener, 1949). It is solved by conjugate gradients, so that the border isn't periodic.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.deconvolution import Deconvolution, Path
from bioreco.operators.blur import Blur
from bioreco.operators.conjugate_gradient import conjugate_gradient

GRID = tuple(np.geomspace(1.0, 1e-5, 16).round(8).tolist())
ITERATIONS = 30
TOLERANCE = 1e-3


class Wiener(Deconvolution):
    """The Wiener filter with a white object.

    Parameters
    ----------
    forward_model
        The microscope.
    balance
        w, the power of the noise over that of the object; None: the best on images whose truth is
        known, where the data have some, or else the largest with which the residual is no larger
        than the noise.
    background
        Grey level where there is no signal; None: the darkest of the image once it is blurred.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    option = "balance"

    def __init__(
        self,
        forward_model: Blur,
        *,
        balance: float | None = None,
        background: float | None = None,
    ) -> None:
        if balance is not None and not 0 < balance <= 100:
            raise UserError(f"method.balance={balance:g}: above 0, at most 100, or null")
        super().__init__(forward_model, strength=balance, background=background)

    def path(self, y: Tensor, until: float | None) -> Path:
        """Yield (w, x), w falling."""
        H = self.forward_model.operator()
        right = H.adjoint(y)
        for balance in GRID if until is None else (until,):
            yield (
                balance,
                conjugate_gradient(
                    H.normal, right, mu=balance, iterations=ITERATIONS, tolerance=TOLERANCE
                ),
            )

    def words(self, strength: float) -> str:
        """Give the weight."""
        return f"Wiener filter, balance {strength:.3g}"
