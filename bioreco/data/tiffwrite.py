"""Writing TIFF files region by region, of the same kind as the file they come from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from bioreco.data.image import Image, Sink
from bioreco.data.ome import ome_xml
from bioreco.data.raw import Raw
from bioreco.data.tiffmeta import TiffMeta
from bioreco.data.units import convert
from bioreco.errors import UserError

_CLASSIC_LIMIT = 2**32 - 2**25
_OME_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf2", ".ome.tf8")
_OME_TYPES = {"u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"}
_IMAGEJ_TYPES = {"u1", "u2", "f4"}


def create_tiff(
    temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str
) -> Sink:
    """Lay out an empty TIFF file and return the sink for its pixels."""
    import tifffile

    meta = like.meta if isinstance(like.meta, TiffMeta) else None
    kind = _kind(target, like, dtype, meta)
    size = int(np.prod(like.shape, dtype=np.int64)) * dtype.itemsize
    big = size > _CLASSIC_LIMIT and kind != "imagej"
    options = _common(like, meta, dtype, metric=kind == "plain")
    if kind == "ome":
        options |= {"description": ome_xml(like, dtype, _xml(meta), note=note).encode()}
        options |= {"metadata": None}
    elif kind == "imagej":
        options |= _imagej(like, meta, size)
    else:
        options |= _plain(like, meta)
    settings = {"bigtiff": big, "imagej": kind == "imagej", "byteorder": "<"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncating ImageJ file")
        with tifffile.TiffWriter(temporary, **settings) as tif:
            offset, _ = tif.write(
                None,
                shape=like.shape,
                dtype=dtype,
                software=note or "bioreco",
                returnoffset=True,
                **options,
            )
    sink = Raw(temporary, offset, dtype.newbyteorder("<"), like.shape)
    sink.reserve()
    return sink


def _kind(target: Path, like: Image, dtype: np.dtype[Any], meta: TiffMeta | None) -> str:
    code = f"{dtype.kind}{dtype.itemsize}"
    if target.name.lower().endswith(_OME_ENDINGS) or (meta is not None and meta.kind == "ome"):
        if code not in _OME_TYPES:
            raise UserError(
                f"{target.name}: OME-TIFF can't hold {dtype} pixels; write an ordinary .tif."
            )
        return "ome"
    ordered = "".join(axis for axis in "TZCYXS" if axis in like.axes) == like.axes
    colour = "S" in like.axes and (code != "u1" or like.size("S") != 3)
    if not ordered or colour or code not in _IMAGEJ_TYPES:
        return "plain"
    if meta is None or (meta.kind == "plain" and not meta.shaped and not meta.description):
        told = bool(like.spacing) and (meta is None or "Z" in like.spacing or "T" in like.spacing)
        stack = len(like.axes.rstrip("S")) > 2
        return "imagej" if told or stack else "plain"
    return meta.kind


def _xml(meta: TiffMeta | None) -> str | None:
    return meta.description if meta is not None and meta.kind == "ome" else None


def _common(
    like: Image, meta: TiffMeta | None, dtype: np.dtype[Any], *, metric: bool
) -> dict[str, Any]:
    """Return what all kinds share: photometric, resolution, carried text tags."""
    options: dict[str, Any] = {}
    photometric = meta.photometric if meta is not None else 1
    if like.axes.endswith("S"):
        colour = like.size("S") in {3, 4} and (meta is None or photometric not in {0, 1})
        options["photometric"] = "rgb" if colour else "minisblack"
        options["planarconfig"] = "contig"
    elif dtype == np.uint8 and _is_tinted(meta):
        options["photometric"], options["colormap"] = "palette", meta.colormap
    else:
        options["photometric"] = "miniswhite" if photometric == 0 else "minisblack"
    if meta is not None:
        if meta.resolution is not None:
            options["resolution"] = meta.resolution
            options["resolutionunit"] = meta.resolution_unit
        options["extratags"] = [(code, 2, 0, text, True) for code, text in meta.tags.items()]
        if len(meta.datetime) == 19:
            options["datetime"] = meta.datetime
        return options
    sizes = [convert(like.spacing.get(axis, 0), like.units.get(axis, ""), "um") for axis in "XY"]
    if all(sizes):
        scale = 1e4 if metric else 1.0  # pixels in a centimetre, or in ImageJ's unit
        options["resolution"] = tuple(scale / size for size in sizes if size)
        options["resolutionunit"] = "centimeter" if metric else "none"
    return options


def _is_tinted(meta: TiffMeta | None) -> TypeGuard[TiffMeta]:
    """Tell whether a file outside ImageJ shows its intensities through a colour table."""
    return meta is not None and meta.kind != "imagej" and np.shape(meta.colormap) == (3, 256)


def _imagej(like: Image, meta: TiffMeta | None, size: int) -> dict[str, Any]:
    """Return ImageJ's metadata: the source's own, or made from axes and spacing."""
    derived = {"ImageJ", "images", "channels", "slices", "frames", "order", "colormapped"}
    kept: dict[str, Any] = {}
    if meta is not None and meta.kind == "imagej":
        kept = {key: value for key, value in meta.imagej.items() if key not in derived}
        if np.shape(meta.colormap) == (3, 256):
            kept.setdefault("LUTs", [(meta.colormap >> 8).astype(np.uint8)])
    else:
        kept = _calibration(like)
    kept["axes"] = like.axes
    return {"metadata": kept, "truncate": size > _CLASSIC_LIMIT}


def _calibration(like: Image) -> dict[str, Any]:
    """Return ImageJ's words for spacing and units."""
    said: dict[str, Any] = {}
    if convert(1, like.units.get("X", ""), "um"):
        said["unit"] = "um"
        depth = convert(like.spacing.get("Z", 0), like.units.get("Z", ""), "um")
        if depth:
            said["spacing"] = depth
    interval = convert(like.spacing.get("T", 0), like.units.get("T", ""), "s")
    if interval:
        said["finterval"] = interval
    if like.channels:
        planes = int(np.prod([like.size(axis) for axis in "TZC"]))
        said["Labels"] = [like.channels[i % len(like.channels)] for i in range(planes)]
    return said


def _plain(like: Image, meta: TiffMeta | None) -> dict[str, Any]:
    """Return tifffile's JSON where it says more than the file would, or the source's own text."""
    shaped: Mapping[str, Any] = meta.shaped if meta is not None else {}
    told = {axis for axis in like.axes if axis not in "IYXS"}
    if shaped or told:
        axes = like.axes.replace("I", "Q")
        return {"metadata": {**_calibration(like), **shaped, "axes": axes}}
    text = meta.description if meta is not None else ""
    text = text if text and not text.startswith(("{", "ImageJ=")) else ""
    return {"metadata": None, "description": text.encode() if text else None}
