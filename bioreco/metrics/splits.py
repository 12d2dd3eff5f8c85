"""Two measurements out of one, whose noise is independent.

* Counts are dealt out like cards: y1 ~ Binomial(y, p), and y2 is the rest (`thin`).
* Any other noise of known variance v is recorrupted: y1 = y + a r, y2 = y - r / a with
  r ~ N(0, v); a**2 = 1/p - 1 (`recorrupt`).

Both are at full brightness. The noise of y1 is that of a measurement with the share p of the light,
the dose; that of y2 has the share 1 - p.

References
----------
.. [1] A. Leiner et al., "Data thinning for convolution-closed distributions", JMLR 25, 2024.
.. [2] T. Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021, Eqs. (7) to (9).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise

Array = NDArray[Any]

DOSE = 0.9  # share of the light that the denoiser sees
WHOLE = 0.05  # counts that a pixel may be off a whole number
STRAY = 0.01  # share of the pixels that may be further off
SIMILAR = 0.3  # by how much of it the step between grey levels may differ from the gain
FEW = 30.0  # mean counts up to which it matters that noise is not normal
WINDOW = 5  # pixels along each axis that brightness is averaged over


@dataclass(frozen=True)
class Split:
    """One image in two, several times over.

    Attributes
    ----------
    seen
        What the denoiser is shown (folds, [z,] y, x), in grey levels at full brightness.
    kept
        What it is judged by, of the same shape; given the signal, independent of `seen`.

    """

    seen: Array
    kept: Array


def thin(
    y: ArrayLike,
    *,
    gain: float = 1.0,
    offset: float = 0.0,
    dose: float = DOSE,
    folds: int = 1,
    rng: np.random.Generator,
) -> Split:
    """Deal the counts of an image out into two.

    Parameters
    ----------
    y
        Grey levels, y = gain * counts + offset; pixels that are not finite stay as they are.
    gain, offset
        Grey levels per count, and grey level without any.
    dose
        Share of the counts that the denoiser sees.
    folds
        How often.
    rng
        The random numbers to draw from.

    Raises
    ------
    UserError
        If they are not counts.

    """
    values = np.asarray(y, dtype=np.float64)
    counts = to_counts(values, gain=gain, offset=offset)
    finite = np.isfinite(values)
    first = rng.binomial(counts, dose, size=(folds, *counts.shape)).astype(np.float64)
    seen, kept = first / dose, (counts - first) / (1 - dose)
    missing = np.where(finite, 0.0, values)
    return Split(seen * gain + offset + missing, kept * gain + offset + missing)


def to_counts(y: Array, *, gain: float = 1.0, offset: float = 0.0) -> NDArray[np.int64]:
    """Return grey levels as counts; 0 where they are not finite.

    Raises
    ------
    UserError
        If they are negative or no whole numbers.

    """
    if not gain > 0:
        raise UserError(f"gain={gain}: grey levels per count, above 0")
    scaled = (np.where(np.isfinite(y), y, offset) - offset) / gain
    counts = np.rint(scaled)
    told = f"with {gain:.4g} grey levels per count above {offset:.4g}"
    instead = "give the right gain and offset, or use recorrupted pairs (Gaussian noise)"
    if counts.size and counts.min() < 0:
        raise UserError(
            f"these are not counts: {told} the lowest pixel is {scaled.min():.4g} counts; {instead}"
        )
    stray = float(np.mean(np.abs(scaled - counts) > WHOLE)) if counts.size else 0.0
    if stray > STRAY:
        raise UserError(
            f"these are not counts: {told} {100 * stray:.0f} % of the pixels are no whole number"
            f" of counts; {instead}"
        )
    return counts.astype(np.int64)


def recorrupt(
    y: ArrayLike, noise: Noise, *, dose: float = DOSE, folds: int = 1, rng: np.random.Generator
) -> Split:
    """Add noise to an image and take it away, in shares that make the two independent.

    Parameters
    ----------
    y
        Grey levels; pixels that are not finite stay as they are.
    noise
        That of y. Where it grows with brightness, what is drawn follows the brightness around each
        pixel, and in part the pixel itself.
    dose, folds, rng
        See `thin`.

    Notes
    -----
    Independence is exact for normal noise of this variance. The noise of counts is lopsided: of a
    curved denoiser f it adds f''/2 times its third moment to E[w f(y)]. A variance that follows the
    signal misses that; one that follows the pixel adds f'' gain var(y) and, of counts alone, has it
    twice. So the pixel gets half the share that counting has in the variance, which is right to
    this order. At one count a pixel it decides which of two networks is better.

    """
    values = np.asarray(y, dtype=np.float64)
    around = smooth(values)
    expected = noise.variance(around)
    counted = expected - noise.read_noise**2
    own = 0.5 * np.divide(counted, expected, out=np.zeros_like(expected), where=expected > 0)
    level = around + own * (np.where(np.isfinite(values), values, around) - around)
    sigma = np.sqrt(np.maximum(_line(noise, level), 0))
    drawn = sigma * rng.standard_normal((folds, *values.shape))
    a = np.sqrt(1 / dose - 1)
    with np.errstate(invalid="ignore"):  # infinite pixels stay what they are
        return Split(values + a * drawn, values - drawn / a)


def split(
    y: ArrayLike, noise: Noise, *, dose: float = DOSE, folds: int = 1, rng: np.random.Generator
) -> tuple[Split, Array]:
    """Split an image as suits its noise.

    Returns
    -------
    Split
        Thinned where the image holds few counts and nothing else, else recorrupted.
    ndarray
        Variance of the noise in each pixel of y: right in the mean over pixels.

    """
    values = np.asarray(y, dtype=np.float64)
    lattice = counting(values, noise)
    if lattice is not None:
        gain, offset = lattice
        found = thin(values, gain=gain, offset=offset, dose=dose, folds=folds, rng=rng)
        return found, gain * (values - offset)
    return recorrupt(values, noise, dose=dose, folds=folds, rng=rng), _line(noise, values)


def _line(noise: Noise, level: Array) -> Array:
    """Return the variance at a noisy level, below the offset too, so that its mean is right."""
    with np.errstate(invalid="ignore"):  # pixels that are not finite have no variance
        return np.asarray(noise.gain * (level - noise.offset) + noise.read_noise**2)


def counting(y: Array, noise: Noise) -> tuple[float, float] | None:
    """Return the (gain, offset) of an image of few counts; None if it is something else.

    Its grey levels lie a step apart, which is also how its noise grows with brightness.
    """
    finite = y[np.isfinite(y)]
    if not noise.gain > 0 or noise.level - noise.offset > FEW * noise.gain or not finite.size:
        return None
    steps = np.diff(np.unique(finite))
    step = float(steps.min()) if steps.size else 0.0
    if not abs(step - noise.gain) < SIMILAR * noise.gain:
        return None
    low = float(finite.min())
    offset = low - step * max(0, round((low - noise.offset) / step))
    try:
        to_counts(finite, gain=step, offset=offset)
    except UserError:
        return None
    return step, offset


def smooth(y: ArrayLike) -> Array:
    """Return the mean over a window around each pixel, without the pixels that aren't finite."""
    values = np.asarray(y, dtype=np.float64)
    finite = np.isfinite(values)
    weight = _windowed(finite.astype(np.float64))
    total = _windowed(np.where(finite, values, 0.0))
    overall = float(values[finite].mean()) if finite.any() else 0.0
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), overall)


def _windowed(values: Array) -> Array:
    """Return the mean over a window, cut at the borders, along each axis in turn."""
    for axis, n in enumerate(values.shape):
        width = min(WINDOW, n if n % 2 else n - 1)
        if width < 2:
            continue
        rim = [(0, 0)] * values.ndim
        rim[axis] = (width // 2, width // 2)
        padded = np.pad(values, rim, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=axis)
        values = windows.mean(-1)
    return values
