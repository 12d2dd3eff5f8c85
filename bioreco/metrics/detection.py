"""How well a statistic tells active voxels from quiet ones.

AUC is the probability that an active voxel scores above a quiet one (ties count half), which is
the Mann-Whitney statistic divided by the number of pairs.

References
----------
.. [1] J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating
   characteristic (ROC) curve", Radiology 143, 1982.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


def auc(score: ArrayLike, active: ArrayLike) -> float:
    """Return the area under the ROC curve; nan if all voxels are of one kind.

    Parameters
    ----------
    score
        Higher is more likely active.
    active
        Which are, of the same shape.

    """
    positive, negative = _parted(score, active)
    if not positive.size or not negative.size:
        return math.nan
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    above = ranks[: positive.size].sum() - positive.size * (positive.size + 1) / 2
    return float(above / (positive.size * negative.size))


def true_positive_rate(score: ArrayLike, active: ArrayLike, *, false_positive_rate: float) -> float:
    """Return the share of active voxels found where so many quiet ones are taken for active.

    Parameters
    ----------
    score, active
        See `auc`.
    false_positive_rate
        Share of quiet voxels that score above the threshold, at most.

    """
    positive, negative = _parted(score, active)
    if not positive.size or not negative.size:
        return math.nan
    allowed = math.floor(false_positive_rate * negative.size + 1e-9)
    threshold = np.sort(negative)[::-1][allowed] if allowed < negative.size else -np.inf
    return float((positive > threshold).mean())


def rates(score: ArrayLike, active: ArrayLike, *, threshold: float) -> tuple[float, float]:
    """Return the true-positive and the false-positive rate above a threshold."""
    positive, negative = _parted(score, active)
    found = [float((part > threshold).mean()) if part.size else math.nan
             for part in (positive, negative)]  # fmt: skip
    return found[0], found[1]


def _parted(score: ArrayLike, active: ArrayLike) -> tuple[Array, Array]:
    values, which = np.asarray(score, dtype=np.float64), np.asarray(active, dtype=bool)
    if values.shape != which.shape:
        raise ValueError(f"scores have shape {values.shape}, the truth {which.shape}")
    return values[which], values[~which]
