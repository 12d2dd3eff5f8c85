"""What a TIFF file says about its pixels: their size, unit, channels, and what must survive."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bioreco.data.image import times
from bioreco.data.units import plain_unit

# Text tags that are carried over as they are: maker, model, host computer, artist, copyright.
TEXT_TAGS = (271, 272, 315, 316, 33432)


@dataclass(frozen=True)
class TiffMeta:
    """What the writer of a TIFF needs to keep a file of the same kind."""

    kind: str  # "imagej", "ome" or "plain"
    photometric: int = 1
    description: str = ""
    imagej: Mapping[str, Any] = field(default_factory=dict)
    shaped: Mapping[str, Any] = field(default_factory=dict)
    resolution: tuple[tuple[int, int], tuple[int, int]] | None = None
    resolution_unit: int = 1
    colormap: Any = None
    tags: Mapping[int, str] = field(default_factory=dict)
    datetime: str = ""


@dataclass(frozen=True)
class Facts:
    """What was found out about one series."""

    spacing: dict[str, float]
    units: dict[str, str]
    channels: tuple[str, ...]
    notes: tuple[str, ...]
    meta: TiffMeta


def describe(tif: Any, series: Any, axes: str) -> Facts:
    """Gather spacing, units, channel names and metadata of one series."""
    kind = series.kind if series.kind in {"imagej", "ome"} else "plain"
    meta = _meta(tif, series, kind)
    channels: tuple[str, ...] = ()
    if kind == "ome":
        spacing, units, channels = ome_facts(meta.description)
    elif kind == "imagej":
        spacing, units = _calibration(meta.imagej, meta)
    elif getattr(tif, "is_lsm", False):
        spacing, units = _lsm(tif.lsm_metadata or {})
    else:
        spacing, units = _calibration(meta.shaped, meta)
        channels = tuple(str(name) for name in meta.shaped.get("channels", ()))
    if len(channels) != _size(series, axes, "C"):
        channels = ()
    return Facts(
        {axis: step for axis, step in spacing.items() if axis in axes},
        {axis: unit for axis, unit in units.items() if axis in axes and axis in spacing},
        channels,
        _notes(tif, series),
        meta,
    )


def _size(series: Any, axes: str, axis: str) -> int:
    return int(series.shape[str(series.axes).index(axis)]) if axis in axes else 1


def _notes(tif: Any, series: Any) -> tuple[str, ...]:
    notes = []
    others = len(tif.series) - 1
    if others:
        more = "another image" if others == 1 else f"{others} other images"
        notes.append(f"holds {more}, left aside; the first ({times(series.shape)}) is read")
    missing = sum(page is None for page in series)
    if missing:
        notes.append(f"{missing} of {len(series)} planes are missing and read as zeros")
    if series.dtype.kind == "b":
        notes.append("a 1-bit image, read as 0 and 1")
    if int(series.keyframe.compression) in {6, 7, 34892}:
        notes.append("compressed with loss (JPEG), which changes the noise")
    return tuple(notes)


def _meta(tif: Any, series: Any, kind: str) -> TiffMeta:
    page = series.keyframe
    texts = {code: page.tags[code].value for code in TEXT_TAGS if code in page.tags}
    x, y = page.tags.get("XResolution"), page.tags.get("YResolution")
    resolution = None
    if x is not None and y is not None and _fraction(x.value) and _fraction(y.value):
        resolution = (tuple(x.value), tuple(y.value))
    tag = page.tags.get("ResolutionUnit")
    unit = int(tag.value) if tag is not None and resolution is not None else 1
    date = page.tags.get("DateTime")
    return TiffMeta(
        kind=kind,
        photometric=int(page.photometric),
        description=tif.ome_metadata if kind == "ome" else page.description,
        imagej=dict(tif.imagej_metadata or {}) if kind == "imagej" else {},
        shaped=_shaped(tif) if kind == "plain" else {},
        resolution=resolution,
        resolution_unit=unit,
        colormap=page.colormap if int(page.photometric) == 3 else None,
        tags={code: str(text) for code, text in texts.items() if text},
        datetime=str(date.value) if date is not None else "",
    )


def _fraction(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and value[0] > 0 and value[1] > 0


def _shaped(tif: Any) -> dict[str, Any]:
    """Return the JSON that tifffile wrote, without what follows from the pixels."""
    found: dict[str, Any] = (tif.shaped_metadata or ({},))[0] if tif.is_shaped else {}
    return {key: value for key, value in found.items() if key not in {"shape", "truncated"}}


def _calibration(
    said: Mapping[str, Any], meta: TiffMeta
) -> tuple[dict[str, float], dict[str, str]]:
    """Return spacing and units from ImageJ's way of saying them, or from a metric resolution."""
    unit = plain_unit(said.get("unit", ""))
    metric = meta.resolution_unit == 3 and meta.kind == "plain"
    spacing: dict[str, float] = {}
    if metric:
        spacing = {axis: _round(size * 1e4) for axis, size in _pixel_size(meta).items()}
    elif unit:
        spacing = _pixel_size(meta)
    units = dict.fromkeys(spacing, "um" if metric else unit)
    depth = _number(said.get("spacing"))
    if unit and depth:
        spacing["Z"], units["Z"] = abs(depth), unit
    for axis, key in (("Y", "yunit"), ("Z", "zunit")):
        own = plain_unit(said.get(key, ""))
        if own and axis in spacing:
            units[axis] = own
    interval = _number(said.get("finterval"))
    if interval and interval > 0:
        spacing["T"] = interval
        units["T"] = plain_unit(said.get("tunit", "s")) or "s"
    return spacing, units


def _pixel_size(meta: TiffMeta) -> dict[str, float]:
    if meta.resolution is None:
        return {"Y": 1.0, "X": 1.0} if meta.kind == "imagej" else {}  # as ImageJ has it
    (xn, xd), (yn, yd) = meta.resolution
    if meta.resolution_unit in {2, 3} and (xn, yn) == (xd, yd):
        return {}  # one pixel an inch or a centimetre: nobody measured that
    return {"Y": _round(yd / yn), "X": _round(xd / xn)}


def _round(value: float) -> float:
    return float(f"{value:.9g}")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number != 0 else None


def _lsm(said: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    spacing, units = {}, {}
    for axis in "XYZ":
        size = _number(said.get(f"VoxelSize{axis}"))
        if size:
            spacing[axis], units[axis] = _round(size * 1e6), "um"
    interval = _number(said.get("TimeIntervall"))
    if interval:
        spacing["T"], units["T"] = interval, "s"
    return spacing, units


def ome_facts(xml: str) -> tuple[dict[str, float], dict[str, str], tuple[str, ...]]:
    """Return spacing, units and channel names from the first image of an OME-XML."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return {}, {}, ()
    pixels = root.find("./{*}Image/{*}Pixels")
    if pixels is None:
        return {}, {}, ()
    spacing, units = {}, {}
    for axis in "XYZ":
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        if size:
            spacing[axis] = size
            units[axis] = plain_unit(pixels.get(f"PhysicalSize{axis}Unit", "um"))
    interval = _number(pixels.get("TimeIncrement"))
    if interval:
        spacing["T"] = interval
        units["T"] = plain_unit(pixels.get("TimeIncrementUnit", "s"))
    names = tuple(str(channel.get("Name") or "") for channel in pixels.findall("{*}Channel"))
    return spacing, units, names if any(names) else ()
