"""Data sets in HDF5 files, named ``file.h5:/dataset``."""

from __future__ import annotations

import json
import shutil
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
from bioreco.data.paths import STD, split_dataset
from bioreco.data.raw import native
from bioreco.data.units import plain_unit
from bioreco.errors import UserError, nearest


@dataclass(frozen=True)
class Hdf5Meta:
    """The attributes of the data set and the labels of its axes."""

    attributes: dict[str, Any]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Hdf5Array:
    """A data set; the file is open only during a call, so that worker processes may share it."""

    path: Path
    dataset: str

    def read(self, index: Index) -> Array:
        """Return one region."""
        import h5py

        with h5py.File(self.path, "r") as file:
            return native(np.asarray(file[self.dataset][index]))

    def write(self, index: Index, values: Array) -> None:
        """Store one region."""
        import h5py

        with h5py.File(self.path, "r+") as file:
            file[self.dataset][index] = values

    def close(self) -> None:
        """Nothing is open between calls."""


def open_hdf5(path: Path, dataset: str | None) -> Image:
    """Open one data set; without a name, the only image in the file."""
    import h5py

    with DamageTold(path.name, "read as HDF5"), h5py.File(path, "r") as file:
        name = _chosen(path, file, dataset)
        node = file[name]
        shape, dtype = tuple(int(size) for size in node.shape or ()), node.dtype
        label = f"{path.name}:{name}"
        check_shape_and_type(label, shape, dtype)
        if len(shape) < 2:
            raise UserError(f"{label} is a list of {times(shape) or 1} numbers, not an image.")
        attributes = {key: node.attrs[key] for key in node.attrs if _plain(node.attrs[key])}
        labels = tuple(str(dimension.label) for dimension in node.dims)
    axes = _axes(attributes, labels, shape)
    spacing, units = _spacing(attributes, axes)
    channels = tuple(str(_text(channel)) for channel in attributes.get("channels", ()))
    count = shape[axes.index("C")] if "C" in axes else 1
    return Image(
        path=path,
        name=label,
        format="hdf5",
        axes=axes,
        shape=shape,
        dtype=dtype.newbyteorder("="),
        pixels=Hdf5Array(path, name),
        spacing=spacing,
        units=units,
        channels=channels if len(channels) == count else (),
        notes=() if dataset else (f"the only image in the file, {name}, is read",),
        meta=Hdf5Meta(attributes, labels),
    )


def _chosen(path: Path, file: Any, dataset: str | None) -> str:
    """Return the name of the data set that is meant."""
    import h5py

    there: dict[str, Any] = {}
    file.visititems(lambda name, node: there.update({f"/{name}": node}))
    there = {name: node for name, node in there.items() if isinstance(node, h5py.Dataset)}
    shown = _listed(there)
    if dataset is not None:
        if dataset in there:
            return dataset
        raise UserError(
            f"{path.name} has no data set {dataset}.{nearest(dataset, there)}"
            f" There are: {shown or 'none'}."
        )
    images = [name for name, node in there.items() if len(node.shape or ()) >= 2]
    images = [name for name in images if there[name].dtype.kind in "uif"]
    images = [name for name in images if not _beside(name, there)]
    if len(images) == 1:
        return images[0]
    if not there:
        raise UserError(f"{path.name} holds no data set.")
    example = f"{path.name}:{(images or list(there))[0]}"
    raise UserError(f"{path.name}: say which data set, as in {example}. There are: {shown}.")


def _beside(name: str, there: dict[str, Any]) -> bool:
    """Tell whether a data set only says how sure bioreco is of another one."""
    result, mark = name.removesuffix(STD), "bioreco"
    return result != name and result in there and mark in there[name].attrs


def _listed(there: dict[str, Any]) -> str:
    """Return the first data sets with their shapes and types."""
    shown = [f"{n} ({times(node.shape or ())} {node.dtype})" for n, node in there.items()]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def _plain(value: Any) -> bool:
    """Tell numbers, texts and lists of them from references into the file."""
    array = np.asarray(value)
    return array.dtype.kind in "biufcSU" or isinstance(value, str | bytes) or _texts(array)


