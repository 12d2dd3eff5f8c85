"""Pixels that lie uncompressed in a file, read and written through short-lived memory maps."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import Array, Index, Pixels, region_shape

_SPAN = 2**25


def native(values: Array) -> Array:
    """Return the values C-contiguous and in native byte order."""
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))


def _inside(index: Index, piece: Index) -> Index:
    """Return where a piece lies inside the region it was cut from."""
    pairs = zip(index, piece, strict=True)
    return tuple(slice(p.start - i.start, p.stop - i.start) for i, p in pairs)


@dataclass(frozen=True)
class Raw:
    """An array that lies at a byte offset of a file.

    A memory map is opened for each region and closed with it, so that pages that were touched
    don't stay resident.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str = "C"

    @property
    def end(self) -> int:
        """The byte after the last pixel."""
        return self.offset + self.dtype.itemsize * math.prod(self.shape)

    def map(self, mode: str) -> Array:
        """Return a memory map of the whole array."""
        return np.memmap(  # type: ignore[call-overload,no-any-return]
            self.path, self.dtype, mode, self.offset, self.shape, self.order
        )

    def read(self, index: Index) -> Array:
        """Return a copy of one region."""
        out = np.empty(region_shape(index), self.dtype.newbyteorder("="))
        for piece in self._pieces(index):
            out[_inside(index, piece)] = self.map("r")[piece]
        return out

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        for piece in self._pieces(index):
            self.map("r+")[piece] = values[_inside(index, piece)]

    def _pieces(self, index: Index) -> Iterator[Index]:
        """Cut a region so that no piece spans more of the file than a memory map may touch."""
        stride = self.dtype.itemsize * math.prod(self.shape)
        for axis, part in enumerate(index):
            stride //= max(self.shape[axis], 1)
            length = part.stop - part.start
            if self.order != "C" or length * stride <= _SPAN:
                break
            if length > 1:
                step = max(1, _SPAN // stride)
                for start in range(part.start, part.stop, step):
                    piece = slice(start, min(start + step, part.stop))
                    yield from self._pieces((*index[:axis], piece, *index[axis + 1 :]))
                return
        yield index

    def close(self) -> None:
        """Nothing is open between calls."""

    def reserve(self) -> None:
        """Lengthen the file to hold the array, so that a full disk is found out at once."""
        with self.path.open("r+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, self.end)
            else:
                file.truncate(self.end)


@dataclass(frozen=True)
class Transposed:
    """Stored axes shown in another order: shown axis ``i`` is stored axis ``order[i]``."""

    pixels: Pixels
    order: tuple[int, ...]

    def read(self, index: Index) -> Array:
        """Return one region in the shown order."""
        stored: list[slice] = [slice(0, 0)] * len(self.order)
        for shown, axis in enumerate(self.order):
            stored[axis] = index[shown]
        return np.ascontiguousarray(self.pixels.read(tuple(stored)).transpose(self.order))


@dataclass(frozen=True)
class Memory:
    """An array that is held in memory."""

    values: Array

    def read(self, index: Index) -> Array:
        """Return a copy of one region."""
        return native(np.array(self.values[index], order="C"))
