"""A scan in a file, as an acquisition that reads one frame at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition, Complex, Geometry, Mask
from bioreco.data.kspace.axes import Cut
from bioreco.data.kspace.checks import binary, finite, samples_something
from bioreco.errors import UserError

Matrix = NDArray[np.complex128]


@dataclass(frozen=True)
class Reversal:
    """Readouts that were acquired from the far end, and the phase that this leaves behind.

    Attributes
    ----------
    lines
        Which they are (ky,).
    phase
        What they are multiplied with along x, in the image, to agree with the others
        (coils, x); None for nothing.

    """

    lines: Mask
    phase: Complex | None = None


@dataclass(frozen=True, kw_only=True)
class Scan(Acquisition):
    """k-space in named arrays.

    Attributes
    ----------
    values
        Measurements with the axes frame, slice, coil, y, x, or some of them.
    sampling
        Mask with the axes frame, slice, y, x, or some; None finds it in the data.
    sensitivities
        Coil maps (slice, band, coil, y, x), or some; None if the file has none.
    lines
        Single-band central lines (slice, band, coil, y, x), or None.
    truth
        True images (frame, slice, band, y, x), or None.
    samples
        A noise scan (coil, x), or None.
    reversal
        Readouts to turn around, or None.
    oversampling
        How many times finer than the image the readout is sampled, where the file says so.

    """

    values: Cut
    sampling: Cut | None = None
    sensitivities: Cut | None = None
    lines: Cut | None = None
    truth: Cut | None = None
    samples: Cut | None = None
    reversal: Reversal | None = None
    oversampling: float | None = None
    _last: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return y (coils, ky, kx); what the mask leaves out is 0."""
        values = self.measured(frame, group)
        if self.sampling is None:
            return values.copy()
        return np.where(self.mask(frame, group), values, np.complex64(0))

    def mask(self, frame: int, group: int) -> Mask:
        """Return the mask of the file without lines that hold nothing, or where there are data."""
        values = self.measured(frame, group)
        if self.sampling is None:
            mask = found_mask(values)
        else:
            said = self.sampling.cut(("y", "x"), frame=frame, slice=group)
            mask = np.broadcast_to(binary(said, self.name), self.size) & filled(values)
        return samples_something(mask, f"{self.name}, frame {frame}, slice {group}")

    def measured(self, frame: int, group: int) -> Complex:
        """Return what the file holds (coils, ky, kx), whatever the mask says.

        The last one that was read is kept, as its mask is asked for next.
        """
        if self._last.get("key") != (frame, group):
            what = f"{self.name}, frame {frame}, slice {group}"
            values = self.values.cut(("coil", "y", "x"), frame=frame, slice=group)
            values = np.array(finite(values, what), order="C")
            if self.reversal is not None:
                values = turned(values, self.reversal)
            self._last.update(key=(frame, group), values=values)
        kept: Complex = self._last["values"]
        return kept

    def maps(self, group: int) -> Complex:
        """Return the coil maps of the file, as they are."""
        if self.sensitivities is None:
            raise UserError(
                f"{self.name} holds no coil maps; say data.maps=espirit or data.maps=lowres."
            )
        values = self.sensitivities.cut(("band", "coil", "y", "x"), slice=group)
        return finite(values, f"{self.name}, coil maps of slice {group}")

    def calibration(self, group: int) -> Complex | None:
        """Return the single-band lines of the file."""
        if self.lines is None:
            return None
        values = self.lines.cut(("band", "coil", "y", "x"), slice=group)
        return finite(values, f"{self.name}, calibration lines of slice {group}")

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return the true image of the file."""
        if self.truth is None:
            return None
        values = self.truth.cut(("band", "y", "x"), frame=frame, slice=group)
        return finite(values, f"{self.name}, reference of frame {frame}")

    def noise(self) -> Complex | None:
        """Return the noise scan (coils, samples) of the file."""
        if self.samples is None:
            return None
        return finite(self.samples.cut(("coil", "x")), f"{self.name}, noise scan")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": {}}


def filled(values: Complex) -> Mask:
    """Return which lines of k-space (coils, ky, kx) hold anything, along either axis."""
    there = np.any(values != 0, axis=0)
    return np.asarray(there.any(1)[:, None] & there.any(0)[None])


def found_mask(values: Complex) -> Mask:
    """Return where k-space (coils, ky, kx) was measured, as far as the data show it.

    Whole lines, where nearly all points of them hold something: a measured point may be 0.
    """
    there, lines = np.any(values != 0, axis=0), filled(values)
    return lines if there.sum() >= 0.98 * lines.sum() else there


def turned(values: Complex, reversal: Reversal) -> Complex:
    """Turn the readouts (coils, ky, kx) around that were acquired from the far end."""
    from bioreco.data.kspace.fourier import to_image, to_kspace

    values = values.copy()
    length = values.shape[-1]
    turn = (2 * (length // 2) - np.arange(length)) % length  # keeps n // 2 in its place
    lines = values[:, reversal.lines][:, :, turn]
    if reversal.phase is not None:
        lines = to_kspace(to_image(lines, (-1,)) * reversal.phase[:, None], (-1,))
    values[:, reversal.lines] = lines
    return values


@dataclass(frozen=True)
class Wrapped(Acquisition):
    """An acquisition around another one, which it reads when it is read.

    Attributes
    ----------
    base
        The acquisition within.

    """

    base: Acquisition = field(kw_only=True)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return what the base returns."""
        return self.base.kspace(frame, group)

    def mask(self, frame: int, group: int) -> Mask:
        """Return what the base returns."""
        return self.base.mask(frame, group)

    def maps(self, group: int) -> Complex:
        """Return what the base returns."""
        return self.base.maps(group)

    def calibration(self, group: int) -> Complex | None:
        """Return what the base returns."""
        return self.base.calibration(group)

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return what the base returns."""
        return self.base.reference(frame, group)

    def noise(self) -> Complex | None:
        """Return what the base returns."""
        return self.base.noise()


def described(base: Acquisition, *notes: str, **changes: Any) -> dict[str, Any]:
    """Return the description of an acquisition for one that wraps it, with more notes."""
    same = {item.name: getattr(base, item.name) for item in fields(Acquisition)}
    return {**same, **changes, "notes": (*base.notes, *notes), "base": base}


def plain_geometry(
    groups: int, bands: int, spacing: tuple[float, float, float], size: tuple[int, int]
) -> Geometry:
    """Return a geometry for slices in order, whose place in the scanner isn't known.

    Parameters
    ----------
    groups, bands
        Slice number is group + groups * band.
    spacing
        Millimetres along x, y and z.
    size
        Pixels along y and x.

    """
    affine = np.diag([*spacing, 1.0])
    count = np.array([size[1] // 2, size[0] // 2, (groups * bands) // 2])
    affine[:3, 3] = -affine[:3, :3] @ count
    slices = np.arange(groups)[:, None] + groups * np.arange(bands)[None]
    return Geometry(affine=affine, repetition_time=None, slices=slices.astype(np.int64))