def _texts(array: Array) -> bool:
    return array.dtype.kind == "O" and all(isinstance(item, str | bytes) for item in array.flat)


def _axes(attributes: dict[str, Any], labels: tuple[str, ...], shape: tuple[int, ...]) -> str:
    """Return the axes that the file names, in one of the usual ways, or a guess."""
    candidates = ["".join(label[:1] for label in labels).upper()]
    for key in ("axes", "DIMENSION_LABELS", "axisorder"):
        value = attributes.get(key, "")
        letters = value if isinstance(value, str | bytes) else [_text(v)[:1] for v in value]
        candidates.append("".join(_text(letters)).upper())
    try:
        tags = json.loads(_text(attributes.get("axistags", ""))).get("axes", [])
        candidates.append("".join(tag.get("key", "?") for tag in tags).upper())
    except (ValueError, AttributeError):
        pass
    for letters in candidates:
        known = set(letters) <= set(LETTERS) and {"Y", "X"} <= set(letters)
        if len(letters) == len(shape) == len(set(letters)) and known:
            return letters
    return guess_axes(shape)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _spacing(attributes: dict[str, Any], axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the spacing that bioreco, or ImageJ's HDF5 plugin, wrote."""
    said = attributes.get("element_size_um")
    if said is not None and np.shape(said) == (3,):
        sizes = dict(zip("ZYX", np.asarray(said, float).tolist(), strict=True))
        spacing = {axis: size for axis, size in sizes.items() if axis in axes and size > 0}
        return spacing, dict.fromkeys(spacing, "um")
    steps, names = attributes.get("spacing"), attributes.get("units")
    if steps is None or names is None or not len(steps) == len(names) == len(axes):
        return {}, {}
    pairs = zip(axes, np.asarray(steps, float).tolist(), names, strict=True)
    known = {axis: (step, plain_unit(_text(unit))) for axis, step, unit in pairs if step > 0}
    return {a: step for a, (step, _) in known.items()}, {a: unit for a, (_, unit) in known.items()}


def create_hdf5(
    temporary: Path,
    target: Path,
    like: Image,
    dtype: np.dtype[Any],
    note: str,
    *,
    overwrite: bool,
    joins: bool,
) -> Sink:
    """Lay out an empty data set, beside those that the file has already.

    It joins others in the temporary file, or begins a new one.
    """
    import h5py

    path, dataset = split_dataset(target)
    name = dataset or "/data"
    if not joins:
        temporary.unlink(missing_ok=True)
        if path.exists():
            shutil.copyfile(path, temporary)
    with h5py.File(temporary, "a") as file:
        if name in file:
            if not overwrite:
                raise UserError(f"{path}:{name} exists already; say overwrite=true to replace it.")
            del file[name]
        node = file.create_dataset(name, like.shape, dtype, chunks=_chunks(like))
        meta = like.meta if isinstance(like.meta, Hdf5Meta) else None
        if meta is not None:
            node.attrs.update(meta.attributes)
            for dimension, label in zip(node.dims, meta.labels, strict=True):
                dimension.label = label
        else:
            node.attrs.update(_described(like))
        if note:
            node.attrs["bioreco"] = note
    return Hdf5Array(temporary, name)


def _chunks(like: Image) -> tuple[int, ...]:
    """Return chunks of one plane, at most 256 pixels square."""
    whole = {axis: min(size, 256) for axis, size in zip(like.axes, like.shape, strict=True)}
    return tuple(whole[axis] if axis in "YXS" else 1 for axis in like.axes)


def _described(like: Image) -> dict[str, Any]:
    """Return attributes that say what the axes are."""
    said: dict[str, Any] = {"axes": like.axes}
    if like.spacing:
        said["spacing"] = [like.spacing.get(axis, 0.0) for axis in like.axes]
        said["units"] = [like.units.get(axis, "") for axis in like.axes]
    if like.channels:
        said["channels"] = list(like.channels)
    return said
