"""Point spread functions of a fluorescence microscope, from its optics.

Intensity at a distance r from the axis and z from focus, by the scalar integral

    h(r, z) = | 2 integral_0^1 J_0(k NA r rho) exp(i W(rho, z)) rho d rho |^2,    k = 2 pi / lambda.

W is the aberration: of defocus alone (Born and Wolf, Principles of Optics, 8.8), or of an object
at a depth in a medium whose index isn't that of the immersion (Gibson and Lanni, JOSA A 9, 1992).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError

NODES = 1024  # intervals of the integral over the pupil
FINE = 4  # samples of the radial profile per pixel
ROUND = 4.0  # Airy radii that a kernel reaches by default
DEEP = 2.0  # axial first zeros that a kernel reaches by default

_MANY = 4096  # planes at once

Aberration = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Optics:
    """A microscope and what is between its objective and the object; lengths in nanometres.

    Attributes
    ----------
    na
        Numerical aperture.
    wavelength
        Of the emitted light, in vacuum.
    immersion, sample, coverslip
        Refractive indices.
    immersion_design, coverslip_design
        Indices the objective is made for.
    depth
        Of the object below the cover slip.
    thickness, thickness_design
        Of the cover slip, and what the objective is made for.
    distance
        Thickness of the immersion layer that the objective is made for.

    Raises
    ------
    UserError
        If a value is out of range.

    """

    na: float = 1.4
    wavelength: float = 610.0
    immersion: float = 1.515
    sample: float = 1.33
    coverslip: float = 1.515
    immersion_design: float = 1.515
    coverslip_design: float = 1.515
    depth: float = 0.0
    thickness: float = 170_000.0
    thickness_design: float = 170_000.0
    distance: float = 150_000.0

    def __post_init__(self) -> None:
        if not 0 < self.na < self.immersion:
            raise UserError(
                f"forward.optics.na={self.na:g}: above 0 and below the index of the immersion,"
                f" {self.immersion:g}"
            )
        if not 100 <= self.wavelength <= 2000:
            raise UserError(
                f"forward.optics.wavelength={self.wavelength:g}: 100 to 2000 nanometres"
            )
        indices = (self.immersion, self.sample, self.coverslip)
        if not all(1 <= n <= 4 for n in (*indices, self.immersion_design, self.coverslip_design)):
            raise UserError("forward.optics: refractive indices are 1 to 4")
        if min(self.depth, self.thickness, self.thickness_design, self.distance) < 0:
            raise UserError("forward.optics: depth, thicknesses and distance are not negative")

    @property
    def airy(self) -> float:
        """Radius of the first dark ring in focus, 0.61 lambda / NA."""
        return 0.6098 * self.wavelength / self.na

    @property
    def axial(self) -> float:
        """Distance from focus of the first dark point on the axis, 2 n lambda / NA^2."""
        return 2 * self.immersion * self.wavelength / self.na**2

    def reach(self, spacing: Sequence[float]) -> tuple[int, ...]:
        """Return to how many pixels of a size ([z,] y, x) a kernel reaches by default."""
        wide = [math.ceil(ROUND * self.airy / step) for step in spacing[-2:]]
        deep = [math.ceil(DEEP * self.axial / step) for step in spacing[:-2]]
        return (*deep, *wide)

    def gaussian(self, spacing: Sequence[float], reach: Sequence[int]) -> Tensor:
        """Return the Gaussian of the same curvature at its peak (Zhang et al., Appl. Opt. 46)."""
        k = 2 * math.pi / self.wavelength
        wide = math.sqrt(2) / (k * self.na)
        deep = 2 * math.sqrt(6) * self.immersion / (k * self.na**2)
        widths = [*[deep] * (len(spacing) - 2), wide, wide]
        return gaussian([w / step for w, step in zip(widths, spacing, strict=True)], reach)

    def born_wolf(self, spacing: Sequence[float], reach: Sequence[int]) -> Tensor:
        """Return the kernel of defocus alone, ([z,] y, x) of sum 1."""
        slope = math.pi * self.na**2 / (self.immersion * self.wavelength)
        return self._kernel(spacing, reach, lambda rho, z: slope * z * rho**2, 1.0)

    def gibson_lanni(self, spacing: Sequence[float], reach: Sequence[int]) -> Tensor:
        """Return the kernel of an object at a depth, ([z,] y, x) of sum 1.

        Its brightest plane is put at the centre: otherwise deconvolution would shift the object.
        """
        least = min(self.sample, self.immersion, self.coverslip, self.coverslip_design)
        widest = min(1.0, least / self.na, self.immersion_design / self.na)

        def aberration(rho: Tensor, z: Tensor) -> Tensor:
            def along(index: float) -> Tensor:
                return (index**2 - (self.na * rho) ** 2).clamp(min=0).sqrt()

            path = (self.distance + z) * along(self.immersion)
            path = path - self.distance * along(self.immersion_design)
            path = path + self.depth * along(self.sample)
            path = path + self.thickness * along(self.coverslip)
            path = path - self.thickness_design * along(self.coverslip_design)
            return 2 * math.pi / self.wavelength * path

        return self._kernel(spacing, reach, aberration, widest, search=True)

    def _kernel(
        self,
        spacing: Sequence[float],
        reach: Sequence[int],
        aberration: Aberration,
        widest: float,
        *,
        search: bool = False,
    ) -> Tensor:
        planes = reach[0] if len(reach) == 3 else 0
        step = spacing[0] if len(spacing) == 3 else self.axial
        focus = self._focus(aberration, widest) if search else 0.0
        z = focus + step * torch.arange(-planes, planes + 1, dtype=torch.float64)
        grids = [
            s * torch.arange(-n, n + 1, dtype=torch.float64)
            for s, n in zip(spacing[-2:], reach[-2:], strict=True)
        ]
        r = (grids[0][:, None] ** 2 + grids[1] ** 2).sqrt()
        fine = min(spacing[-2:]) / FINE
        radii = fine * torch.arange(int(float(r.max()) / fine) + 2, dtype=torch.float64)
        profile = self.intensity(radii, z, aberration, widest)
        low = (r / fine).long()
        share = r / fine - low
        found = profile[:, low] * (1 - share) + profile[:, low + 1] * share
        found = found / found.sum()
        return found if len(reach) == 3 else found[0]

    def _focus(self, aberration: Aberration, widest: float) -> float:
        """Return where the axis is brightest."""
        shift = self.depth * self.immersion / self.sample + abs(
            self.thickness - self.thickness_design
        )
        span = (
            3 * self.axial + 2 * shift + self.distance * abs(self.immersion - self.immersion_design)
        )
        z = torch.linspace(-span, span, 2 * math.ceil(20 * span / self.axial) + 1)
        on_axis = torch.zeros(1, dtype=torch.float64)
        bright = [
            self.intensity(on_axis, z[k : k + _MANY].double(), aberration, widest)[:, 0]
            for k in range(0, len(z), _MANY)
        ]
        return float(z[int(torch.cat(bright).argmax())])

    def intensity(
        self, r: Tensor, z: Tensor, aberration: Aberration, widest: float = 1.0
    ) -> Tensor:
        """Return h (len(z), len(r)) by Simpson's rule; 1 at the focus of a perfect objective."""
        rho = torch.linspace(0, widest, NODES + 1, dtype=torch.float64)
        weight = torch.full_like(rho, 2.0)
        weight[1::2] = 4.0
        weight[0] = weight[-1] = 1.0
        weight = weight * rho * widest / NODES / 3
        bessel = torch.special.bessel_j0(2 * math.pi / self.wavelength * self.na * r[:, None] * rho)
        phase = aberration(rho, z[:, None])
        waves = torch.polar(weight.expand_as(phase), phase)
        field: Tensor = 2 * (waves @ bessel.T.to(waves.dtype))
        return field.abs().square()


def gaussian(widths: Sequence[float], reach: Sequence[int]) -> Tensor:
    """Return a Gaussian kernel of sum 1; `widths` are standard deviations in pixels."""
    found = torch.ones((), dtype=torch.float64)
    for width, n in zip(widths, reach, strict=True):
        at = torch.arange(-n, n + 1, dtype=torch.float64)
        found = found[..., None] * torch.exp(-0.5 * (at / width) ** 2)
    return found / found.sum()
