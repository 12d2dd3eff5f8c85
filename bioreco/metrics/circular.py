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


def circular_correlation(angle: ArrayLike, reference: ArrayLike) -> float:
    """Return how well angles follow a reference, up to one turn of all, in -1 to 1.

    1: they differ by a constant; -1: their sum is one; about 0: they know nothing of one another.
    The T-linear association of Fisher and Lee (Biometrika 70, 1983), which needs no mean direction
    and so holds for even angles; nan where either hardly varies.

    Notes
    -----
    With a, b the angles, a~ and b~ an independent pair of them,

        E[sin(a - a~) sin(b - b~)] / sqrt(E[sin^2(a - a~)] E[sin^2(b - b~)]).

    """
    a, b = (np.exp(1j * np.asarray(values, dtype=np.float64)) for values in (angle, reference))
    if a.size < 2:
        return math.nan
    agree, oppose = abs((a * b.conj()).mean()) ** 2, abs((a * b).mean()) ** 2
    spread = (1 - abs((a**2).mean()) ** 2) * (1 - abs((b**2).mean()) ** 2)
    return float((agree - oppose) / math.sqrt(spread)) if spread > 1e-12 else math.nan
