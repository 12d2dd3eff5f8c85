"""The noise of simulated micrographs: white, or coloured by ice; a pure function of its number."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.values import Image
from bioreco.errors import choose

NOISES = ("gaussian", "ice")
PATCHES = 1000
_ICE, _LOW = 3.0, 0.1  # power of ice over that of white noise at frequency 0; its width, 1 / pixel


@dataclass(frozen=True)
class Noise:
    """Noise with standard deviation 1.

    Attributes
    ----------
    box
        Pixels along y and x.
    kind
        "gaussian": white. "ice": with a power spectrum 1 + 3 exp(-k^2 / 2 (0.1 / pixel)^2), scaled.
    seed
        Decides all of it, with the number of the image.

    """

    box: int
    kind: str
    seed: int
    filter: NDArray[np.float32] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        choose("data.microscope.noise", self.kind, NOISES)
        object.__setattr__(self, "filter", None if self.kind == "gaussian" else _ice(self.box))

    def draw(self, stream: int, k: int) -> Image:
        """Return the noise number k of a stream (y, x)."""
        rng = np.random.default_rng([29, self.seed, stream, k])
        white = rng.standard_normal((self.box, self.box), dtype=np.float32)
        if self.filter is None:
            return np.asarray(white)
        spectrum = np.fft.rfft2(white) * self.filter
        return np.asarray(np.fft.irfft2(spectrum, s=(self.box, self.box)), dtype=np.float32)


def _ice(box: int) -> NDArray[np.float32]:
    """Return the amplitude at each frequency of a half plane; the mean power is 1."""
    y, x = np.fft.fftfreq(box)[:, None], np.fft.fftfreq(box)[None]
    power = 1 + _ICE * np.exp(-(x**2 + y**2) / (2 * _LOW**2))
    return np.asarray(np.sqrt(power / power.mean())[:, : box // 2 + 1], dtype=np.float32)


@dataclass(frozen=True)
class Noisy:
    """Simulated images: a signal in units of the noise, and the noise."""

    signal: NDArray[np.float32] = field(repr=False)
    noise: Noise
    name: str

    def __len__(self) -> int:
        return len(self.signal)

    def read(self, k: int) -> Image:
        """Return one image."""
        return np.asarray(self.signal[k] + self.noise.draw(0, k))

    def where(self, k: int) -> str:
        """Say which one it is."""
        return f"{self.name}, particle {k + 1}"


@dataclass(frozen=True)
class Empty:
    """Simulated patches of a micrograph without particles."""

    noise: Noise
    name: str = "simulated background"

    def __len__(self) -> int:
        return PATCHES

    def read(self, k: int) -> Image:
        """Return one patch."""
        return self.noise.draw(1, k)

    def where(self, k: int) -> str:
        """Say which one it is."""
        return f"{self.name}, patch {k + 1}"
