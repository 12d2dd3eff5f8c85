"""What changes in a head at rest: breathing, blood pressure, drift, and slow noise; and motion.

Every time course is made orthogonal to the task and to a constant, so that the noiseless truth
shows activity where there is some and nowhere else.

References
----------
.. [1] G. Krueger, G. H. Glover, "Physiological noise in oxygenation-sensitive magnetic resonance
   imaging", Magnetic Resonance in Medicine 46, 2001 (its size is proportional to the signal).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioreco.data.simulation.waves import Grid, Waves

Array = NDArray[np.float64]

BREATH, PRESSURE = 0.27, 0.11  # hertz
MEMORY = 0.6  # correlation of the slow noise from one frame to the next
LOCAL = 6  # fields that the slow noise is made of


@dataclass(frozen=True)
class Physiology:
    """Changes relative to the signal: the sum over k of modes[k] * courses[k].

    Attributes
    ----------
    modes
        Where (k, z, y, x), float32.
    courses
        When (k, frames).
    shifts
        Motion along y and x in pixels of the acquired image (frames, 2).

    """

    modes: NDArray[np.float32]
    courses: Array
    shifts: Array


def orthogonal(courses: Array, design: Array) -> Array:
    """Return what is left of time courses (k, frames) without the columns of (frames, n)."""
    basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes.max()]
    return np.asarray(courses - (courses @ basis) @ basis.T)


def reserved(regressor: Array, times: Array, frequency: float) -> Array:
    """Return the courses that belong to the task and to nothing at rest (frames, n).

    A constant, the task, the task without drift (which is what a fit with drift looks for), and
    the wave of the blocks with any phase.
    """
    drift = np.vander(np.linspace(-1, 1, len(times)), 3)
    steady = regressor - drift @ np.linalg.lstsq(drift, regressor, rcond=None)[0]
    turn = 2 * np.pi * frequency * times
    return np.stack([np.ones_like(times), regressor, steady, np.cos(turn), np.sin(turn)], axis=1)


def physiology(
    grid: Grid,
    regressor: Array,
    *,
    repetition_time: float,
    frequency: float,
    size: float,
    motion: float,
    seeds: tuple[int, int],
) -> Physiology:
    """Draw the changes of one run.

    Parameters
    ----------
    grid
        Where the modes are seen.
    regressor
        The task, which nothing here is correlated with (frames,).
    repetition_time
        Seconds between frames.
    frequency
        Of the blocks, in hertz.
    size
        Standard deviation of breathing and pressure together, relative to the signal; that of
        drift and slow noise together is as large.
    motion
        Standard deviation of the motion along each axis, in pixels of the acquired image.
    seeds
        Of the person, who decides where, and of the run, which decides when.

    Returns
    -------
    Physiology
        Three smooth modes and `LOCAL` rougher ones.

    """
    where, when = np.random.default_rng([113, seeds[0]]), np.random.default_rng([127, *seeds])
    smooth = [Waves.draw(where, 60, 140, 24).on(grid) for _ in range(3)]
    rough = [Waves.draw(where, 14, 40).on(grid) / np.sqrt(LOCAL) for _ in range(LOCAL)]
    times: Array = np.arange(len(regressor), dtype=np.float64) * repetition_time
    swings = [_swing(times, frequency, when) for frequency in (BREATH, PRESSURE)]
    slow = [np.cumsum(when.standard_normal(len(times))) for _ in range(3)]
    local = [_autoregressive(len(times), when) for _ in range(LOCAL)]
    taken = reserved(regressor, times, frequency)
    courses = _unit(orthogonal(np.stack([*swings, slow[0], *local]), taken))
    drift = _unit(orthogonal(np.stack(slow[1:]) + 3 * swings[0], taken))
    modes = np.stack([*smooth, *rough]).astype(np.float32)
    return Physiology(modes, size / np.sqrt(2) * courses, motion * drift.T)


def _swing(times: Array, frequency: float, rng: np.random.Generator) -> Array:
    """Return an oscillation whose phase wanders."""
    wander = 0.15 * np.cumsum(rng.standard_normal(len(times)))
    return np.asarray(np.sin(2 * np.pi * frequency * times + rng.uniform(0, 2 * np.pi) + wander))


def _autoregressive(frames: int, rng: np.random.Generator) -> Array:
    """Return AR(1) noise that has already run in."""
    fresh = rng.standard_normal(frames + 50)
    for k in range(1, len(fresh)):
        fresh[k] += MEMORY * fresh[k - 1]
    return np.asarray(fresh[50:], dtype=np.float64)


def _unit(courses: Array) -> Array:
    """Scale time courses to a standard deviation of 1; what is constant stays 0."""
    spread = courses.std(axis=1, keepdims=True)
    steady = np.zeros_like(courses)
    return np.asarray(np.divide(courses, spread, out=steady, where=spread > 1e-9))
