"""OME-Zarr images: folders of chunks, with axes and scale in their metadata (extra ``zarr``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import (
    LETTERS,
    Array,
    DamageTold,
    Image,
    Index,
    Sink,
    check_shape_and_type,
    times,
)
from bioreco.data.npy import guess_axes
from bioreco.data.raw import native
from bioreco.data.units import plain_unit, unit_word
from bioreco.errors import UserError


@dataclass(frozen=True)
class ZarrMeta:
    """The attributes of the group, the path of its first level, and how that is stored."""

    attributes: dict[str, Any]
    level: str
    version: int
    chunks: tuple[int, ...]


@dataclass
class ZarrArray:
    """One array of a Zarr folder."""

    path: Path
    level: str

    def _array(self, mode: str) -> Any:
        node = _zarr().open(self.path, mode=mode)
        return node[self.level] if self.level else node

    def read(self, index: Index) -> Array:
        """Return one region; only the chunks that it touches are decoded."""
        return native(np.asarray(self._array("r")[index]))

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        self._array("r+")[index] = values

    def close(self) -> None:
        """Nothing is open between calls."""


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise UserError(
            "Reading and writing OME-Zarr needs the zarr package: pip install 'bioreco[zarr]'."
        ) from None
    return zarr


def open_omezarr(path: Path) -> Image:
    """Open the full-resolution level of an OME-Zarr image, or a bare Zarr array."""
    zarr = _zarr()
    with DamageTold(path.name, "read as OME-Zarr"):
        node = zarr.open(path, mode="r")
        attributes = dict(node.attrs)
        scales = attributes.get("ome", attributes).get("multiscales")
        level = "" if isinstance(node, zarr.Array) else _level(path, node, attributes, scales)
        array = node[level] if level else node
        shape, dtype = tuple(int(size) for size in array.shape), np.dtype(array.dtype)
        version, chunks = int(array.metadata.zarr_format), tuple(array.chunks)
        axes, spacing, units = _described(scales[0] if scales and level else {}, shape)
    check_shape_and_type(path.name, shape, dtype)
    if len(shape) < 2:
        raise UserError(f"{path.name} is a list of {times(shape) or 1} numbers, not an image.")
    channels = attributes.get("ome", attributes).get("omero", {}).get("channels", [])
    names = tuple(str(channel.get("label", "")) for channel in channels)
    count = shape[axes.index("C")] if "C" in axes else 1
    return Image(
        path=path,
        name=path.name,
        format="zarr",
        axes=axes,
        shape=shape,
        dtype=dtype.newbyteorder("="),
        pixels=ZarrArray(path, level),
        spacing=spacing,
        units=units,
        channels=names if len(names) == count and any(names) else (),
        meta=ZarrMeta(attributes, level, version, chunks),
    )


def _level(path: Path, node: Any, attributes: dict[str, Any], scales: Any) -> str:
    if scales:
        return str(scales[0]["datasets"][0]["path"])
    inside = sorted(str(name) for name in node.keys())  # noqa: SIM118
    if "plate" in attributes.get("ome", attributes):
        raise UserError(f"{path.name} is a plate of wells; name a field, as in {path.name}/A/1/0.")
    if inside:
        example = f"{path.name}/{inside[0]}"
        raise UserError(
            f"{path.name} is a group of {', '.join(inside[:8])}; name one image, as in {example}."
        )
    raise UserError(f"{path.name} is an empty Zarr group.")


def _described(
    scale: dict[str, Any], shape: tuple[int, ...]
) -> tuple[str, dict[str, float], dict[str, str]]:
    """Return axes, spacing and units from the metadata of one multiscale image."""
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in scale.get("axes", ())]
    letters = "".join(str(axis.get("name", "?"))[:1].upper() for axis in axes)
    if len(letters) != len(shape) or not {"Y", "X"} <= set(letters):
        return ("TCZYX" if scale and len(shape) == 5 else guess_axes(shape)), {}, {}
    letters = "".join(letter if letter in LETTERS else "I" for letter in letters)
    changes = scale["datasets"][0].get("coordinateTransformations", ())
    steps = np.ones(len(shape))
    for change in [*changes, *scale.get("coordinateTransformations", ())]:
        if change.get("type") == "scale":
            steps = steps * np.asarray(change["scale"], float)
    spacing, units = {}, {}
    for letter, axis, step in zip(letters, axes, steps.tolist(), strict=True):
        unit = plain_unit(axis.get("unit", ""))
        if letter not in "CI" and unit and step > 0:
            spacing[letter], units[letter] = float(step), unit
    return letters, spacing, units


def create_omezarr(
    temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str
) -> Sink:
    """Lay out an empty OME-Zarr image of one level and return the sink for its pixels."""
    zarr = _zarr()
    meta = like.meta if isinstance(like.meta, ZarrMeta) else None
    version = meta.version if meta is not None else 2
    chunks = meta.chunks if meta is not None else _chunks(like)
    settings: dict[str, Any] = {"shape": like.shape, "chunks": chunks, "dtype": dtype}
    settings["fill_value"] = 0
    if version == 2:
        settings["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    if meta is not None and not meta.level:
        array = zarr.create_array(temporary, zarr_format=version, **settings)
        array.attrs.update({**meta.attributes, **({"bioreco": note} if note else {})})
        return ZarrArray(temporary, "")
    level = meta.level if meta is not None else "0"
    if "I" in like.axes and meta is None:
        raise UserError(
            f"{target.name}: OME-Zarr has no axis for independent images;"
            " say data.axes=ZYX or TYX, or give a name ending in .tif."
        )
    group = zarr.create_group(temporary, zarr_format=version)
    group.create_array(level, **settings)
    attributes = _kept(meta) if meta is not None else _fresh(like, target.name)
    group.attrs.update({**attributes, **({"bioreco": note} if note else {})})
    return ZarrArray(temporary, level)


def _chunks(like: Image) -> tuple[int, ...]:
    whole = {axis: min(size, 256) for axis, size in zip(like.axes, like.shape, strict=True)}
    return tuple(whole[axis] if axis in "YXS" else 1 for axis in like.axes)


def _kept(meta: ZarrMeta) -> dict[str, Any]:
    """Return the attributes of the source with the one level that is written."""
    inner = dict(meta.attributes.get("ome", meta.attributes))
    first = dict(inner["multiscales"][0])
    first["datasets"] = first["datasets"][:1]
    inner["multiscales"] = [first]
    inner.pop("labels", None)
    return {**meta.attributes, "ome": inner} if "ome" in meta.attributes else inner


def _fresh(like: Image, name: str) -> dict[str, Any]:
    kinds = {"T": "time", "C": "channel", "S": "channel"}
    axes = []
    for letter in like.axes:
        axis = {"name": letter.lower(), "type": kinds.get(letter, "space")}
        if letter in like.units:
            axis["unit"] = unit_word(like.units[letter])
        axes.append(axis)
    steps = [like.spacing.get(letter, 1.0) for letter in like.axes]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": steps}]}
    scale = {"version": "0.4", "name": name, "axes": axes, "datasets": [level]}
    said: dict[str, Any] = {"multiscales": [scale]}
    if like.channels:
        said["omero"] = {"channels": [{"label": label} for label in like.channels]}
    return said
