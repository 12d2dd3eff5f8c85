"""What is drawn for each simulated image of a particle: pose, shift, noise, Eq. (40)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError, choose
from bioreco.methods import spectra
from bioreco.methods.method import Batch
from bioreco.operators.ctf import PARAMETERS
from bioreco.operators.rotations import uniform_rotations

POSES = ("uniform", "data")
NOISES = ("gaussian", "coloured", "patches")
_SAME_PIXEL = 0.01


@dataclass(frozen=True)
class Imaging:
    """The distributions that imaging is drawn from.

    Attributes
    ----------
    poses
        "uniform": no direction is preferred. "data": directions as often as in the poses of the
        data, though not those of each particle.
    shifts
        Particles lie off the centre by at most this along x and y, in Angstrom, evenly.
    noise
        "gaussian": white, with a standard deviation of 1, as particles are normalised.
        "coloured": with the power spectrum of background patches. "patches": background patches
        themselves, each with the CTF of its micrograph.

    gain
        Spread of the scale of images, as a share. None: that of normalising them by the white noise
        of their corners, which is known but roughly.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    poses: str = "uniform"
    shifts: float = 10.0
    noise: str = "gaussian"
    gain: float | None = None

    def __post_init__(self) -> None:
        choose("method.imaging.poses", self.poses, POSES)
        choose("method.imaging.noise", self.noise, NOISES)
        if self.shifts < 0:
            raise UserError(f"method.imaging.shifts={self.shifts}: not negative, in Angstrom")
        if self.gain is not None and not 0 <= self.gain < 1:
            raise UserError(f"method.imaging.gain={self.gain}: at least 0, below 1, or null")

    @property
    def wants(self) -> tuple[str, ...]:
        """What a batch must hold for it."""
        patches = ("background",) if self.noise != "gaussian" else ()
        return (*patches, "pose") if self.poses == "data" else patches

    def draw_poses(self, batch: Batch) -> Tensor:
        """Return one rotation for each image of a batch (b, 3, 3)."""
        number, device = len(batch["ctf"]), batch["ctf"].device
        if self.poses == "data":
            return batch["pose"][torch.randperm(number, device=device)]
        draws = torch.rand(number, 3, device=device, dtype=torch.float64)
        return uniform_rotations(draws).float()

    def draw_shifts(self, batch: Batch) -> Tensor:
        """Return how far each image lies off the centre along (x, y), in Angstrom (b, 2)."""
        ctf = batch["ctf"]
        return self.shifts * (2 * torch.rand(len(ctf), 2, device=ctf.device) - 1)

    def draw_gain(self, like: Tensor, box: int) -> Tensor:
        """Return the scale of each image (b, 1, 1, 1); particles have `box` pixels along a side."""
        corners = (1 - math.pi / 4) * box**2
        spread = 1 / math.sqrt(2 * corners) if self.gain is None else self.gain
        return 1 + spread * torch.randn(len(like), 1, 1, 1).to(like)

    def draw_noise(self, batch: Batch, rings: Tensor, like: Tensor) -> Tensor:
        """Return noise (b, 1, y, x), with the power `rings` at each frequency if coloured."""
        if self.noise == "patches":
            return batch["background"]
        white = torch.randn_like(like)
        if self.noise == "gaussian":
            return white
        return spectra.apply(
            white, spectra.on_plane(rings[: like.shape[-1] // 2 + 1], like.shape[-1]).sqrt()
        )


def check_particles(y: Tensor, ctf: Tensor, box: int, pixel_size: float) -> None:
    """Refuse particles (b, 1, y, x) that a volume of this box and pixel size isn't made for.

    Raises
    ------
    UserError
        If they have another number of pixels, or another size of one.

    """
    pixel = ctf[:, PARAMETERS.index("pixel_size")]
    if y.shape[-2:] != (box, box):
        raise UserError(
            f"particles of {y.shape[-1]} x {y.shape[-2]} pixels, but a volume of {box} voxels"
        )
    if float((pixel / pixel_size - 1).abs().max()) > _SAME_PIXEL:
        raise UserError(
            f"particles with pixels of {float(pixel.min()):g} to {float(pixel.max()):g}"
            f" Angstrom, but a volume with voxels of {pixel_size:g}: resample them to one size"
        )
