"""Coherence with a periodic task: how much of a voxel's variation is at the task's frequency.

    coherence = |X(f0)| / sqrt(sum_f |X(f)|^2),   phase = arg X(f0),

with X the Fourier transform of the series without its drift, over the positive frequencies. The
phase tells when in the cycle a voxel responds; maps of it show topography.

References
----------
.. [1] S. A. Engel, G. H. Glover, B. A. Wandell, "Retinotopic organization in human visual cortex
   and the spatial precision of functional MRI", Cerebral Cortex 7, 1997.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.series import DRIFT, design, least_squares

Array = NDArray[np.float64]


def coherence(
    courses: ArrayLike, *, frequency: float, repetition_time: float, drift: int = DRIFT
) -> tuple[Array, Array]:
    """Return the coherence, 0 to 1, and the phase, in radians, of each voxel.

    Parameters
    ----------
    courses
        Series (t, ...); of complex ones the magnitude is used.
    frequency
        Of the task, in hertz.
    repetition_time
        Seconds between frames.
    drift
        Order of the polynomial that is taken away before.

    Raises
    ------
    ValueError
        If the series is too short or too slow to hold the frequency.

    """
    x = np.abs(np.asarray(courses)).astype(np.float64)
    cycles = round(frequency * repetition_time * len(x))
    if not 0 < cycles <= len(x) // 2:
        raise ValueError(
            f"{len(x)} frames of {repetition_time} s don't hold the frequency {frequency} Hz"
        )
    still = least_squares(x, design(len(x), drift=drift)).residual
    spectrum = np.fft.rfft(still, axis=0)
    power = (np.abs(spectrum[1:]) ** 2).sum(0)
    floor = 1e-20 * len(x) ** 2 * np.maximum(x.mean(0), 1e-150) ** 2
    at = spectrum[cycles]
    share = np.divide(np.abs(at), np.sqrt(power), out=np.zeros_like(power), where=power > floor)
    return share, np.asarray(np.angle(at))
