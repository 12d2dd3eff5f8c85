"""Open any image file, find images, and create the file a result is written to."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import LETTERS, Image, Sink, times
from bioreco.data.paths import (
    check_distinct,
    find_images,
    format_of,
    is_zarr,
    missing,
    result_path,
    split_dataset,
)
from bioreco.data.recognise import recognised
from bioreco.data.writing import Writer, disk_told, remove, temporary_name
from bioreco.errors import UserError

__all__ = [
    "Writer",
    "check_distinct",
    "create",
    "find_images",
    "open_image",
    "result_path",
]

_ROOMS = {
    "tiff": "tiff",
    "png": "png",
    "npy": "npy",
    "mrc": "mrc",
    "nifti": "nifti",
    "hdf5": "hdf5",
    "zarr": "omezarr",
}


def open_image(path: str | Path, *, axes: str | None = None) -> Image:
    """Open an image without reading its pixels.

    Parameters
    ----------
    path
        A file, ``file.h5:/dataset``, or the folder of an OME-Zarr image.
    axes
        One letter per dimension, to settle what the file leaves open.

    Raises
    ------
    UserError
        If there is no such file, or it isn't an image that can be read.
    """
    file, dataset = split_dataset(path)
    if not file.exists():
        raise missing(file)
    if file.is_dir() and not is_zarr(file):
        raise UserError(f"{file} is a folder, not an image.")
    if not file.is_dir() and not file.is_file():
        raise UserError(f"{file} isn't an ordinary file.")
    if not os.access(file, os.R_OK):
        raise UserError(f"{file}: permission denied.")
    if file.is_file() and file.stat().st_size == 0:
        raise UserError(f"{file.name} is empty (0 bytes).")
    kind = "zarr" if file.is_dir() else recognised(file)
    if dataset is not None and kind != "hdf5":
        raise UserError(f"{file.name} isn't an HDF5 file, so it has no data set {dataset}.")
    image: Image = _room(kind, "open")(*([file, dataset] if kind == "hdf5" else [file]))
    return _settled(image, axes)


def create(
    path: Path,
    like: Image,
    *,
    dtype: np.dtype[Any],
    overwrite: bool,
    note: str = "",
    within: Writer | None = None,
) -> Writer:
    """Create the file of a result that has the axes, shape and metadata of an image.

    Parameters
    ----------
    path
        Its ending decides the format. Nothing appears under this name before all is written.
    like
        The image it was made from.
    note
        One line on how it was made, kept in the file where the format has a place for it.
    within
        A result that is being written. If this one goes to the same HDF5 file, it is a data set
        beside that one and appears with it.

    Raises
    ------
    UserError
        If the file exists and ``overwrite`` is false, if it is the input itself, or if the format
        can't hold such an image.
    """
    file, dataset = split_dataset(path)
    kind = format_of(file)
    if kind is None:
        raise UserError(f"{path}: images can't be written as '{file.suffix}'.")
    if os.path.realpath(file) == os.path.realpath(like.path):
        raise UserError(f"{file} is the input, and inputs are never changed.")
    if file.is_dir() and not (kind == "zarr" and is_zarr(file)):
        raise UserError(f"{file} is a folder, which isn't replaced by a file.")
    if file.exists() and not overwrite and kind != "hdf5":
        raise UserError(f"{file} exists already; say overwrite=true to replace it.")
    dtype = np.dtype(dtype).newbyteorder("=")
    temporary = temporary_name(file)
    joins = within is not None and within.temporary == temporary
    target = Path(f"{file}:{dataset}") if dataset else file
    extra = {"overwrite": overwrite, "joins": joins} if kind == "hdf5" else {}
    folders = [folder for folder in file.parents if not folder.exists()]
    try:
        with disk_told(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            sink: Sink = _room(kind, "create")(temporary, target, like, dtype, note, **extra)
    except BaseException:
        if not joins:
            remove(temporary)
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        raise
    return Writer(file, temporary, sink, shape=like.shape, dtype=dtype, within=joins)


def _room(kind: str, verb: str) -> Callable[..., Any]:
    """Return the function that opens or creates a format, importing only its module."""
    name = _ROOMS[kind]
    function: Callable[..., Any] = getattr(import_module(f"bioreco.data.{name}"), f"{verb}_{name}")
    return function


def _settled(image: Image, axes: str | None) -> Image:
    """Return the image with the axes that the user named, or with what is unclear noted."""
    known = "".join(axis if axis in LETTERS else "I" for axis in image.axes)
    if axes is None:
        return _noted(replace(image, axes=known))
    letters = axes.upper()
    wrong = sorted(set(letters) - set(LETTERS))
    shape = f"{image.name} is {times(image.shape)}"
    if len(letters) != len(image.shape) or wrong or len(set(letters)) != len(letters):
        raise UserError(
            f"axes={axes} doesn't fit: {shape}, which takes {len(image.shape)} different letters"
            f" from T Z C Y X, S for RGB and I for independent images; the file says {known}."
        )
    if not {"Y", "X"} <= set(letters) or ("S" in letters and not letters.endswith("S")):
        raise UserError(f"axes={axes} doesn't fit: {shape}; it needs Y and X, and S only last.")
    return replace(
        image,
        axes=letters,
        spacing={axis: step for axis, step in image.spacing.items() if axis in letters},
        units={axis: unit for axis, unit in image.units.items() if axis in letters},
        channels=image.channels if len(image.channels) == _length(image, letters, "C") else (),
    )


def _length(image: Image, axes: str, axis: str) -> int:
    return image.shape[axes.index(axis)] if axis in axes else 1


def _noted(image: Image) -> Image:
    """Say what is unclear, or refuse what can't be guessed."""
    axes = image.axes
    if axes.count("I") > 1:
        raise UserError(
            f"{image.name} is {times(image.shape)}, and the file doesn't say what its axes are;"
            f" say so with axes, for example data.axes={('TZCYX')[-len(axes) :]}."
        )
    if image.size("S") in {2, 4}:
        note = "the last sample of a pixel may be transparency; it is treated like a colour"
        image = replace(image, notes=(*image.notes, note))
    count = image.size("I")
    if count < 2 or image.format == "mrc":
        return image
    note = (
        f"{count} pages of unknown meaning, read as {count} independent images;"
        f" say data.axes={axes.replace('I', 'Z')} for a volume or"
        f" {axes.replace('I', 'T')} for a time series"
    )
    return replace(image, notes=(*image.notes, note))
