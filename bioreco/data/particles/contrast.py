"""Are the particles white or black? Measured on the images, or asked for; never guessed.

Each image is compared with what a soft ball would look like through the CTF of that image. The sign
of the mean correlation, over its standard error, tells the contrast.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.values import Image, ParticleSet
from bioreco.errors import UserError, choose
from bioreco.operators.ctf import contrast_transfer

log = logging.getLogger("bioreco")

CONTRASTS = ("auto", "white", "black")
CLEAR = 4.0  # standard errors
_MOST = 1000
_WIDTH = 0.15  # standard deviation of the ball, as a share of the box


@dataclass(frozen=True)
class Contrast:
    """How the particles of a set stand out.

    Attributes
    ----------
    sign
        1 for white particles, -1 for black ones.
    score
        The mean correlation with a ball over its standard error; for few images, whose error is
        itself uncertain, as many standard errors of many images as are as improbable (Student's t).
    correlation
        The mean correlation itself.
    images
        How many images were looked at.

    """

    sign: int
    score: float
    correlation: float
    images: int

    def __str__(self) -> str:
        word = "white" if self.sign > 0 else "black"
        return (
            f"particles are {word}: mean correlation {self.correlation:+.3f} with a ball seen"
            f" through the CTF, {abs(self.score):.1f} standard errors from 0, over"
            f" {self.images} images"
        )


def contrast_of(particles: ParticleSet, preparation: Preparation) -> Contrast:
    """Measure the contrast of up to 1000 particles spread over the set."""
    chosen = np.unique(np.linspace(0, len(particles) - 1, min(len(particles), _MOST)).astype(int))
    ctf = preparation.ctf(particles)[chosen]
    found = np.empty(len(chosen))
    for start in range(0, len(chosen), 100):
        part = slice(start, start + 100)
        balls = _balls(ctf[part], preparation)
        for k, (number, ball) in enumerate(zip(chosen[part], balls, strict=True), start):
            image = preparation.apply(particles.read(number), particles.where(number))
            found[k] = _correlation(preparation.sign * image, ball)
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.inf
    score = _normal(float(found.mean() / max(error, 1e-12)), len(found))
    return Contrast(1 if score >= 0 else -1, score, float(found.mean()), len(found))


def _normal(score: float, images: int) -> float:
    """Return the standard score as improbable as Student's t of that many images."""
    if images >= _MOST:
        return score
    tail = max(float(stats.t.sf(abs(score), max(images - 1, 1))), 1e-300)
    return float(np.copysign(max(stats.norm.isf(tail), 0.0), score))


def _balls(ctf: np.ndarray, preparation: Preparation) -> np.ndarray:
    """Return a soft ball as each CTF shows it (n, y, x)."""
    box = preparation.box
    at = torch.fft.fftshift(torch.fft.fftfreq(box))  # in boxes
    ball = torch.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * _WIDTH**2))
    spectrum = torch.fft.rfft2(ball) * contrast_transfer(torch.from_numpy(ctf), box)
    return np.asarray(torch.fft.irfft2(spectrum, s=(box, box)).numpy())


def _correlation(image: Image, ball: Image) -> float:
    a, b = (values - values.mean(dtype=np.float64) for values in (image, ball))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def settled(particles: ParticleSet, preparation: Preparation, wanted: str) -> int:
    """Return 1 for white particles and -1 for black ones: as the user says, or as measured.

    Raises
    ------
    UserError
        If the user leaves it open and the images don't tell.

    """
    choose("data.contrast", wanted, CONTRASTS)
    measured = contrast_of(particles, preparation)
    clear = abs(measured.score) >= CLEAR
    if wanted == "auto" and not clear:
        raise UserError(
            f"{particles.name}: the images don't tell whether particles are white or black"
            f" ({abs(measured.score):.1f} standard errors from 0 over {measured.images} images,"
            f" {CLEAR:g} are wanted).\nSay data.contrast=white for bright particles, as RELION"
            " extracts them, or data.contrast=black for dark ones, as raw micrographs have them."
        )
    if wanted == "auto":
        log.info("%s: %s.", particles.name, measured)
        return measured.sign
    sign = 1 if wanted == "white" else -1
    if clear and sign != measured.sign:
        log.warning("%s: data.contrast=%s, but %s.", particles.name, wanted, measured)
    return sign
