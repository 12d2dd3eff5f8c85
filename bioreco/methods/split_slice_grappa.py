"""Split slice-GRAPPA: slices that were excited together are told apart by kernels in k-space.

W_s = (sum_j B_j^H B_j + l I)^-1 B_s^H T_s: the kernel of slice s makes T_s of slice s and nothing
of any other (Cauley et al., MRM 72, 2014). Then lines left out in the plane are filled (GRAPPA),
the CAIPI shift is undone, and the coils are combined with their maps.
"""

from __future__ import annotations

from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Batch
from bioreco.methods.unmixing import Kernels, Unmixing
from bioreco.methods.untrained import Untrained


class SplitSliceGRAPPA(Untrained):
    """Simultaneous slices by kernels in k-space, with regular in-plane acceleration.

    Parameters
    ----------
    split
        Whether each kernel is made to let nothing of the other slices through; else plain
        slice-GRAPPA (Setsompop et al., MRM 67, 2012), B = sum_j B_j.
    lines, columns
        Measured lines and points along the readout that a kernel sees, odd. In-plane kernels see
        one line less.
    regularisation
        Of the fit of a kernel: l = regularisation ||B^H B||_F / dimension.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    wants = ("calibration",)

    def __init__(
        self,
        *,
        split: bool = True,
        lines: int = 5,
        columns: int = 5,
        regularisation: float = 1e-3,
    ) -> None:
        super().__init__()
        if lines < 3 or lines % 2 == 0 or columns < 1 or columns % 2 == 0 or not regularisation > 0:
            raise UserError(
                f"method: lines={lines}, columns={columns}, regularisation={regularisation:g}:"
                " lines odd, from 3; columns odd; regularisation above 0"
            )
        kernels = Kernels("split_slice_grappa", lines, columns, regularisation, split)
        self.unmixing = Unmixing(kernels)

    def image(self, batch: Batch) -> Tensor:
        """Separate the slices, fill k-space, undo the shifts and combine the coils.

        Raises
        ------
        UserError
            If there are too few calibration lines, or the mask isn't regular.

        """
        names = ("y", "mask", "maps", "caipi", "calibration")
        return self.unmixing(*(batch[name] for name in names))
