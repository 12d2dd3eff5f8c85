"""Look at an image on disk: one channel of one frame at a time, or a few crops of it.

What is looked at is what is scored as one: a plane (y, x) or a volume (z, y, x), in the file's own
numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.image import SPATIAL, Image

Array = NDArray[Any]
Place = dict[str, int]

CROP = 256  # pixels along Y and X of one crop
DEPTH = 5  # slices of one crop
CROPS = 9  # crops of one frame
PLENTY = 1_500_000  # pixels up to which a frame is read whole


def places(image: Image) -> list[Place]:
    """Return where each frame is: one index for every axis that is not Z, Y or X."""
    outer = [axis for axis in image.axes if axis not in SPATIAL]
    ranges = [range(image.size(axis)) for axis in outer]
    return [dict(zip(outer, index, strict=True)) for index in itertools.product(*ranges)]


def read_frame(image: Image, place: Place, region: Mapping[str, slice] | None = None) -> Array:
    """Read one frame, or a region of it.

    Parameters
    ----------
    image : Image
    place : dict
        One of `places`.
    region : mapping, optional
        Slices along Z, Y, X; all if not given.

    Returns
    -------
    ndarray (y, x) or (z, y, x)
        (y, x) where the image has no Z or only one slice.
    """
    wanted = dict(region or {})
    index = tuple(
        slice(place[axis], place[axis] + 1) if axis in place else wanted.get(axis, slice(None))
        for axis in image.axes
    )
    values = image.read(index)
    spatial = [axis for axis in image.axes if axis in SPATIAL]
    values = values.reshape(
        [n for n, a in zip(values.shape, image.axes, strict=True) if a in SPATIAL]
    )
    values = values.transpose([spatial.index(axis) for axis in SPATIAL if axis in spatial])
    return values[0] if image.size("Z") == 1 and values.ndim == 3 else values


def crops(image: Image, place: Place) -> Iterator[Array]:
    """Yield small regions spread over one frame, or all of it where it is small."""
    size = {axis: image.size(axis) for axis in SPATIAL}
    if np.prod(list(size.values())) <= PLENTY:
        yield read_frame(image, place)
        return
    depth = min(DEPTH, size["Z"])
    z = (size["Z"] - depth) // 2
    height, width = min(CROP, size["Y"]), min(CROP, size["X"])
    side = round(CROPS**0.5)
    tops = np.unique(np.linspace(0, size["Y"] - height, side).astype(int))
    lefts = np.unique(np.linspace(0, size["X"] - width, side).astype(int))
    for top, left in itertools.product(tops.tolist(), lefts.tolist()):
        region = {"Y": slice(top, top + height), "X": slice(left, left + width)}
        yield read_frame(image, place, {"Z": slice(z, z + depth), **region})


def name_of(place: Place) -> str:
    """Return what a frame is called, such as ``T=3 C=0``; empty where there is only one."""
    return " ".join(f"{axis}={number}" for axis, number in place.items())
