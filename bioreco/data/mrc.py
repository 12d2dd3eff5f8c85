"""MRC files of electron microscopy: images, stacks and volumes (.mrc, .mrcs, .map, .st, .rec)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data import mrcheader
from bioreco.data.image import Array, DamageTold, Image, Index, Sink, check_shape_and_type, times
from bioreco.data.mrcheader import SIZE, Header
from bioreco.data.packed import open_stream, raw_or_packed
from bioreco.data.raw import Raw
from bioreco.data.units import convert
from bioreco.errors import UserError

_STACKS = {".mrcs", ".st", ".ali", ".preali"}
_VOLUMES = {".rec", ".map"}


@dataclass(frozen=True)
class MrcMeta:
    """The header and the extended header, byte by byte."""

    header: bytes
    order: str
    extended: bytes


@dataclass
class MrcSink:
    """Writes pixels and keeps count of what the header says about them."""

    raw: Raw
    header: Header
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = field(default=np.inf)
    high: float = field(default=-np.inf)

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        self.raw.write(index, values)
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size:
            self.count += finite.size
            self.total += float(finite.sum(dtype=np.float64))
            self.squares += float(np.square(finite, dtype=np.float64).sum())
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))

    def close(self) -> None:
        """Write minimum, maximum, mean and deviation into the header."""
        if self.count:
            mean = self.total / self.count
            self.header.put("density", self.low, self.high, mean)
            self.header.put("rms", max(self.squares / self.count - mean**2, 0.0) ** 0.5)
        with self.raw.path.open("r+b") as file:
            file.write(self.header.data)


def open_mrc(path: Path) -> Image:
    """Open an MRC file, packed or not, old or new."""
    with DamageTold(path.name, "read as MRC"), open_stream(path) as file:
        start = file.read(SIZE)
        header = mrcheader.parse(start)
        if header is None:
            raise UserError(f"{path.name} isn't MRC, or its header is damaged.")
        extended = file.read(header.get("extended"))
    try:
        stored = header.dtype
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    axes, shape = _layout(path, header)
    check_shape_and_type(path.name, shape, stored)
    spacing = {axis: size for axis, size in header.voxel.items() if axis in axes}
    raw = Raw(path, SIZE + header.get("extended"), stored, shape)
    return Image(
        path=path,
        name=path.name,
        format="mrc",
        axes=axes,
        shape=shape,
        dtype=stored.newbyteorder("="),
        pixels=raw_or_packed(raw),
        spacing=spacing,
        units=dict.fromkeys(spacing, "angstrom"),
        notes=_notes(path, axes, shape),
        meta=MrcMeta(bytes(start), header.order, extended),
    )


def _layout(path: Path, header: Header) -> tuple[str, tuple[int, ...]]:
    """Return axes and shape: an image, a stack of images, a volume or a stack of volumes."""
    nx, ny, nz = header.get("n")
    group, sections = header.get("space_group"), header.get("m")[2]
    letters = header.letters
    if nz == 1:
        return "YX", (ny, nx)
    if 401 <= group <= 630 and sections > 0 and nz % sections == 0:
        return "I" + letters, (nz // sections, sections, ny, nx)
    end = path.name.lower().removesuffix(".gz").removesuffix(".bz2")
    stack = group == 0 and not end.endswith(tuple(_VOLUMES))
    if stack or end.endswith(tuple(_STACKS)):
        return "IYX", (nz, ny, nx)
    return letters, (nz, ny, nx)


def _notes(path: Path, axes: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    if axes != "IYX" or path.name.lower().endswith(tuple(_STACKS)):
        return ()
    return (
        f"{shape[0]} sections marked as a stack, read as {shape[0]} independent images;"
        " say data.axes=ZYX for a volume or TYX for frames in time",
    )


def create_mrc(temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str) -> Sink:
    """Lay out an empty MRC file and return the sink for its pixels."""
    meta = like.meta if isinstance(like.meta, MrcMeta) else None
    extended = meta.extended if meta is not None else b""
    kept = Header(bytearray(meta.header), meta.order) if meta is not None else None
    header = kept or mrcheader.fresh()
    mode, stored = mrcheader.code_for(dtype, header, target.name)
    header.put("mode", mode)
    _set_sizes(header, like, target.name, fresh=meta is None)
    if note:
        header.add_label(note)
    temporary.write_bytes(bytes(header.data) + extended)
    sink = MrcSink(Raw(temporary, SIZE + len(extended), stored, like.shape), header)
    sink.raw.reserve()
    return sink


def _set_sizes(header: Header, like: Image, name: str, *, fresh: bool) -> None:
    """Say what the sections are, keeping a header that says it already."""
    axes, depth = like.axes, like.size("Z")
    spatial = axes.lstrip("IT")
    if len(axes) - len(spatial) > 1 or set(spatial) not in ({"Y", "X"}, {"Z", "Y", "X"}):
        raise UserError(
            f"{name}: MRC holds ZYX, YX and stacks of them, not axes {axes}"
            f" ({times(like.shape)}); give a name ending in .tif."
        )
    volumes = like.shape[0] if len(spatial) == 3 and len(axes) == 4 else 1
    sections = depth if "Z" in axes else 1
    group = (401 if volumes > 1 else 1) if "Z" in axes else 0
    if fresh:
        *_, ny, nx = like.shape
        sizes = [convert(like.spacing.get(a, 0), like.units.get(a, ""), "angstrom") for a in "XYZ"]
        counts = (nx, ny, sections)
        header.put("n", nx, ny, int(np.prod(like.shape[:-2], dtype=np.int64)))
        header.put("m", *counts)
        cell = [(size or 0.0) * count for size, count in zip(sizes, counts, strict=True)]
        header.put("cell", *cell)
        header.put("map", *("XYZ".index(a) + 1 for a in reversed(("Z" + spatial)[-3:])))
        header.put("space_group", group)
        return
    before = header.get("space_group")
    mx, my, mz = header.get("m")
    if len(axes) > 2 and ("Z" in axes) != (before != 0) and mz > 0:
        x, y, z = header.get("cell")
        header.put("m", mx, my, sections)
        header.put("cell", x, y, z / mz * sections)
        header.put("space_group", group)
