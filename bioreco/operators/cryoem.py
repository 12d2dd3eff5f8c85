"""What an electron microscope sees of a particle: projected, blurred by the CTF, off centre.

H V = T C P_A V: the projection in pose A, times the contrast transfer function, moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.operators.ctf import PARAMETERS, contrast_transfer
from bioreco.operators.fourier_filter import phase_ramp
from bioreco.operators.fourier_slice import Project
from bioreco.operators.slices import padded_size

ORDERS = {"linear": 1, "quadratic": 2}


@dataclass(frozen=True)
class CryoEM:
    """Images of single particles in an electron microscope.

    Parameters
    ----------
    pad
        How many times as large the volume is made before its transform, at least 1.
    interpolation
        Between the frequencies of the volume: "quadratic", with an error of 0.1 % of the image, or
        "linear", with 1 %, in half the time.
    ctf
        Whether the microscope has a contrast transfer function; false: a perfect one.

    Notes
    -----
    The CTF acts on the padded image, so that what it spreads out of the box is lost, as in a box
    that was cut from a micrograph, and doesn't come in again from the other side. Voxels and
    pixels have the same size, that of the particle.

    Raises
    ------
    UserError
        If `pad` is below 1, or there is no such interpolation.

    """

    pad: int = 2
    interpolation: str = "quadratic"
    ctf: bool = True

    def __post_init__(self) -> None:
        if self.pad < 1:
            raise UserError(f"forward.pad={self.pad}: at least 1, and 2 or more to be accurate")
        if self.interpolation not in ORDERS:
            raise UserError(
                f"forward.interpolation={self.interpolation}: expected quadratic or linear."
                + nearest(self.interpolation, ORDERS)
            )

    def simulate(
        self, volume: Tensor, rotations: Tensor, ctf: Tensor, shifts: Tensor | None = None
    ) -> Tensor:
        """Return images without noise, differentiable twice in the volume.

        Parameters
        ----------
        volume
            (z, y, x), or (v, z, y, x) for v volumes that share the poses evenly, in their order.
        rotations
            Poses A (b, 3, 3), x_image = A x_reference.
        ctf
            (b, 9), see `bioreco.operators.ctf.PARAMETERS`.
        shifts
            (b, 2): how far the particles lie from the centre along (x, y), in Angstrom: minus
            RELION's origin. None: not at all.

        Returns
        -------
        Tensor
            (b, 1, y, x).

        """
        volumes = len(volume) if volume.ndim == 4 else 1
        return self.imaging(rotations, ctf, shifts, size=volume.shape[-1], volumes=volumes)(volume)

    def operator(self, batch: Mapping[str, Tensor]) -> Project:
        """Return the H of a batch with known poses: its y, ctf, pose and, if there is one, origin.

        The origin (b, 2) is RELION's, in Angstrom: what centres the image.
        """
        origin = batch.get("origin")
        shifts = None if origin is None else -origin
        return self.imaging(batch["pose"], batch["ctf"], shifts, size=batch["y"].shape[-1])

    def imaging(
        self,
        rotations: Tensor,
        ctf: Tensor,
        shifts: Tensor | None = None,
        *,
        size: int,
        volumes: int = 1,
    ) -> Project:
        """Return the operator of `simulate` for volumes of `size` voxels along a side."""
        side = padded_size(size, self.pad)
        transfer = contrast_transfer(ctf, side) if self.ctf else None
        if shifts is not None:
            pixel = ctf[:, PARAMETERS.index("pixel_size"), None]
            ramp = phase_ramp(shifts.to(ctf) / pixel, side)
            transfer = ramp if transfer is None else ramp * transfer
        order = ORDERS[self.interpolation]
        return Project(rotations, size, self.pad, order=order, transfer=transfer, volumes=volumes)
