"""Small multi-coil k-space of a phantom, for tests: smooth phase and coils, noise, many shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor


def phantom(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ellipses within a body, with smooth phase (y, x) complex, and the body."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = (x / 0.72) ** 2 + (y / 0.88) ** 2 < 1
    image = 0.4 * body
    for _ in range(20):
        cy, cx = rng.uniform(-0.6, 0.6, 2)
        a, b = rng.uniform(0.05, 0.3, 2)
        image = image + rng.uniform(-0.25, 0.35) * (((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1)
    phase = gaussian_filter(rng.standard_normal((size, size)), size / 6, mode="wrap")
    image = gaussian_filter(np.clip(image, 0, 1) * body, 0.6)
    return body * image * np.exp(1.5j * phase / np.abs(phase).max()), body


def coils(size: int, count: int) -> np.ndarray:
    """Return smooth maps (coils, y, x) around the object, with sum |C|^2 = 1."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle = 2 * np.pi * np.arange(count)[:, None, None] / count
    far = (x - 1.15 * np.cos(angle)) ** 2 + (y - 1.15 * np.sin(angle)) ** 2
    maps = np.exp(1j * (angle + 0.7 * x * np.cos(angle))) / (far + 0.09)
    return maps / np.sqrt((np.abs(maps) ** 2).sum(0))


def scans(
    seeds: Sequence[int],
    *,
    size: int = 32,
    count: int = 6,
    every: int = 4,
    centre: int = 6,
    sigma: float = 0.01,
) -> dict[str, Tensor]:
    """Return a batch: every so many lines from a random one on, and those in the centre."""
    found: dict[str, list[np.ndarray]] = {key: [] for key in ("y", "mask", "maps", "x")}
    for seed in seeds:
        rng = np.random.default_rng([7, seed])
        x, body = phantom(size, seed)
        maps = coils(size, count) * body
        lines = np.arange(size) % every == rng.integers(every)
        lines[size // 2 - centre // 2 : size // 2 + centre // 2] = True
        mask = np.repeat(lines[:, None], size, 1)
        shifted = np.fft.ifftshift(maps * x, axes=(-2, -1))
        k = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))
        noise = rng.standard_normal((2, *k.shape))
        y = mask * (k + sigma * (noise[0] + 1j * noise[1]))
        for key, value in (("y", y), ("mask", mask[None]), ("maps", maps[None]), ("x", x[None])):
            found[key].append(value if key == "mask" else value.astype(np.complex64))
    b = len(found["y"])
    return {
        **{key: torch.from_numpy(np.stack(values)) for key, values in found.items()},
        "caipi": torch.zeros(b, 1),
        "unit": torch.ones(b),
        "item": torch.arange(b),
        "seed": torch.arange(b) + 1000,
    }


def error(x_hat: Tensor, x: Tensor) -> float:
    """Return ||x_hat - x|| / ||x||."""
    return float((x_hat - x).norm() / x.norm())
