"""The forward models a user can choose, each made into an operator for the problems at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from bioreco.errors import UserError
from bioreco.operators.extended import extended_sense
from bioreco.operators.linear import LinearOperator
from bioreco.operators.sense import Sense


class ForwardModel(Protocol):
    """What makes an operator of a batch."""

    def operator(self, batch: Mapping[str, Tensor]) -> LinearOperator:
        """Return H of a batch, which holds `mask`, `maps` and `caipi`."""


@dataclass(frozen=True)
class MRI:
    """One slice at a time, received by many coils: y_c = M F C_c x + n."""

    def operator(self, batch: Mapping[str, Tensor]) -> LinearOperator:
        """Return H of a batch.

        Raises
        ------
        UserError
            If several slices were excited together.

        """
        bands = batch["maps"].shape[1]
        if bands > 1:
            raise UserError(
                f"forward=mri is for one slice at a time; these data hold {bands} slices excited"
                " together: say forward=sms_mri"
            )
        return Sense.of(batch["maps"], batch["mask"], batch["caipi"])


@dataclass(frozen=True)
class SMSMRI:
    """Slices excited together and shifted by CAIPI: y_c = M sum_s P_s F C_{s,c} x_s + n.

    Parameters
    ----------
    extended
        Whether the slices are laid side by side in one wide image, as in the readout-extended
        form; the numbers are the same, the work is more.

    """

    extended: bool = False

    def operator(self, batch: Mapping[str, Tensor]) -> LinearOperator:
        """Return H of a batch."""
        make = extended_sense if self.extended else Sense.of
        return make(batch["maps"], batch["mask"], batch["caipi"])
