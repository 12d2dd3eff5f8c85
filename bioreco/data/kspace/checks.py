"""What is refused in k-space, masks and coil maps, in plain words."""

from __future__ import annotations

from typing import Any

import numpy as np

from bioreco.data.acquisition import Complex, Mask
from bioreco.data.image import times
from bioreco.errors import UserError

Array = np.ndarray[Any, Any]


def finite(values: Array, what: str) -> Complex:
    """Return values as complex64.

    Raises
    ------
    UserError
        If some are NaN or infinite.

    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(values, dtype=np.complex64)
    bad = ~np.isfinite(values)
    if bad.any():
        first = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
        raise UserError(
            f"{what}: {int(bad.sum())} of {bad.size} values are NaN or infinite, the first at"
            f" ({first}). Set them to 0 to have them treated as not acquired."
        )
    return values


def complex_type(dtype: np.dtype[Any], shape: tuple[int, ...], what: str) -> None:
    """Refuse what can't be k-space.

    Raises
    ------
    UserError
        If the values aren't complex or there are none.

    """
    if dtype.kind != "c":
        raise UserError(
            f"{what} holds values of type {dtype}; k-space is complex. If real and imaginary"
            " part lie side by side, join them as real + 1j * imaginary."
        )
    if 0 in shape or len(shape) < 2:
        raise UserError(f"{what} holds no k-space: its shape is {times(shape) or '1 number'}.")


def binary(values: Array, what: str) -> Mask:
    """Return a mask as bool.

    Raises
    ------
    UserError
        If it holds anything but 0 and 1.

    """
    odd = values[(values != 0) & (values != 1)]
    if odd.size:
        raise UserError(
            f"{what}: the mask holds {np.unique(odd)[0]:g}; a mask is 1 where k-space was"
            " measured and 0 elsewhere."
        )
    return np.asarray(values, dtype=bool)


def samples_something(mask: Mask, what: str) -> Mask:
    """Return the mask.

    Raises
    ------
    UserError
        If it samples nothing.

    """
    if not mask.any():
        raise UserError(f"{what}: nothing was measured, the mask is 0 everywhere.")
    return mask


def same_size(given: tuple[int, ...], wanted: tuple[int, ...], what: str, whose: str) -> None:
    """Compare sizes.

    Raises
    ------
    UserError
        If they differ.

    """
    if given != wanted:
        raise UserError(f"{what} are {times(given)}, but {whose} is {times(wanted)} (y x).")
