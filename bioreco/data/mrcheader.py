"""The 1024-byte header of an MRC file: of any age and byte order, kept as it is and corrected."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioreco.errors import UserError

SIZE = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_CODES = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12, "u1": 6}
_REFUSED = {3: "complex numbers", 4: "complex numbers", 101: "packed 4-bit numbers"}
_IMOD_STAMP = 1146047817
_LARGEST = 2**20


_FIELDS = {
    "n": (0, "3i"),
    "mode": (12, "i"),
    "start": (16, "3i"),
    "m": (28, "3i"),
    "cell": (40, "3f"),
    "angles": (52, "3f"),
    "map": (64, "3i"),
    "density": (76, "3f"),
    "space_group": (88, "i"),
    "extended": (92, "i"),
    "imod": (152, "2i"),
    "origin": (196, "3f"),
    "rms": (216, "f"),
    "labels": (220, "i"),
}


@dataclass
class Header:
    """The header's bytes, with access to the fields that matter by name."""

    data: bytearray
    order: str  # "<" or ">"

    def get(self, name: str) -> Any:
        """Return one field: a number, or a tuple of three."""
        offset, code = _FIELDS[name]
        values = struct.unpack_from(self.order + code, self.data, offset)
        return values if len(values) > 1 else values[0]

    def put(self, name: str, *values: float) -> None:
        """Set one field."""
        offset, code = _FIELDS[name]
        struct.pack_into(self.order + code, self.data, offset, *values)

    def add_label(self, text: str) -> None:
        """Add one line of text; the last of ten gives way."""
        number = min(max(self.get("labels"), 0), 9)
        line = text.encode("ascii", "replace")[:80].ljust(80)
        self.data[224 + 80 * number : 304 + 80 * number] = line
        self.put("labels", number + 1)

    @property
    def unsigned_bytes(self) -> bool:
        """Whether mode 0 means unsigned, as IMOD once wrote."""
        stamp, flags = self.get("imod")
        return bool(self.get("mode") == 0 and stamp == _IMOD_STAMP and not flags & 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels in the file."""
        mode = self.get("mode")
        if mode in _REFUSED:
            raise UserError(f"an MRC file of {_REFUSED[mode]} isn't an image of intensities.")
        code = "u1" if self.unsigned_bytes else _MODES[mode]
        return np.dtype(self.order + code)

    @property
    def plausible(self) -> bool:
        """Whether sizes and mode make sense in this byte order."""
        modes = {*_MODES, *_REFUSED}
        sizes = all(0 < size <= _LARGEST for size in self.get("n"))
        return sizes and self.get("mode") in modes and 0 <= self.get("extended") < 2**31

    @property
    def letters(self) -> str:
        """The axis letters of section, row and column."""
        order = self.get("map")
        return "".join("XYZ"[i - 1] for i in reversed(order)) if set(order) == {1, 2, 3} else "ZYX"

    @property
    def voxel(self) -> dict[str, float]:
        """Sample distance in Angstrom, by axis letter, where the header knows it."""
        pairs = zip("XYZ", self.get("cell"), self.get("m"), strict=True)
        sizes = {axis: cell / m for axis, cell, m in pairs if cell > 0 and m > 0}
        return {axis: float(f"{size:.7g}") for axis, size in sizes.items() if np.isfinite(size)}


def parse(data: bytes) -> Header | None:
    """Return the header in the byte order that makes sense, or None if none does."""
    if len(data) < SIZE:
        return None
    orders = ("<", ">") if data[212:213] != b"\x11" else (">", "<")
    for order in orders:
        header = Header(bytearray(data[:SIZE]), order)
        if header.plausible:
            return header
    return None


def fresh() -> Header:
    """Return a header for an image that doesn't come from an MRC file."""
    header = Header(bytearray(SIZE), "<")
    header.put("map", 1, 2, 3)
    header.put("angles", 90.0, 90.0, 90.0)
    header.data[208:216] = b"MAP DD\0\0"
    struct.pack_into("<i", header.data, 108, 20141)
    return header


def code_for(dtype: np.dtype[Any], header: Header, name: str) -> tuple[int, np.dtype[Any]]:
    """Return the mode that holds a type, and the type it is stored as."""
    code = f"{dtype.kind}{dtype.itemsize}"
    if code not in _CODES:
        raise UserError(
            f"{name}: MRC can't hold {dtype} pixels, only 8 and 16-bit integers, float16 and"
            " float32; say output.dtype=float32 or give a name ending in .tif."
        )
    if code == "u1" and header.unsigned_bytes:
        return 0, np.dtype(np.uint8)
    mode = _CODES[code]
    return mode, np.dtype(header.order + _MODES[mode])
