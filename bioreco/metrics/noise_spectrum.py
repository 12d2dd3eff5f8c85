"""The power spectrum of the noise of images, from their flattest blocks.

At every brightness the blocks with the least power at the lowest frequencies are kept. Those
frequencies are not used afterwards, so that keeping them does not pick quiet noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROUGH = 2.5 / 32  # cycles per pixel below which structure is looked for


@dataclass(frozen=True)
class Spectrum:
    """A mean power spectrum.

    Attributes
    ----------
    power : ndarray (side, side)
        Of unit mean above the lowest frequencies; nothing where there is no noise.
    pixels : int
        How many it was measured in.
    """

    power: Array
    pixels: int


def noise_spectrum(parts: Sequence[Array], side: int, lag: int = 0) -> Spectrum:
    """Return the mean spectrum of the flattest blocks.

    Parameters
    ----------
    parts : sequence of ndarray (z, y, x)
        Of at least `side` pixels along y and x.
    side : int
        Pixels along one side of a block.
    lag : int
        Slices between the two whose cross spectrum is taken.

    Returns
    -------
    Spectrum
    """
    level, structure, noise, spectra = (
        np.concatenate(found)
        for found in zip(*(_blocks(p, side, lag) for p in parts if len(p) > lag), strict=True)
    )
    order = np.argsort(level, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // 24, 1, 24)))
    means, rough, kept = [], [], 0
    for group in groups:
        flat = _flattest(group, structure)
        power = float(noise[flat].mean()) if len(flat) else 0.0
        if power > 0:
            kept += len(flat)
            means.append(spectra[flat].mean(axis=0) / power)
            rough.append(float(structure[flat].mean()) / power)
    if not means:
        return Spectrum(np.zeros((side, side)), 0)
    doubt = np.array(rough) / max(3 * float(np.quantile(rough, 0.15)), 1e-12)
    mean = np.average(means, axis=0, weights=1 / (1 + doubt**2))
    return Spectrum(np.asarray(mean), kept * side**2 // 2)  # blocks overlap by half


def _blocks(part: Array, side: int, lag: int) -> tuple[Array, Array, Array, Array]:
    """Return brightness, structure, noise power and (cross) spectrum of half-overlapping blocks."""
    step = side // 2
    windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2))
    first = windows[: len(part) - lag, ::step, ::step].reshape(-1, side, side)
    other = windows[lag:, ::step, ::step].reshape(-1, side, side)
    whole = np.isfinite(first).all(axis=(1, 2)) & np.isfinite(other).all(axis=(1, 2))
    window = np.outer(hann(side), hann(side))
    one, two = (
        np.fft.fft2((b[whole] - b[whole].mean(axis=(1, 2), keepdims=True)) * window)
        for b in (first, other)
    )
    scale = (window**2).sum()
    own = np.abs(one) ** 2 / scale
    k = frequency(side)
    structure = own[:, (k > 0) & (k <= ROUGH)].mean(axis=1)
    noise = own[:, k > ROUGH].mean(axis=1)
    live = noise > 0
    spectra = (one * two.conj()).real / scale
    return first[whole].mean(axis=(1, 2))[live], structure[live], noise[live], spectra[live]


def _flattest(group: Array, structure: Array) -> Array:
    """Return the blocks of one brightness with little power at the lowest frequencies."""
    if not len(group):
        return group
    ordered = group[np.argsort(structure[group], kind="stable")]
    near = int((structure[group] <= 2.5 * np.quantile(structure[group], 0.1)).sum())
    return np.asarray(ordered[: min(max(near, 4), max(4, len(group) // 2))])


def hann(side: int) -> Array:
    """Return the (periodic) Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side))


def frequency(side: int) -> Array:
    """Return the cycles per pixel of each bin of a spectrum (side, side)."""
    f = np.fft.fftfreq(side)
    return np.asarray(np.hypot(f[:, None], f[None, :]))
