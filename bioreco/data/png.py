"""PNG pictures: 8 and 16-bit, grey or colour, with their pixel size and texts kept."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import Array, DamageTold, Image, Index, Sink
from bioreco.data.units import convert
from bioreco.errors import UserError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_KEPT = {b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"tIME"}


@dataclass(frozen=True)
class PngMeta:
    """The chunks that are copied as they are."""

    chunks: tuple[tuple[bytes, bytes], ...]


@dataclass
class PngPixels:
    """Pixels of a PNG, which can only be decoded as a whole: done once, at the first read."""

    path: Path
    shape: tuple[int, ...]
    _values: Array | None = field(default=None, repr=False)

    def __getstate__(self) -> tuple[Path, tuple[int, ...]]:
        """Pickle without the decoded pixels."""
        return self.path, self.shape

    def __setstate__(self, state: tuple[Path, tuple[int, ...]]) -> None:
        """Unpickle; the pixels are decoded anew when asked for."""
        self.path, self.shape = state
        self._values = None

    def read(self, index: Index) -> Array:
        """Return a copy of one region."""
        if self._values is None:
            import imagecodecs

            values = imagecodecs.png_decode(self.path.read_bytes())
            if values.shape != self.shape:
                raise UserError(f"{self.path.name} is damaged: its header and pixels disagree.")
            self._values = values
        return np.array(self._values[index], order="C")


@dataclass(frozen=True)
class PngSink:
    """A result that is encoded when it is complete: PNG can't be written by region."""

    temporary: Path
    values: Array
    chunks: tuple[tuple[bytes, bytes], ...]

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        self.values[index] = values

    def close(self) -> None:
        """Encode and put the kept chunks behind the header."""
        import imagecodecs

        data = imagecodecs.png_encode(self.values, level=6)
        head = len(SIGNATURE) + 25
        extra = b"".join(_packed(kind, body) for kind, body in self.chunks)
        self.temporary.write_bytes(data[:head] + extra + data[head:])


def open_png(path: Path) -> Image:
    """Open a PNG picture; only its header is read."""
    with DamageTold(path.name, "read as PNG"):
        found = list(_chunks(path))
    if not found or found[0][0] != b"IHDR" or len(found[0][1]) < 13:
        raise UserError(f"{path.name} is damaged: a PNG starts with its header.")
    if found[-1][0] != b"IEND":
        raise UserError(f"{path.name} is cut short: the end of the PNG is missing.")
    width, height, bits, colour = struct.unpack(">IIBB", found[0][1][:10])
    if colour not in _SAMPLES or 0 in (width, height):
        raise UserError(f"{path.name} is damaged: its PNG header makes no sense.")
    samples = _SAMPLES[colour] + (any(kind == b"tRNS" for kind, _ in found) and colour < 4)
    shape = (height, width) if samples == 1 else (height, width, samples)
    spacing, units = _pixel_size(dict(found).get(b"pHYs"))
    return Image(
        path=path,
        name=path.name,
        format="png",
        axes="YX" if samples == 1 else "YXS",
        shape=shape,
        dtype=np.dtype(np.uint16 if bits == 16 else np.uint8),
        pixels=PngPixels(path, shape),
        spacing=spacing,
        units=units,
        notes=("colours from a table, read as RGB",) if colour == 3 else (),
        meta=PngMeta(tuple((kind, body) for kind, body in found if kind in _KEPT)),
    )


def create_png(temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str) -> Sink:
    """Return the sink for the pixels of a PNG."""
    if dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{target.name}: PNG holds only 8 and 16-bit unsigned integers, not {dtype}."
            " Give the result a name ending in .tif, or say output.dtype=same."
        )
    if like.axes not in ("YX", "YXS"):
        raise UserError(
            f"{target.name}: PNG holds one picture, not axes {like.axes} of"
            f" {like.shape}. Give the result a name ending in .tif."
        )
    if isinstance(like.meta, PngMeta):
        chunks = list(like.meta.chunks)
    else:
        sizes = [convert(like.spacing.get(a, 0), like.units.get(a, ""), "m") for a in "XY"]
        x, y = (round(1 / size) if size and size > 1e-9 else 0 for size in sizes)
        chunks = [(b"pHYs", struct.pack(">IIB", x, y, 1))] if x and y else []
    if note:
        chunks.append((b"tEXt", b"Comment\0" + note.encode("latin-1", "replace")))
    temporary.touch()
    return PngSink(temporary, np.zeros(like.shape, dtype), tuple(chunks))


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each chunk; pixel data are skipped."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(len(SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if file.tell() + length + 4 > size:
                return
            if kind in _KEPT or kind == b"IHDR":
                yield kind, file.read(length)
            else:
                file.seek(length, 1)
                yield kind, b""
            file.seek(4, 1)


def _packed(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _pixel_size(body: bytes | None) -> tuple[dict[str, float], dict[str, str]]:
    """Return the pixel size, unless it is a screen's or printer's (over 10 micrometres)."""
    if body is None or len(body) != 9:
        return {}, {}
    x, y, metric = struct.unpack(">IIB", body)
    if metric != 1 or not x or not y or min(x, y) < 100_000:
        return {}, {}
    return {"Y": float(f"{1e6 / y:.9g}"), "X": float(f"{1e6 / x:.9g}")}, {"Y": "um", "X": "um"}
