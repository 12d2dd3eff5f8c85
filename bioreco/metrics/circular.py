"""Numbers about angles, which come round again: 359 and 1 degree are 2 degrees apart."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wrapped(angle: ArrayLike) -> NDArray[np.float64]:
    """Return angles in radians between -pi and pi."""
    return np.asarray(np.angle(np.exp(1j * np.asarray(angle, dtype=np.float64))))


def circular_error(angle: ArrayLike, reference: ArrayLike) -> float:
    """Return the mean absolute difference of angles, in radians; nan for none at all."""
    difference = np.asarray(angle, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return float(np.abs(wrapped(difference)).mean()) if difference.size else math.nan


def circular_mean(angle: ArrayLike) -> float:
    """Return the direction of the sum of unit vectors, in radians."""
    return float(np.angle(np.exp(1j * np.asarray(angle, dtype=np.float64)).sum()))
