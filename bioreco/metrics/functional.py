"""Everything neuroscience asks of a functional series, in one dictionary of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.circular import circular_error
from bioreco.metrics.coherence import coherence
from bioreco.metrics.detection import auc, rates, true_positive_rate
from bioreco.metrics.glm import glm
from bioreco.metrics.series import DRIFT, Series, magnitude
from bioreco.metrics.smoothness import fwhm, neighbour_sums
from bioreco.metrics.tsnr import tsnr

Array = NDArray[np.float64]

ACTIVE, QUIET = 1.0, 0.1  # per cent: who changes by more is active, by less quiet; between: neither
FALSE_POSITIVES = 0.001
STUDENT = 3.1  # p < .001, one-sided
COHERENT = 0.3

CONVENTIONS = {
    "tsnr": "median over the mask, without drift and task",
    "beta": "mean response of active voxels, per cent",
    "beta_bias": "beta over the true one, minus 1, in per cent",
    "auc": f"of t, active (at least {ACTIVE:g} %) against quiet (at most {QUIET:g} %) voxels",
    "tpr": f"active voxels found where {FALSE_POSITIVES:g} of the quiet ones are",
    "tpr_3.1": f"active voxels above t = {STUDENT}",
    "fpr_3.1": f"quiet voxels above t = {STUDENT}",
    "coherent": f"voxels of the mask with a coherence above {COHERENT}",
    "phase_error": "mean |difference| to the truth's phase at active voxels, radians",
    "smoothness_fwhm": "of the residuals in the plane, voxels",
    "nrmse": "of the magnitude in the mask, over all frames",
}


@dataclass(frozen=True)
class Task:
    """What is known of the task.

    Attributes
    ----------
    regressor
        Expected response (t,).
    frequency
        Of the blocks, in hertz; None if they are not periodic.
    repetition_time
        Seconds between frames; None if unknown.

    """

    regressor: ArrayLike
    frequency: float | None = None
    repetition_time: float | None = None

    @property
    def periodic(self) -> bool:
        """Whether coherence can be asked for."""
        return bool(self.frequency and self.repetition_time)


@dataclass(frozen=True)
class Maps:
    """What `evaluate` sees, voxel by voxel (z, y, x), for pictures.

    Attributes
    ----------
    tsnr, beta, t, coherence, phase
        Temporal SNR, response in per cent, its t, coherence and phase at the task's frequency
        (zeros where the task has none).

    """

    tsnr: Array
    beta: Array
    t: Array
    coherence: Array
    phase: Array


def maps(series: Series, task: Task, *, drift: int = DRIFT, ar1: bool = False) -> Maps:
    """Work out the maps of a series (t, z, y, x), slice by slice."""
    shape = series.shape[1:]
    found = Maps(*(np.zeros(shape) for _ in range(5)))
    for z in range(shape[0]):
        x = magnitude(series, z)
        response = glm(x, task.regressor, drift=drift, ar1=ar1)
        found.tsnr[z] = tsnr(x, task.regressor, drift=drift)
        found.beta[z], found.t[z] = response.beta, response.t
        if task.frequency and task.repetition_time:
            found.coherence[z], found.phase[z] = coherence(
                x, frequency=task.frequency, repetition_time=task.repetition_time, drift=drift
            )
    return found


def evaluate(
    series: Series,
    task: Task,
    *,
    mask: ArrayLike,
    truth: Series | None = None,
    beta: ArrayLike | None = None,
    ar1: bool = False,
) -> dict[str, float]:
    """Score a functional series.

    Parameters
    ----------
    series
        The reconstruction (t, z, y, x), real or complex; see `series`.
    task
        What the subject did.
    mask
        Voxels of the brain (z, y, x).
    truth
        The series without noise, for errors of the signal and of the phase.
    beta
        True response in per cent (z, y, x), for detection and bias.
    ar1
        Whether t is of whitened noise.

    Returns
    -------
    dict
        Keys of `CONVENTIONS`. What can't be measured is absent.

    """
    brain = np.asarray(mask, dtype=bool)
    if brain.shape != tuple(series.shape[1:]):
        raise ValueError(f"the mask has shape {brain.shape}, the series {tuple(series.shape)}")
    own = maps(series, task, ar1=ar1)
    steady = own.tsnr[brain]
    found = {"tsnr": float(np.median(steady)) if steady.size else math.nan}
    if task.periodic:
        found["coherent"] = float((own.coherence[brain] > COHERENT).sum())
    found["smoothness_fwhm"] = smoothness(series, task, brain)
    if beta is not None:
        found |= _detected(own, np.asarray(beta, dtype=np.float64), brain)
    if truth is not None:
        found["nrmse"] = _error(series, truth, brain)
        if beta is not None and task.periodic:
            active = brain & (np.asarray(beta) >= ACTIVE)
            true = maps(truth, task).phase[active]
            found["phase_error"] = circular_error(own.phase[active], true)
    return {name: value for name, value in found.items() if not math.isnan(value)}


def smoothness(series: Series, task: Task, mask: ArrayLike) -> float:
    """Return the effective FWHM of the noise of a series (t, z, y, x), in voxels."""
    brain, sums = np.asarray(mask, dtype=bool), np.zeros((2, 2))
    for z in range(series.shape[1]):
        sums += neighbour_sums(glm(magnitude(series, z), task.regressor).residual, brain[z])
    return fwhm(sums)


def _detected(own: Maps, beta: Array, brain: NDArray[np.bool_]) -> dict[str, float]:
    """Compare with the true response, where voxels are clearly one or the other."""
    active = brain & (beta >= ACTIVE)
    clear = active | (brain & (np.abs(beta) <= QUIET))
    if not active.any():
        return {}
    t, which = own.t[clear], active[clear]
    mean, true = float(own.beta[active].mean()), float(beta[active].mean())
    hits, false = rates(t, which, threshold=STUDENT)
    return {
        "beta": mean,
        "beta_bias": 100 * (mean / true - 1),
        "auc": auc(t, which),
        "tpr": true_positive_rate(t, which, false_positive_rate=FALSE_POSITIVES),
        "tpr_3.1": hits,
        "fpr_3.1": false,
    }


def _error(series: Series, truth: Series, brain: NDArray[np.bool_]) -> float:
    """Return the root of the summed squared error over that of the summed squared truth."""
    error = power = 0.0
    for z, inside in enumerate(brain):
        a, b = magnitude(series, z)[:, inside], magnitude(truth, z)[:, inside]
        error, power = error + float(((a - b) ** 2).sum()), power + float((b**2).sum())
    return math.sqrt(error / power) if power > 0 else math.nan
