"""Small k-space for the tests: an object, coils that see it, and noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bioreco.data.acquisition import Acquisition, Paradigm
from bioreco.data.kspace.fourier import to_kspace
from bioreco.data.kspace.scans import plain_geometry


def coil_maps(coils, size, turn=0.0):
    """Smooth complex maps with sum |C|^2 = 1, placed around the object."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    maps = []
    for angle in np.arange(coils) * 2 * np.pi / coils + turn:
        far = (y - 1.3 * np.sin(angle)) ** 2 + (x - 1.3 * np.cos(angle)) ** 2
        maps.append(np.exp(1j * (2 * np.cos(angle) * x + angle)) / (far + 0.5))
    maps = np.stack(maps)
    return (maps / np.sqrt((np.abs(maps) ** 2).sum(0))).astype(np.complex64)


def disc(size, radius=0.75):
    """An object with some structure, and a smooth phase."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    image = (np.hypot(y, x) < radius) * (1 + 0.5 * (np.abs(x) < 0.2) + 0.3 * np.cos(9 * y))
    return (image * np.exp(1j * (0.7 * x - 0.4 * y))).astype(np.complex64)


@dataclass(frozen=True, eq=False)
class Made(Acquisition):
    """An acquisition held in memory; counts what is read."""

    y: np.ndarray = field(kw_only=True)
    taken: np.ndarray = field(kw_only=True)
    c: np.ndarray = field(kw_only=True)
    x: np.ndarray | None = field(kw_only=True, default=None)
    single: np.ndarray | None = field(kw_only=True, default=None)
    silent: np.ndarray | None = field(kw_only=True, default=None)
    reads: list = field(kw_only=True, default_factory=list)

    def kspace(self, frame, group):
        self.reads.append((frame, group))
        return self.y[frame, group] * self.mask(frame, group)

    def mask(self, frame, group):
        return self.taken[frame, group]

    def maps(self, group):
        return self.c[group]

    def calibration(self, group):
        return None if self.single is None else self.single[group]

    def reference(self, frame, group):
        return None if self.x is None else self.x[frame, group]

    def noise(self):
        return self.silent


def made(frames=2, groups=2, bands=1, coils=4, size=(32, 30), sigma=0.0, seed=0, **parts):
    """Return an acquisition whose k-space is that of its image, its maps, and noise."""
    rng = np.random.default_rng(seed)
    c = np.stack([[coil_maps(coils, size, g + s) for s in range(bands)] for g in range(groups)])
    x = np.stack(
        [
            [[(1 + 0.1 * f + g + s) * disc(size) for s in range(bands)] for g in range(groups)]
            for f in range(frames)
        ]
    )
    y = to_kspace((c[None] * x[:, :, :, None]).sum(2))
    y = y + sigma / np.sqrt(2) * (rng.normal(size=y.shape) + 1j * rng.normal(size=y.shape))
    place = plain_geometry(groups, bands, (2.0, 2.5, 3.0), size)
    values = {
        "y": y.astype(np.complex64),
        "taken": np.ones((frames, groups, *size), bool),
        "c": c,
        "x": x,
        "name": "made",
        "frames": frames,
        "groups": groups,
        "bands": bands,
        "coils": coils,
        "size": size,
        "caipi": tuple(5.0 * s for s in range(bands)),
        "geometry": place,
    }
    return Made(**{**values, **parts})


def task(frames):
    return Paradigm(np.linspace(0, 1, frames), 0.05, np.ones((2, 3, 4), np.float32))
