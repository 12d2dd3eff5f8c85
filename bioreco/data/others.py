"""Fully sampled images of others: the sharp domain of unpaired learning on k-space.

They are simulated heads, or images of the user's. Each is drawn with coils and a mask, and has the
brightness that a measurement with them has, so that a critic can't tell the domains by their scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition
from bioreco.data.formats import find_images, open_image
from bioreco.data.frames import Frames
from bioreco.data.image import times
from bioreco.data.kspace.undersampling import drawn
from bioreco.data.simulation.mri import SimulatedMRI, simulate
from bioreco.errors import UserError

SUBSAMPLING = ("stochastic", "deterministic")
APART = 100_003  # added to the seed of those that are simulated
BRIGHT = 99.0  # percentile of the zero-filled image that the network sees as 1
BEND = 1.0  # radians at the border: the phase that is given to images without one

Complex = NDArray[np.complex64]
Sample = dict[str, Any]


class Others:
    """Images of others than those measured.

    Parameters
    ----------
    acquisitions
        The scans.
    given
        "simulated", or files, folders or globs.
    seed
        Decides who is simulated.
    pattern, acceleration, acs
        Of masks drawn anew; without a pattern those of the measurements are used.

    Raises
    ------
    UserError
        If the images can't be used.

    """

    def __init__(
        self,
        acquisitions: Sequence[Acquisition],
        given: str | list[str],
        *,
        seed: int,
        pattern: str | None,
        acceleration: float | None,
        acs: int,
    ) -> None:
        self.first, self.seed = acquisitions[0], seed
        if self.first.bands > 1:
            raise UserError("learning from sharp images of others is for one slice at a time")
        sizes = {scan.size for scan in acquisitions}
        if len(sizes) > 1:
            told = ", ".join(sorted(times(size) for size in sizes))
            raise UserError(f"the scans differ in size ({told}), and sharp images have one")
        self.pattern, self.acceleration, self.acs = pattern, acceleration, acs
        self.images = None if given == "simulated" else _read(given, self.first.size)

    @cached_property
    def _simulated(self) -> SimulatedMRI:
        return simulate(seed=self.seed + APART, size=max(self.first.size), coils=self.first.coils)

    @cached_property
    def _known(self) -> list[tuple[Complex, Complex]]:
        """Return images (1, y, x) and coil maps (1, coils, y, x) of all simulated slices."""
        heads, size = self._simulated, self.first.size
        return [
            (_middle(heads.reference(0, k), size), _middle(heads.maps(k), size))
            for k in range(heads.groups)
        ]

    def draw(self, sample: Sample, seed: int) -> Sample:
        """Return one of them, for a problem to be shown beside."""
        rng = np.random.default_rng([seed % 2**63, 5])
        if self.images is None:
            x, maps = self._known[int(rng.integers(len(self._known)))]
        else:
            maps = sample["maps"]
            inside = (np.abs(maps) ** 2).sum(1) > 0
            x = self.images[int(rng.integers(len(self.images)))] * inside
            x = x if np.iscomplexobj(x) else x * _phase(self.first.size, rng)
        mask = self._mask(sample["mask"], rng)
        unit = _brightness(x, maps, mask)
        found = (x / unit).astype(np.complex64)
        return {"sharp": found, "sharp_maps": maps, "sharp_mask": mask}

    def _mask(self, measured: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
        factor = self.acceleration or 1
        if self.pattern is None:
            return measured
        if factor == 1:  # measured so: the same lines, rolled around the centre that all have
            return _rolled(measured, rng)
        return drawn(self.pattern, self.first.size, factor, self.acs, rng)[None]


def _read(given: str | list[str], size: tuple[int, int]) -> list[NDArray[Any]]:
    found: list[NDArray[Any]] = []
    for path in find_images([given] if isinstance(given, str) else list(given)):
        frames = Frames(open_image(path), 2)
        if frames.channels > 1:
            raise UserError(f"data.sharp: {frames.image.name} has several channels; MRI has one")
        if frames.shape != size:
            raise UserError(
                f"data.sharp: {frames.image.name} is {times(frames.shape)} pixels, but the scans"
                f" are {times(size)}"
            )
        found += [np.nan_to_num(frames.read(k)) for k in range(len(frames))]
    found = [one for one in found if np.ptp(one) > 0]
    if not found:
        raise UserError("data.sharp: all pixels of the sharp images are alike")
    return found


def _middle(values: Complex, size: tuple[int, int]) -> Complex:
    starts = [(n - m) // 2 for n, m in zip(values.shape[-2:], size, strict=True)]
    rows, columns = (slice(a, a + m) for a, m in zip(starts, size, strict=True))
    return np.ascontiguousarray(values[..., rows, columns])


def _phase(size: tuple[int, int], rng: np.random.Generator) -> Complex:
    """Return a smooth random phase, as images of magnitudes have lost theirs."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    parts = (np.ones_like(y), y, x, y * x, y**2, x**2)
    bend = sum(part * rng.normal(0, BEND) for part in parts)
    return np.exp(1j * (bend + rng.uniform(0, 2 * np.pi))).astype(np.complex64)


def _rolled(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Keep the centre of a mask (1, ky, kx), and roll the lines beyond it."""
    lines = mask[0].any(1)
    middle = len(lines) // 2
    low, high = middle, middle
    while low > 0 and lines[low - 1]:
        low -= 1
    while high < len(lines) and lines[high]:
        high += 1
    rolled = np.roll(lines, int(rng.integers(len(lines))))
    rolled[low:high] = True
    return np.asarray((rolled[:, None] & mask[0].any(0)[None])[None])


def _brightness(x: NDArray[Any], maps: Complex, mask: NDArray[np.bool_]) -> float:
    """Return how bright the zero-filled image would be, as that of a measurement is found."""
    images = maps[0] * x[0]
    centred = np.fft.fft2(np.fft.ifftshift(images, axes=(-2, -1)), norm="ortho")
    kept = np.fft.fftshift(centred, axes=(-2, -1)) * mask
    combined = np.sqrt((np.abs(np.fft.ifft2(kept, norm="ortho")) ** 2).sum(0))
    return max(float(np.percentile(combined, BRIGHT)), 1e-30)
