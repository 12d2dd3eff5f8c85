"""How far two sets of images are apart as distributions, whichever image goes with which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_QUANTILES = 512


def sliced_wasserstein(one: Array, other: Array, *, directions: int = 512, seed: int = 0) -> float:
    """Return the sliced Wasserstein distance of two sets of images.

    Parameters
    ----------
    one, other
        (n, ...) and (m, ...), images of the same shape.
    directions
        Random directions in the space of images that both are projected on.
    seed
        Decides the directions.

    Returns
    -------
    float
        Mean over the directions of the Wasserstein-1 distance between the projections, which are
        of unit length: white noise of deviation s has a deviation of s along each. In grey levels.

    References
    ----------
    .. [1] N. Bonneel, J. Rabin, G. Peyre, H. Pfister, "Sliced and Radon Wasserstein barycenters of
       measures", Journal of Mathematical Imaging and Vision 51, 2015.

    """
    if one.shape[1:] != other.shape[1:]:
        raise ValueError(f"images of shapes {one.shape[1:]} and {other.shape[1:]}")
    size = int(np.prod(one.shape[1:]))
    drawn = np.random.default_rng(seed).standard_normal((size, directions))
    drawn /= np.linalg.norm(drawn, axis=0)
    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    first, second = (
        np.quantile(values.reshape(len(values), -1).astype(np.float64) @ drawn, share, axis=0)
        for values in (one, other)
    )
    return float(np.abs(first - second).mean())
