"""The centred orthonormal Fourier transform of NumPy arrays, for any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import fft

from bioreco.data.acquisition import Complex


def to_kspace(image: np.ndarray[Any, Any], axes: Sequence[int] = (-2, -1)) -> Complex:
    """Return F x = fftshift(fft(ifftshift(x), norm=ortho)), the centre at n // 2."""
    moved = fft.fftn(fft.ifftshift(image, axes), axes=axes, norm="ortho")
    return np.asarray(fft.fftshift(moved, axes), dtype=np.complex64)


def to_image(kspace: np.ndarray[Any, Any], axes: Sequence[int] = (-2, -1)) -> Complex:
    """Return F^* y, the inverse of `to_kspace`."""
    moved = fft.ifftn(fft.ifftshift(kspace, axes), axes=axes, norm="ortho")
    return np.asarray(fft.fftshift(moved, axes), dtype=np.complex64)


def centred(length: int, wanted: int) -> slice:
    """Return the central `wanted` of `length` samples, so that n // 2 stays the centre."""
    start = length // 2 - wanted // 2
    return slice(start, start + wanted)
