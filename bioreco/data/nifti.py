"""NIfTI files of neuroimaging (.nii, .nii.gz), with affine, header and extensions kept.

A NIfTI file counts its axes X Y Z T from the fastest; here they are named from the slowest, as
everywhere in bioreco: a volume is ZYX, a time series TZYX, a vector image CTZYX.
"""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import (
    Array,
    DamageTold,
    Image,
    Index,
    Pixels,
    Sink,
    check_shape_and_type,
    times,
)
from bioreco.data.packed import open_stream, raw_or_packed
from bioreco.data.quiet import quiet
from bioreco.data.raw import Raw
from bioreco.data.units import convert, plain_unit
from bioreco.errors import UserError

_LETTERS = "XYZTC"


@dataclass(frozen=True)
class NiftiMeta:
    """The header with its extensions, as nibabel holds it."""

    header: Any


@dataclass(frozen=True)
class Scaled:
    """Stored integers times slope plus intercept, as the header asks."""

    pixels: Pixels
    slope: float
    intercept: float
    dtype: np.dtype[Any]

    def read(self, index: Index) -> Array:
        """Return one region in the units of the header."""
        values = self.pixels.read(index).astype(self.dtype)
        values *= self.dtype.type(self.slope)
        values += self.dtype.type(self.intercept)
        return values


@dataclass(frozen=True)
class GzipSink:
    """A result that is packed when it is complete."""

    raw: Raw

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        self.raw.write(index, values)

    def close(self) -> None:
        """Pack the file; no time stamp goes in, so that equal results are equal bytes."""
        plain = self.raw.path.with_name(self.raw.path.name + ".plain")
        self.raw.path.replace(plain)
        try:
            with plain.open("rb") as source, self.raw.path.open("wb") as file:
                settings: dict[str, Any] = {"compresslevel": 6, "mtime": 0, "filename": ""}
                with gzip.GzipFile(fileobj=file, mode="wb", **settings) as target:
                    shutil.copyfileobj(source, target, 2**20)
        finally:
            plain.unlink()


def open_nifti(path: Path) -> Image:
    """Open a NIfTI file; only its header is read."""
    with DamageTold(path.name, "read as NIfTI"):
        header = _read_header(path)
        dims = tuple(int(size) for size in header.get_data_shape())
        stored = header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
    while len(dims) > 5 and dims[-1] == 1:
        dims = dims[:-1]
    if not 2 <= len(dims) <= 5:
        raise UserError(f"{path.name} is {times(dims)}: images have two to five axes here.")
    if stored.names:
        raise UserError(f"{path.name} holds RGB colours; save it as RGB TIFF.")
    check_shape_and_type(path.name, dims, stored)
    shape, axes = dims[::-1], _LETTERS[: len(dims)][::-1]
    pixels: Pixels = raw_or_packed(Raw(path, int(header.get_data_offset()), stored, shape))
    dtype = stored.newbyteorder("=")
    if slope is not None and (slope, intercept or 0.0) != (1.0, 0.0):
        dtype = np.dtype(np.float32 if stored.itemsize <= 2 else np.float64)
        dtype = np.promote_types(dtype, stored) if stored.kind == "f" else dtype
        pixels = Scaled(pixels, slope, intercept or 0.0, dtype)
    spacing, units = _spacing(header, len(dims))
    return Image(
        path=path,
        name=path.name,
        format="nifti",
        axes=axes,
        shape=shape,
        dtype=dtype,
        pixels=pixels,
        spacing=spacing,
        units=units,
        meta=NiftiMeta(header),
    )


def _read_header(path: Path) -> Any:
    import nibabel

    with open_stream(path) as file, quiet("nibabel.global"):
        size = file.read(4)
        file.seek(0)
        second = 540 in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
        kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
        header = kind.from_fileobj(file)
    if header["magic"].item() not in (b"n+1", b"n+2"):
        raise UserError(f"{path.name} isn't a NIfTI file in one piece; convert it to .nii.")
    return header


def _spacing(header: Any, count: int) -> tuple[dict[str, float], dict[str, str]]:
    try:
        length, duration = header.get_xyzt_units()
    except KeyError:  # a code that the standard doesn't know
        return {}, {}
    length = {"micron": "um", "meter": "m"}.get(length, length)
    spacing: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis, zoom in zip(_LETTERS[:count], header.get_zooms(), strict=False):
        unit = plain_unit(duration if axis == "T" else length)
        if axis != "C" and np.isfinite(zoom) and zoom > 0 and unit:
            spacing[axis], units[axis] = float(f"{zoom:.7g}"), unit
    return spacing, units


def create_nifti(
    temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str
) -> Sink:
    """Lay out an empty NIfTI file and return the sink for its pixels."""
    from nibabel.spatialimages import HeaderDataError

    if isinstance(like.meta, NiftiMeta):
        header = like.meta.header.copy()
        if header.get_slope_inter()[0] is not None:
            header.set_slope_inter(1, 0)
    else:
        header = _fresh(like, target.name)
    try:
        header.set_data_dtype(dtype)
    except HeaderDataError:
        raise UserError(
            f"{target.name}: NIfTI can't hold {dtype} pixels; say output.dtype=float32."
        ) from None
    if note and not header["descrip"].item():
        header["descrip"] = note.encode("ascii", "replace")[:79]
    header.set_data_offset(0)
    with temporary.open("wb") as file:
        header.write_to(file)
    offset = int(header.get_data_offset())
    raw = Raw(temporary, offset, dtype.newbyteorder(header.endianness), like.shape)
    raw.reserve()
    return GzipSink(raw) if target.name.lower().endswith(".gz") else raw


def _fresh(like: Image, name: str) -> Any:
    """Return a header for an image that doesn't come from a NIfTI file."""
    import nibabel

    ordered = "".join(axis for axis in "CTZYX" if axis in like.axes)
    if ordered != like.axes:
        raise UserError(
            f"{name}: NIfTI holds axes in the order CTZYX, not {like.axes};"
            " name them with data.axes, or give a name ending in .tif."
        )
    last = max(_LETTERS.index(axis) for axis in like.axes)
    dims = [like.size(axis) for axis in _LETTERS[: last + 1]]
    header = (nibabel.Nifti1Header if max(dims) < 2**15 else nibabel.Nifti2Header)()
    header.set_data_shape(dims)
    unit = "um" if like.units.get("X") in {"um", "nm", "angstrom", "pm"} else "mm"
    zooms = [1.0] * len(dims)
    for number, axis in enumerate(_LETTERS[: min(last + 1, 4)]):
        wanted = "s" if axis == "T" else unit
        step = convert(like.spacing.get(axis, 0.0), like.units.get(axis, ""), wanted)
        zooms[number] = step or 1.0
    header.set_zooms(zooms)
    if like.spacing:
        seconds = "sec" if "T" in like.spacing else "unknown"
        header.set_xyzt_units("micron" if unit == "um" else "mm", seconds)
    header.set_sform(np.diag([*zooms[:2], zooms[2] if last > 1 else 1.0, 1.0]), code=1)
    return header
