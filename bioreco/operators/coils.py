"""What each receive coil sees of an image: C_c x."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True, eq=False)
class Coils(LinearOperator):
    """Weight images by coil maps (Pruessmann et al., SENSE, MRM 42, 1999).

    Attributes
    ----------
    maps
        C, (b, S, C, y, x) complex, with sum_c |C_c|^2 = 1 in the object and 0 outside.

    """

    maps: Tensor

    @cached_property
    def _conjugate(self) -> Tensor:
        return torch.conj_physical(self.maps)

    def forward(self, x: Tensor) -> Tensor:
        """Return C_c x of images (b, S, y, x), as (b, S, C, y, x)."""
        return self.maps * x.unsqueeze(2)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return sum_c conj(C_c) y_c of coil images (b, S, C, y, x), as (b, S, y, x)."""
        return (self._conjugate * y).sum(2)
