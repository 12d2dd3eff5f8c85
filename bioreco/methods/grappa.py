"""GRAPPA: the lines that acceleration left out are predicted from their neighbours in all coils.

Griswold et al., MRM 47 (2002). The coils are combined with their maps.
"""

from __future__ import annotations

from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Batch
from bioreco.methods.unmixing import Kernels, Unmixing
from bioreco.methods.untrained import Untrained


class GRAPPA(Untrained):
    """Parallel imaging by kernels in k-space, for one slice at a time and regular undersampling.

    Lines that were measured beside the regular ones, in the middle, are kept.

    Parameters
    ----------
    lines
        Measured lines that a kernel sees, even.
    columns
        Points along the readout that it sees, odd.
    regularisation
        Of the fit of the kernel: l = regularisation ||B^H B||_F / dimension.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    wants = ("calibration",)

    def __init__(self, *, lines: int = 4, columns: int = 5, regularisation: float = 1e-3) -> None:
        super().__init__()
        if lines < 2 or lines % 2 or columns < 1 or columns % 2 == 0 or not regularisation > 0:
            raise UserError(
                f"method: lines={lines}, columns={columns}, regularisation={regularisation:g}:"
                " lines even, from 2; columns odd; regularisation above 0"
            )
        self.unmixing = Unmixing(Kernels("grappa", lines + 1, columns, regularisation))

    def image(self, batch: Batch) -> Tensor:
        """Fill k-space and combine the coils.

        Raises
        ------
        UserError
            If several slices were excited together, there are too few calibration lines, or the
            mask isn't regular.

        """
        bands = batch["maps"].shape[1]
        if bands > 1:
            raise UserError(
                f"method=grappa is for one slice at a time; these data hold {bands} excited"
                " together: say method=split_slice_grappa"
            )
        names = ("y", "mask", "maps", "caipi", "calibration")
        return self.unmixing(*(batch[name] for name in names))
