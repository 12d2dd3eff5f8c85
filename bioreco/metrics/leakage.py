"""Leakage between slices that were excited together: signal of one that shows in another.

Only band s carries a signal; whatever the reconstruction finds in band s' != s has leaked. A
reconstruction that isn't linear is asked about a small change instead, on top of everything else:

    L[s, s'] = || f(x + d_s)_s' - f(x)_s' || / || d_s ||,

with d_s the change in band s alone and f measurement and reconstruction together. L is 0 off the
diagonal, and 1 on it, if nothing leaks and nothing is lost.

References
----------
.. [1] S. F. Cauley et al., "Interslice leakage artifact reduction technique for simultaneous
   multislice acquisitions", Magnetic Resonance in Medicine 72, 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.complexfloating]
Array = NDArray[np.float64]


def leakage(
    respond: Callable[[Image], ArrayLike], change: ArrayLike, *, around: ArrayLike | None = None
) -> Array:
    """Return the leakage matrix L (from band, into band).

    Parameters
    ----------
    respond
        Measures and reconstructs images (bands, y, x) without noise. Any reconstruction.
    change
        What is added to each band in its turn (bands, y, x): the image itself, or an activation.
    around
        What is there all the time (bands, y, x); nothing if left out.

    """
    d = np.asarray(change)
    base = np.zeros_like(d) if around is None else np.asarray(around)
    before = np.asarray(respond(base))
    found = np.zeros((len(d), len(d)))
    for s, band in enumerate(d):
        norm = float(np.linalg.norm(band))
        if norm == 0:
            continue
        alone = base.copy()
        alone[s] = alone[s] + band
        after = np.asarray(respond(alone))
        found[s] = [np.linalg.norm(b - a) / norm for a, b in zip(before, after, strict=True)]
    return found


def functional_leakage(beta: ArrayLike, active: ArrayLike) -> Array:
    """Return how much response is read in each band where it is another one that is active.

    Parameters
    ----------
    beta
        Maps of the response (from, bands, y, x), one for each band that was active alone.
    active
        Voxels of each band that respond when it is its turn (bands, y, x).

    Returns
    -------
    ndarray
        Mean |beta| in each band over that of the band that was active, over the voxels that were
        (from, into).

    """
    maps, where = np.abs(np.asarray(beta, dtype=np.float64)), np.asarray(active, dtype=bool)
    found = np.zeros((len(maps), len(maps)))
    for s, each in enumerate(maps):
        if where[s].any():
            read = each[:, where[s]].mean(1)
            found[s] = read / read[s] if read[s] > 0 else 0
    return found
