"""How well a missing cone of frequencies was filled, and whether indices are right.

Within the cone, result and truth are correlated shell by shell of |k|, and the shells' mean is
taken: each scale counts the same. Over the whole cone at once the few lowest frequencies, which
carry nearly all energy, would decide alone; that number is told too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CONVENTIONS = {
    "in_cone_correlation": "mean over shells of the correlation of Fourier coefficients with those"
    " of the truth, within the missing cone, up to 0.9 of the lateral limit",
    "in_cone_energy_correlation": "the same over all coefficients at once: the lowest decide",
    "index_bias": "mean over the parts of the cell of |mean index contrast / true one - 1|",
    "ssim_xz": "SSIM of the planes along the axis of light, mean",
    "ssim_xy": "SSIM of the planes across the axis of light, mean",
}
LIMIT = 0.9  # of the lateral limit


def cone(side: int, half_angle: float, limit: float) -> Array:
    """Return the frequencies (z, y, x) within a cone about z, in the order of `fftn`.

    Parameters
    ----------
    side
        Voxels along a side.
    half_angle
        Degrees.
    limit
        Largest |k| in cycles per voxel.

    """
    away, radius = _polar(side)
    found: Array = (away < half_angle) & (radius > 0) & (radius <= limit)
    return found


def shells(side: int) -> Array:
    """Return the number of the shell of each frequency, in the order of `fftn`."""
    found: Array = np.rint(_polar(side)[1] * side).astype(int)
    return found


def _polar(side: int) -> tuple[Array, Array]:
    k = np.fft.fftfreq(side)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij", sparse=True)
    across = np.hypot(kx, ky)
    return np.degrees(np.arctan2(across, np.abs(kz))), np.sqrt(across**2 + kz**2)


def correlations(x: Array, truth: Array, region: Array) -> tuple[float, float, Array]:
    """Return the mean over shells, the correlation over all, and that of each shell.

    Parameters
    ----------
    x, truth
        Volumes (z, y, x) of which the medium's value was subtracted.
    region
        Frequencies that count, in the order of `fftn`.

    """
    a, b = (np.fft.fftn(np.fft.ifftshift(v.astype(np.float64)))[region] for v in (x, truth))
    number = shells(len(truth))[region]
    cross = np.bincount(number, (a * b.conj()).real)
    power = np.sqrt(np.bincount(number, np.abs(a) ** 2) * np.bincount(number, np.abs(b) ** 2))
    there = np.bincount(number) > 0
    each = np.full(len(cross), np.nan)
    each[there] = cross[there] / np.maximum(power[there], 1e-30)
    energy = math.sqrt(float((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum()))
    return float(np.nanmean(each)), float(cross.sum() / max(energy, 1e-30)), each


def index_bias(
    index: Array, truth: Array, labels: Array, parts: Sequence[str], medium: float
) -> dict[str, float]:
    """Return by how much the mean index contrast of each part is off, as a share of the true one.

    `index_bias` is the mean of their magnitudes.
    """
    found = {}
    for number, part in enumerate(parts):
        inside = labels == number
        if number == 0 or not inside.any():
            continue
        right = float(truth[inside].mean()) - medium
        found[f"index_bias_{part}"] = (float(index[inside].mean()) - medium) / right - 1
    if not found:
        return {}
    return {"index_bias": float(np.mean(np.abs(list(found.values()))))} | found
