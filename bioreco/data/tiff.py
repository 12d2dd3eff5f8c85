"""TIFF files: plain, ImageJ hyperstacks and OME, of any size, cut and compression."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import DamageTold, Image, Pixels, check_shape_and_type
from bioreco.data.quiet import quiet
from bioreco.data.raw import Raw, Transposed
from bioreco.data.tiffchain import check_chain
from bioreco.data.tiffmeta import describe
from bioreco.data.tiffpages import Layout, Page, TiffPages
from bioreco.data.tiffwrite import create_tiff
from bioreco.errors import UserError

__all__ = ["create_tiff", "open_tiff", "reopen"]

_COLOURS = {
    5: "CMYK ink amounts",
    8: "CIE L*a*b* colours",
    9: "ICC L*a*b* colours",
    10: "ITU L*a*b* colours",
    32803: "a colour filter array",
    32844: "LogL luminance",
    32845: "LogLuv colours",
}


def open_tiff(path: Path) -> Image:
    """Open the first image of a TIFF file."""
    with _opened(path) as tif:
        series = tif.series[0]
        if series.kind != "imagej" and tif.is_imagej:
            raise UserError(
                f"{path.name} is cut short: its ImageJ header promises more pages than it holds."
            )
        _check_colours(path.name, series.keyframe)
        pixels, axes, shape = _pixels(path, series)
        facts = describe(tif, series, axes)
        return Image(
            path=path,
            name=path.name,
            format="tiff",
            axes=axes,
            shape=shape,
            dtype=_dtype(series),
            pixels=pixels,
            spacing=facts.spacing,
            units=facts.units,
            channels=facts.channels,
            notes=facts.notes,
            meta=facts.meta,
        )


def reopen(path: Path) -> Pixels:
    """Return the pixels of a TIFF file, for a worker process."""
    with _opened(path) as tif:
        return _pixels(path, tif.series[0])[0]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open with tifffile; damage becomes one plain line and tifffile's own log is silent."""
    import tifffile

    check_chain(path)
    with (
        quiet("tifffile"),
        DamageTold(path.name, "read as TIFF"),
        tifffile.TiffFile(path) as tif,
    ):
        if not tif.series or not {"Y", "X"} <= set(tif.series[0].axes):
            raise UserError(f"{path.name} is a TIFF file without an image in it.")
        yield tif


def _dtype(series: Any) -> np.dtype[Any]:
    dtype = np.dtype(series.dtype).newbyteorder("=")
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype


def _check_colours(name: str, page: Any) -> None:
    photometric = int(page.photometric)
    if photometric in _COLOURS:
        raise UserError(
            f"{name} holds {_COLOURS[photometric]}, which aren't intensities;"
            " save it as grey or RGB TIFF."
        )
    if photometric == 3 and not page.is_imagej and not _ramp(page.colormap):
        raise UserError(
            f"{name} holds indices into a colour table, which aren't intensities;"
            " save it as grey or RGB TIFF."
        )


def _ramp(colours: Any) -> bool:
    """Tell whether a colour table only tints intensities: a brighter index never gets darker."""
    if colours is None:
        return False
    steps = np.diff(np.asarray(colours).astype(np.int64).sum(axis=0))
    return bool(np.all(steps >= 0) and np.any(steps > 0))


def _pixels(path: Path, series: Any) -> tuple[Pixels, str, tuple[int, ...]]:
    """Return the lazily read pixels with their axes and shape, RGB samples last."""
    dtype = _dtype(series)
    axes, shape = str(series.axes), tuple(int(size) for size in series.shape)
    check_shape_and_type(path.name, shape, dtype)
    pixels = _stored_pixels(path, series, dtype)
    if "S" in axes and not axes.endswith("S"):
        order = (*(i for i, letter in enumerate(axes) if letter != "S"), axes.index("S"))
        pixels = Transposed(pixels, order)
        axes, shape = "".join(axes[i] for i in order), tuple(shape[i] for i in order)
    return pixels, axes, shape


def _stored_pixels(path: Path, series: Any, dtype: np.dtype[Any]) -> Pixels:
    keyframe = series.keyframe
    offset = series.dataoffset
    stored = np.dtype(series.dtype).newbyteorder(keyframe.parent.byteorder)
    shape = tuple(int(size) for size in series.shape)
    if offset is not None and stored.kind != "b" and not _in_several_files(series, path):
        size = math.prod(shape) * stored.itemsize
        _check_end(path, offset + size)
        return Raw(path, offset, stored, shape)
    rank = len(shape) - len(keyframe.shape)
    pages = [_page(path, page, stored) for page in series]
    leading = shape[:rank]
    if shape[rank:] != keyframe.shape or math.prod(leading) != len(pages):
        raise UserError(f"{path.name} has pages of different shapes, which can't be stacked.")
    layout = Layout.of(keyframe, dtype)
    needed = layout.shaped[0] * math.prod(layout.counts)
    if any(page is not None and page.offset is None and len(page) < needed for page in pages):
        raise UserError(f"{path.name} is damaged: strips or tiles are missing from its tables.")
    pixels = TiffPages(path, leading, pages, layout)
    first = next((page for page in pages if page is not None), None)
    if first is not None and first.offset is None:
        corner = [slice(0, 1)] * len(shape)
        pixels.read(tuple(corner))
    return pixels


def _in_several_files(series: Any, path: Path) -> bool:
    """Tell whether the pages of a series lie in several files."""
    return any(page is not None and _home(page) != path.name for page in series)


def _home(page: Any) -> str:
    return str(page.parent.filehandle.name)


def _page(path: Path, page: Any, stored: np.dtype[Any]) -> Page | None:
    if page is None or not page.dataoffsets:
        return None
    home = path if _home(page) == path.name else path.with_name(_home(page))
    offsets, counts = tuple(page.dataoffsets), tuple(page.databytecounts)
    joined = all(o + c == n for o, c, n in zip(offsets, counts, offsets[1:], strict=False))
    plain = page.is_final and joined and stored.kind != "b"
    ends = [o + c for o, c in zip(offsets, counts, strict=False)]
    _check_end(home, offsets[0] + page.nbytes if plain else max(ends))
    tables = page.jpegtables
    return Page(home, offsets, counts, offsets[0] if plain else None, tables)


def _check_end(path: Path, end: int) -> None:
    size = path.stat().st_size
    if end > size:
        raise UserError(
            f"{path.name} is cut short: it ends at byte {size}, its pixels at byte {end}."
        )
