"""Simulated sprites: small bent shapes, turned, moved, blurred and noisy, with their truth.

They are particles as a method sees them, and can be written as such: the angle is RELION's psi.
What is seen of them is known in closed form, as they are made of Gaussian blobs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.noise import Noise, Noisy
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.samples import ParticleSamples
from bioreco.data.particles.values import NO_CTF, Image, ParticleSet
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]

SIDE = 28  # pixels of the box that sizes are told for
TAIL, FAINT = 6, 0.4  # blobs, and how bright each is next to the head
BEND, LENGTH = (0.2, 1.4), (6.0, 10.0)  # of the tail, in radians and pixels
MEASURED, OTHERS = 1, 2  # streams: the images that are measured, and clean ones of the same kind


@dataclass(frozen=True)
class Kept(Preparation):
    """Images that are left on their scale, on which noise has a deviation of 1."""

    def apply(self, image: Image, said: str) -> Image:  # noqa: ARG002
        """Return an image as it is."""
        return image


class Sprites:
    """Images of a head with a bent tail, all different.

    Parameters
    ----------
    seed
        Decides all of it.
    particles
        How many.
    box
        Pixels along y and x; sprites grow with it.
    noise
        Standard deviation of the noise; a head is about 1 bright where there is no blur.
    turn
        Angles are even between minus and plus this, in degrees.
    shift
        Sprites lie off the centre by at most this along x and y, in pixels.
    sigma
        Standard deviation of a Gaussian blur, in pixels; 0: none.

    Attributes
    ----------
    particles, truth, conformations, preparation, box, pixel_size
        As of `CryoEMData`: there is no volume, and pixels are 1 Angstrom.
    codes
        Bend and length of each tail (n, 2), in -1 to 1.
    unit
        What the values of training have to be multiplied by to be those of the images.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    kind = "particles"
    inputs, dims, channels, augment = 1, 2, "independent", "none"
    truth = conformations = None
    pixel_size = 1.0

    def __init__(
        self,
        *,
        seed: int,
        particles: int = 4000,
        box: int = 28,
        noise: float = 0.2,
        turn: float = 180.0,
        shift: float = 1.5,
        sigma: float = 0.0,
    ) -> None:
        if particles < 2 or not 16 <= box <= 256 or noise <= 0:
            raise UserError(
                f"data.particles={particles} data.box={box} data.noise={noise:g}: at least 2, 16 to"
                " 256 pixels, and above 0"
            )
        if not 0 <= turn <= 180 or shift < 0 or sigma < 0:
            raise UserError(
                f"data.turn={turn:g} data.shift={shift:g} data.sigma={sigma:g}: 0 to 180 degrees,"
                " and not negative"
            )
        self.seed, self.box, self.unit = seed, box, noise
        self._turn, self._shift = turn, shift
        psi, moved, self.codes = self._drawn(particles, MEASURED)
        seen = draw(psi, moved, self.codes, box, sigma) / np.float32(noise)
        name = "simulated sprites"
        c, s, o = np.cos(psi), np.sin(psi), np.zeros(particles)
        poses = np.stack([[c, s, o], [-s, c, o], [o, o, o + 1]]).transpose(2, 0, 1)
        self.particles = ParticleSet(
            name=name,
            source=Noisy(seen, Noise(box, "gaussian", seed), name),
            index=np.arange(particles, dtype=np.int64),
            box=box,
            ctf=np.tile(np.array([*NO_CTF, self.pixel_size], np.float32), (particles, 1)),
            optics=np.zeros(particles, np.int64),
            poses=poses.astype(np.float32),
            origins=-moved.astype(np.float32),
            halves=1 + np.arange(particles, dtype=np.int64) % 2,
        )
        self.preparation = Kept(box, box)
        log.info(
            "These are %d simulated sprites (seed %d) of %d x %d pixels: turned by up to %g"
            " degrees, off centre by up to %g pixels, blur %g pixels, noise %g.",
            *(particles, seed, box, box, turn, shift, sigma, noise),
        )

    @property
    def patch(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return self.box, self.box

    def training(self, wants: Sequence[str] = ()) -> ParticleSamples:
        """Return what is learnt from, with what the method wants beside y, ctf and seed.

        Raises
        ------
        UserError
            If the sprites lack it.

        """
        return ParticleSamples(self.particles, self.preparation, tuple(wants))

    def clean(self, count: int) -> Array:
        """Return images (count, y, x) of further sprites, without blur and noise."""
        return draw(*self._drawn(count, OTHERS), self.box)

    def _drawn(self, count: int, stream: int) -> tuple[Doubles, Doubles, Doubles]:
        """Return angles (n,) in radians, shifts (n, 2) along (x, y), and codes (n, 2)."""
        rng = np.random.default_rng([53, self.seed, stream])
        psi = np.deg2rad(rng.uniform(-self._turn, self._turn, count))
        return psi, rng.uniform(-1, 1, (count, 2)) * self._shift, rng.uniform(-1, 1, (count, 2))


def draw(psi: Doubles, moved: Doubles, codes: Doubles, box: int, sigma: float = 0.0) -> Array:
    """Return sprites (n, y, x).

    Parameters
    ----------
    psi, moved
        Angle (n,) and shift (n, 2) of each: x_image = A(psi) x + shift with the passive rotation.
    codes
        Bend and length of the tails (n, 2), in -1 to 1.
    box, sigma
        Pixels along a side; deviation of a Gaussian blur in pixels.

    """
    bend, length = (low + (high - low) * (code[:, None] + 1) / 2
                    for (low, high), code in zip((BEND, LENGTH), codes.T, strict=True))  # fmt: skip
    heading = bend * (np.arange(TAIL) + 0.5) / TAIL
    steps = np.stack([np.cos(heading), np.sin(heading)], -1) * (length / TAIL)[..., None]
    tail = np.cumsum(steps, 1) + np.array([-2.5, 0.0])
    head = np.broadcast_to([-5.0, 0.0], (len(codes), 1, 2))
    scale = box / SIDE
    x, y = np.moveaxis(np.concatenate([head, tail], 1) * scale, -1, 0)
    c, s = np.cos(psi)[:, None], np.sin(psi)[:, None]
    at_x, at_y = c * x + s * y + moved[:, :1], c * y - s * x + moved[:, 1:]
    width = np.array([2.4, *np.linspace(1.4, 1.0, TAIL)]) * scale
    wide = np.sqrt(width**2 + sigma**2)
    bright = np.array([1.0, *[FAINT] * TAIL]) * (width / wide) ** 2
    grid = np.arange(box) - box // 2
    along_y, along_x = (
        np.exp(-((grid - at[..., None]) ** 2) / (2 * wide[:, None] ** 2)) for at in (at_y, at_x)
    )
    images = np.matmul((bright[:, None] * along_y).swapaxes(1, 2), along_x)
    return np.asarray(images, dtype=np.float32)
