"""The forward model of a microscope whose point spread function is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, choose
from bioreco.operators.convolution import BOUNDARIES, Border, Boundary, Cells, Convolution
from bioreco.operators.linear import LinearOperator
from bioreco.operators.optics import Optics, gaussian

FORMULAS = ("gaussian", "born_wolf", "gibson_lanni")
WIDE = 4.0  # standard deviations that a Gaussian kernel reaches
ALIKE = 1e-3  # of the peak: kernels that differ less are taken to be symmetric


class Blur(nn.Module):
    """y = h * x with a known PSF h of sum 1.

    Parameters
    ----------
    dims
        Spatial axes.
    spacing
        Pixel sizes of the images ([z,] y, x) in nanometres; None: unknown.
    measured
        The PSF of a file ([z,] y, x), on the grid of the images, centred, of sum 1; None: none,
        or it is about to be restored.
    psf
        "gaussian", "born_wolf", "gibson_lanni", or the file that `measured` is from.
    sigma
        Of the Gaussian in pixels, ([z,] y, x) or one number; None: that of the optics.
    pixel_size
        ([z,] y, x) in nanometres, where files don't say, or say it wrong.
    extent
        Pixels that the kernel reaches to either side; None: as far as there is light.
    boundary
        What is beyond the border: "mirror", "edge" or "zero".
    down
        Fine pixels along a side of what the camera measures: 1, or more for super-resolution. The
        images are on the fine grid, each measured value repeated.
    optics
        The microscope.

    Raises
    ------
    UserError
        If an option is out of range, or pixel sizes are needed and unknown.

    """

    def __init__(
        self,
        dims: int,
        spacing: tuple[float, ...] | None,
        measured: Tensor | None,
        *,
        psf: str = "gibson_lanni",
        sigma: float | list[float] | None = None,
        pixel_size: list[float] | None = None,
        extent: list[int] | None = None,
        boundary: Boundary = "mirror",
        down: int = 1,
        optics: Optics | None = None,
    ) -> None:
        super().__init__()
        choose("forward.boundary", boundary, BOUNDARIES)
        if not 1 <= down <= 8:
            raise UserError(f"forward.down={down}: 1 to 8 fine pixels in a measured one")
        self.dims, self.psf, self.boundary, self.down = dims, psf, boundary, down
        self.spacing = _sizes("pixel_size", pixel_size, dims) or spacing
        self.sigma, self.extent = sigma, extent
        self.optics = optics or Optics()
        formula = psf in FORMULAS
        kernel = self._drawn() if formula else torch.zeros([1] * dims) if measured is None else None
        kernel = measured if kernel is None else kernel
        self.register_buffer("_kernel", torch.as_tensor(kernel).float())
        self._kernel: Tensor

    @property
    def kernel(self) -> Tensor:
        """The PSF h ([z,] y, x), its origin at the pixel n // 2."""
        return self._kernel

    @property
    def convolution(self) -> Convolution:
        """The PSF as an operator from a larger object."""
        return Convolution(self.kernel)

    @property
    def reach(self) -> tuple[int, ...]:
        """Pixels that the light of one spreads to either side, per spatial axis."""
        return tuple(max(pair) for pair in self.convolution.margins)

    @property
    def symmetry(self) -> str:
        """How images may be turned with the same PSF: "turn", "mirror" or "none"."""
        kernel = self.kernel.detach()
        mirrored = all(_alike(kernel, kernel.flip(axis)) for axis in range(self.dims))
        turned = mirrored and _alike(kernel, kernel.transpose(-1, -2))
        return "turn" if turned else "mirror" if mirrored else "none"

    def operator(self) -> LinearOperator:
        """Return H for images of any size, whose border is continued."""
        H = self.convolution @ Border(self.convolution.margins, self.boundary)
        return Cells(self.down) @ H if self.down > 1 else H

    def _drawn(self) -> Tensor:
        """Return the kernel of a formula."""
        if self.psf == "gaussian" and self.sigma is not None:
            widths = _sizes("sigma", self.sigma, self.dims) or ()
            return gaussian(widths, self._extent([max(1, round(WIDE * w)) for w in widths]))
        if self.spacing is None:
            axes = "ZYX"[3 - self.dims :]
            raise UserError(
                f"forward.psf={self.psf} needs the pixel size, which the images don't say: say"
                f" forward.pixel_size=[{','.join(axes)}] in nanometres"
            )
        draw = {
            "gaussian": self.optics.gaussian,
            "born_wolf": self.optics.born_wolf,
            "gibson_lanni": self.optics.gibson_lanni,
        }[self.psf]
        return draw(self.spacing, self._extent(self.optics.reach(self.spacing)))

    def _extent(self, natural: Sequence[int]) -> list[int]:
        given = _sizes("extent", self.extent, self.dims)
        return [int(n) for n in given] if given else list(natural)

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Take a kernel of any size, so that a run can be applied without the file of its PSF."""
        for name, own in (*self._parameters.items(), *self._buffers.items()):
            found = state.get(prefix + name)
            if own is not None and found is not None and own.shape != found.shape:
                own.data = torch.empty_like(found, device=own.device)
        super()._load_from_state_dict(state, prefix, *rest)


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and float((a - b).abs().max()) <= ALIKE * float(a.max())


def _sizes(key: str, given: float | Sequence[float] | None, dims: int) -> tuple[float, ...] | None:
    """Return one positive number for each axis."""
    if given is None:
        return None
    values = tuple(given) if isinstance(given, Sequence) else (given,) * dims
    if len(values) != dims or not all(value > 0 for value in values):
        raise UserError(
            f"forward.{key}={given}: {dims} numbers above 0, one for each of {'ZYX'[3 - dims :]}"
        )
    return values
