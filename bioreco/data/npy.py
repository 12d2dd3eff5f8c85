"""NumPy arrays (.npy) and PNG pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import DamageTold, Image, Sink, check_shape_and_type, times
from bioreco.data.raw import Raw
from bioreco.errors import UserError


def guess_axes(shape: tuple[int, ...]) -> str:
    """Return axes for an array that doesn't name them; unknown leading axes are ``I``."""
    if len(shape) >= 3 and shape[-1] in {3, 4} and min(shape[-3:-1]) > 4:
        return "I" * (len(shape) - 3) + "YXS"
    return "I" * (len(shape) - 2) + "YX"


def open_npy(path: Path) -> Image:
    """Open an array that NumPy saved."""
    with DamageTold(path.name, "read as NPY"):
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        order = "C" if values.flags.c_contiguous else "F"
        raw = Raw(path, values.offset, values.dtype, values.shape, order)
    check_shape_and_type(path.name, raw.shape, raw.dtype)
    if len(raw.shape) < 2:
        raise UserError(f"{path.name} is a list of {times(raw.shape) or 1} numbers, not an image.")
    return Image(
        path=path,
        name=path.name,
        format="npy",
        axes=guess_axes(raw.shape),
        shape=raw.shape,
        dtype=raw.dtype.newbyteorder("="),
        pixels=raw,
    )


def create_npy(temporary: Path, target: Path, like: Image, dtype: np.dtype[Any], note: str) -> Sink:
    """Lay out an empty NPY file and return the sink for its pixels."""
    del target, note
    values = np.lib.format.open_memmap(temporary, "w+", dtype, like.shape)
    sink = Raw(temporary, values.offset, dtype, like.shape)
    del values
    sink.reserve()
    return sink
