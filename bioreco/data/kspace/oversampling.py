"""Remove the oversampling of the readout, by cropping along x in the image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bioreco.data.acquisition import Acquisition, Complex, Mask
from bioreco.data.kspace.fourier import centred, to_image, to_kspace
from bioreco.data.kspace.scans import Wrapped, described
from bioreco.errors import UserError


@dataclass(frozen=True)
class Narrowed(Wrapped):
    """An acquisition cropped to the central part of the image along x.

    Coil maps have to be estimated before, in the full field of view: patches of cropped k-space
    don't show smooth sensitivities any more. The image and the noise of a sample stay the same.
    """

    full: int = field(kw_only=True)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return the k-space of the cropped image; what the mask leaves out stays 0."""
        values = self._crop(self.base.kspace(frame, group))
        return np.where(self.mask(frame, group), values, np.complex64(0))

    def mask(self, frame: int, group: int) -> Mask:
        """Return which lines were measured, whole."""
        lines = whole_lines(self.base.mask(frame, group))
        return np.array(np.broadcast_to(lines[:, None], self.size))

    def maps(self, group: int) -> Complex:
        """Return the cropped maps."""
        return self.base.maps(group)[..., self._inside]

    def calibration(self, group: int) -> Complex | None:
        """Return the cropped single-band lines."""
        lines = self.base.calibration(group)
        return None if lines is None else self._crop(lines)

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return the cropped true image."""
        image = self.base.reference(frame, group)
        return None if image is None else image[..., self._inside]

    @property
    def _inside(self) -> slice:
        return centred(self.full, self.size[1])

    def _crop(self, values: Complex) -> Complex:
        return to_kspace(to_image(values, (-1,))[..., self._inside], (-1,))


def whole_lines(mask: Mask) -> Mask:
    """Return which lines (ky,) were measured; a readout may lack samples at its ends."""
    return np.asarray(mask.mean(1) > 0.5)


def narrowed(base: Acquisition, factor: float) -> Acquisition:
    """Keep the central 1 / factor of the image along x.

    Raises
    ------
    UserError
        If single points of a readout are missing, or the factor is below 1.

    """
    rows, full = base.size
    width = round(full / factor) if factor >= 1 else 0
    if not 8 <= width <= full:
        raise UserError(
            f"data.oversampling={factor:g}: the readout of {base.name} has {full} samples;"
            f" choose from 1 to {full / 8:g}, or auto or none."
        )
    if width == full:
        return base
    mask = base.mask(0, 0)
    across = mask.any(0)
    if not (mask[:, across] == mask[:, across][:, :1]).all():
        raise UserError(
            f"{base.name}: single points of its readouts are missing, so that nothing can be"
            " cropped along x; say data.oversampling=none."
        )
    geometry = base.geometry
    affine = geometry.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (full // 2 - width // 2)
    note = f"readout oversampling removed: {full} samples cropped to {width} along x, in the image"
    return Narrowed(
        **described(base, note, size=(rows, width), geometry=replace(geometry, affine=affine)),
        full=full,
    )
