"""An image file as bioreco sees it: named axes, pixel sizes, and pixels read only where asked."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bioreco.errors import UserError

SPATIAL = "ZYX"
LETTERS = "TZCYXSI"

Index = tuple[slice, ...]
Array = np.ndarray[Any, np.dtype[Any]]


class Pixels(Protocol):
    """The pixels of one data set, read lazily."""

    def read(self, index: Index) -> Array:
        """Return exactly that region as a new C-contiguous array in native byte order."""
        ...


class Sink(Protocol):
    """Where the pixels of one result go, region by region."""

    def write(self, index: Index, values: Array) -> None:
        """Store the values of one region."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


@dataclass(frozen=True)
class Image:
    """One image data set: what it is called, what its axes mean, how to read it.

    Attributes
    ----------
    path
        The file, without ``:/dataset``.
    name
        What messages call it: the file name, and ``:/dataset`` where there is one.
    format
        ``"tiff"``, ``"mrc"``, ``"nifti"``, ``"png"``, ``"npy"``, ``"hdf5"`` or ``"zarr"``.
    axes
        One letter per dimension in file order: T (time), Z (depth), C (channel), Y, X,
        S (samples of an RGB pixel, last) and I (independent images).
    spacing, units
        Sample distance along an axis and its unit; absent where the file doesn't say. The
        spacing of T is the frame interval.
    channels
        Channel names; empty where unknown.
    notes
        What the reader of the image should be told aloud.
    meta
        Whatever the writer of the same format needs to preserve.
    """

    path: Path
    name: str
    format: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixels: Pixels = field(repr=False)
    spacing: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    meta: Any = field(default=None, repr=False)

    def read(self, index: Sequence[slice] | None = None) -> Array:
        """Read one region, or everything.

        Parameters
        ----------
        index
            A slice (step 1) for each leading axis; axes left out are read whole.

        Returns
        -------
        ndarray
            A new C-contiguous array of the file's type in native byte order.
        """
        region = full_index(() if index is None else index, self.shape)
        with DamageTold(self.name, "read"):
            return self.pixels.read(region)

    def size(self, axis: str) -> int:
        """Return the length of an axis, 1 if the image doesn't have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1


def full_index(index: Sequence[slice], shape: Sequence[int]) -> Index:
    """Return the index with every slice spelled out, as ``slice(start, stop)`` inside shape."""
    if len(index) > len(shape):
        raise IndexError(f"{len(index)} slices for {len(shape)} axes")
    padded = [*index, *[slice(None)] * (len(shape) - len(index))]
    bounds = [part.indices(size) for part, size in zip(padded, shape, strict=True)]
    if any(step != 1 for _, _, step in bounds):
        raise IndexError("regions are read with step 1")
    return tuple(slice(start, max(start, stop)) for start, stop, _ in bounds)


def region_shape(index: Index) -> tuple[int, ...]:
    """Return the shape of the region that a full index selects."""
    return tuple(part.stop - part.start for part in index)


def times(shape: Sequence[int]) -> str:
    """Return a shape as people write it: ``5 x 64 x 64``."""
    return " x ".join(str(size) for size in shape)


class DamageTold:
    """A context in which whatever a library throws at a damaged file becomes one plain line."""

    def __init__(self, name: str, verb: str) -> None:
        self.name = name
        self.verb = verb

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, UserError | MemoryError):
            return
        if isinstance(error, PermissionError):
            raise UserError(f"{self.name}: permission denied.") from error
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise UserError(
                f"{self.name} can't be {self.verb}: the disk is full. Temporary files go to"
                f" {tempfile.gettempdir()}; TMPDIR names another place."
            ) from error
        reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
        raise UserError(
            f"{self.name} can't be {self.verb}: the file is damaged or uses an encoding that"
            f" isn't supported ({reason})."
        ) from error


def check_shape_and_type(name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse what can't be an image: no pixels, complex numbers, records, text."""
    if 0 in shape:
        raise UserError(f"{name} holds no pixels: its shape is {times(shape)}.")
    if dtype.kind == "c":
        raise UserError(
            f"{name} holds complex numbers ({dtype}), which are not an image;"
            " give its magnitude or real part."
        )
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise UserError(
            f"{name} holds values of type {dtype}; images are 8 to 64-bit integers or"
            " 16 to 64-bit floating point numbers."
        )
