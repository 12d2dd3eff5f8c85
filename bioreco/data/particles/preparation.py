"""From a stored image to what a method sees: white particles on a background of mean 0 and sd 1."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.resample import interpolation
from bioreco.data.particles.values import PIXEL_SIZE, Image, ParticleSet
from bioreco.errors import UserError


@dataclass(frozen=True)
class Preparation:
    """Fewer pixels, the right contrast, a normalised background.

    Attributes
    ----------
    stored, box
        Pixels along y and x of stored images and of what a method sees; the field of view is kept.
    radius
        What lies further from the centre is background, as a share of half the box.
    sign
        1 for images with white particles, -1 for black ones.

    """

    stored: int
    box: int
    radius: float = 1.0
    sign: int = 1
    matrix: NDArray[np.float32] | None = field(init=False, repr=False)
    ring: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        step = self.stored / self.box
        cut = interpolation(self.stored, self.box, step) if self.box != self.stored else None
        object.__setattr__(self, "matrix", None if cut is None else cut.astype(np.float32))
        object.__setattr__(self, "ring", outside(self.box, self.radius))

    def fewer(self, image: Image) -> Image:
        """Return the image with `box` pixels along y and x."""
        if self.matrix is None:
            return image
        return np.asarray(self.matrix @ image @ self.matrix.T, dtype=np.float32)

    def apply(self, image: Image, said: str) -> Image:
        """Return a particle image (y, x) as a method sees it.

        Raises
        ------
        UserError
            If it is constant or holds what isn't a number; `said` is where it comes from.

        """
        small = self.fewer(image)
        mean, deviation = measured(small, small[self.ring], said)
        return (small - np.float32(mean)) * np.float32(self.sign / deviation)

    def noise(self, image: Image, said: str) -> Image:
        """Return a patch of background: all of it has mean 0 and standard deviation 1."""
        small = self.fewer(image)
        mean, deviation = measured(small, small, said)
        return (small - np.float32(mean)) * np.float32(self.sign / deviation)

    def ctf(self, particles: ParticleSet) -> NDArray[np.float32]:
        """Return the CTF of the particles (n, 9), with the pixel size of what a method sees."""
        ctf = particles.ctf.copy()
        ctf[:, PIXEL_SIZE] *= self.stored / self.box
        return ctf


def outside(box: int, radius: float) -> NDArray[np.bool_]:
    """Return which pixels are further from the centre than a share of half the box.

    Raises
    ------
    UserError
        If too few are.

    """
    at = np.arange(box) - box // 2
    ring = at[:, None] ** 2 + at[None] ** 2 > (radius * box / 2) ** 2
    if ring.sum() < max(16, 0.02 * box * box):
        raise UserError(
            f"a background further than {radius:g} of half the box from the centre has only"
            f" {ring.sum()} of {box * box} pixels; say a smaller data.diameter"
        )
    return ring


def measured(image: Image, background: Image, said: str) -> tuple[float, float]:
    """Return mean and standard deviation of the background of an image.

    Raises
    ------
    UserError
        If the image holds what isn't a number, or its background is constant.

    """
    if not np.isfinite(image).all():
        raise UserError(f"{said}: the image holds values that aren't finite numbers (NaN).")
    mean, deviation = (float(v(dtype=np.float64)) for v in (background.mean, background.std))
    if deviation <= 1e-6 * abs(mean) or deviation == 0:
        what = "image" if np.ptp(image) == 0 else "background of the image"
        raise UserError(f"{said}: the {what} is constant.")
    return mean, deviation
