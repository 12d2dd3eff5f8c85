"""Rings and shells of a Fourier transform: sums over frequencies of one length.

Transforms are those of `numpy.fft.rfftn`, of images (y, x) or volumes (z, y, x).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def shell_numbers(shape: tuple[int, ...]) -> tuple[Array, int]:
    """Return the number of each frequency's shell, and how many there are up to Nyquist.

    The shells are as wide as the lowest frequency of the shorter side in the plane; frequencies
    beyond the last are given the number of shells.
    """
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    squares = np.meshgrid(*[axis**2 for axis in axes], indexing="ij", sparse=True)
    radius = np.sqrt(sum(squares))
    width = 1 / min(shape[-2:])
    count = int(0.5 / width) + 1
    return np.minimum(np.rint(radius / width).astype(int), count), count


def doubled(shape: tuple[int, ...]) -> Array:
    """Return 2 for frequencies whose mirror image the real transform leaves out, else 1."""
    weights = np.full((*shape[:-1], shape[-1] // 2 + 1), 2.0)
    weights[..., 0] = 1
    if shape[-1] % 2 == 0:
        weights[..., -1] = 1
    return weights


def shell_sums(values: Array, shape: tuple[int, ...]) -> Array:
    """Sum real values at the frequencies of an image of some shape, shell by shell from 0."""
    number, count = shell_numbers(shape)
    weights = (doubled(shape) * values).ravel()
    sums: Array = np.bincount(number.ravel(), weights=weights, minlength=count)[:count]
    return sums


def shell_correlation(one: Array, two: Array, shape: tuple[int, ...]) -> Array:
    """Return the correlation of two transforms in each shell but that of zero frequency."""
    cross, power_one, power_two = (
        shell_sums(value, shape)[1:]
        for value in ((one * two.conj()).real, np.abs(one) ** 2, np.abs(two) ** 2)
    )
    norm = np.sqrt(power_one * power_two)
    correlation: Array = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    return correlation
