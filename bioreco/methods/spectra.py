"""Spectra of images by frequency alone, and filters made of them.

Spectra are half planes as `torch.fft.rfft2` orders them, (y, x // 2 + 1), with unitary transforms:
white noise of variance 1 has a power of 1 at each frequency.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BANDS = {"low": (0.0, 0.25), "middle": (0.25, 0.5), "high": (0.5, 0.75)}  # of Nyquist


def frequency(size: int, like: Tensor) -> Tensor:
    """Return the distance from the zero frequency, in fractions of Nyquist (y, x // 2 + 1)."""
    y = torch.fft.fftfreq(size, device=like.device, dtype=like.dtype)[:, None]
    x = torch.fft.rfftfreq(size, device=like.device, dtype=like.dtype)[None]
    k: Tensor = 2 * (y**2 + x**2).sqrt()
    return k


def power(images: Tensor) -> Tensor:
    """Return the mean power of images (b, c, y, x) at each frequency (y, x // 2 + 1)."""
    spectrum = torch.fft.rfft2(images, norm="ortho")
    mean: Tensor = (spectrum.real**2 + spectrum.imag**2).mean((0, 1))
    return mean


def by_radius(plane: Tensor, size: int) -> Tensor:
    """Average a half plane (y, x // 2 + 1) over rings one frequency wide: (size // 2 + 1,).

    What lies beyond Nyquist, in the corners, counts as the last ring.
    """
    ring = _ring(size, plane)
    total = torch.zeros(size // 2 + 1).to(plane).index_add(0, ring, plane.flatten())
    return total / torch.bincount(ring, minlength=size // 2 + 1)


def on_plane(rings: Tensor, size: int) -> Tensor:
    """Return values of rings (n // 2 + 1,) at the frequencies of a half plane, by interpolation."""
    place = (frequency(size, rings) * (len(rings) - 1)).clamp(max=len(rings) - 1)
    below = place.floor().long().clamp(max=len(rings) - 2)
    return torch.lerp(rings[below], rings[below + 1], place - below)


def low_pass(size: int, cut: float, like: Tensor) -> Tensor:
    """Return a Gaussian amplitude filter that halves the power at `cut`, a fraction of Nyquist.

    From 1 on there is no filter.
    """
    k = frequency(size, like)
    return torch.ones_like(k) if cut >= 1 else torch.exp(-0.5 * math.log(2) * (k / cut) ** 2)


def apply(images: Tensor, transfer: Tensor) -> Tensor:
    """Multiply the spectra of images (b, c, y, x), with periodic borders."""
    filtered: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * transfer, s=images.shape[-2:])
    return filtered


@torch.no_grad()
def compare(real: Tensor, fake: Tensor, nyquist: float = 1.0) -> dict[str, Tensor]:
    """Return the power of simulated over that of measured images (b, c, y, x), by band.

    Parameters
    ----------
    real, fake
        Measured and simulated images.
    nyquist
        Theirs, as a fraction of that which the bands are told of.

    Returns
    -------
    dict of Tensor
        `power_low`, `power_middle` and `power_high`: up to 0.25, 0.5 and 0.75 of Nyquist, as far
        as the images go.

    """
    k = nyquist * frequency(real.shape[-1], real)
    measured, made = power(real), power(fake)
    return {
        f"power_{name}": made[band].mean() / measured[band].mean().clamp(min=1e-12)
        for name, (low, high) in _BANDS.items()
        if low < nyquist
        for band in ((k > low) & (k <= high),)
    }


@torch.no_grad()
def of_images(images: Tensor) -> Tensor:
    """Return the mean power of images (b, c, y, x) in rings from 0 to Nyquist (y // 2 + 1,)."""
    return by_radius(power(images), images.shape[-1])


def of_particles(y: Tensor, patches: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the power of particles and of their noise in rings from 0 to Nyquist (y // 2 + 1,).

    The noise is that of patches (b, 1, y, x) without particles, or white with a variance of 1.
    """
    measured = of_images(y - y.mean())
    return measured, torch.ones_like(measured) if patches is None else of_images(patches)


def _ring(size: int, like: Tensor) -> Tensor:
    rings = (frequency(size, like) * size / 2).round().long()
    return rings.clamp(max=size // 2).flatten()
