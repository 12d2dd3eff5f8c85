"""What a critic of particles sees: measured and simulated images through the same filter.

Noise hides what is different between them at most frequencies, and detail is weak. So the critic
starts with coarse images, and frequencies can be brought closer in strength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bioreco.errors import UserError, choose
from bioreco.methods import spectra
from bioreco.methods.centring import centred
from bioreco.operators.ctf import contrast_transfer

_ROOM = 1.6  # Nyquist over the cut-off: a Gaussian filter passes a sixth of the power there
_LEAST = 16  # pixels
_FINEST = 0.9  # of Nyquist: where all detail shows, the end of the filter that isn't given
_SHOWN = 0.02  # of the noise: weaker signal shows nothing within minutes
CORRECTIONS = ("none", "flip", "multiply")


@dataclass(frozen=True)
class View:
    """A filter on the way to the critic.

    Attributes
    ----------
    lowpass
        Cut-off at the start and at the end, in fractions of Nyquist; from 1 on there is none. None
        ends where particles fade in the noise: finer, a critic learns noise by heart.
    anneal
        Share of the training after which the second cut-off is reached.
    whiten
        Power of the particles' amplitude spectrum that images are divided by: 0 leaves them, 1
        makes all frequencies equally strong.
    ctf
        "flip" gives all frequencies the sign that they have in the particle, "multiply" also
        weakens those that the microscope hardly passes; "none" leaves images as they are: then the
        sign of fine detail changes with the defocus, which the critic isn't told.
    centre
        Whether particles are brought to the centre, as well as a round blob tells where they lie.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    lowpass: tuple[float, float | None] = (0.12, None)
    anneal: float = 0.6
    whiten: float = 0.5
    ctf: str = "flip"
    centre: bool = True

    def __post_init__(self) -> None:
        low, high = self.lowpass
        if not 0 < low <= (low if high is None else high):
            raise UserError(
                f"method.view.lowpass=[{low},{high}]: two fractions of Nyquist, the coarser first,"
                " or null for the second"
            )
        if not 0 <= self.anneal <= 1 or not 0 <= self.whiten <= 1:
            raise UserError(
                f"method.view.anneal={self.anneal} method.view.whiten={self.whiten}: 0 to 1"
            )
        choose("method.view.ctf", self.ctf, CORRECTIONS)

    def until(self, finest: float) -> View:
        """Return a view that ends at `finest`, a fraction of Nyquist, where no end is given."""
        low, high = self.lowpass
        return self if high is not None else replace(self, lowpass=(low, max(low, finest)))

    def corrected(self, images: Tensor, ctf: Tensor, reach: float) -> Tensor:
        """Return images (b, 1, y, x) centred, and with their CTFs (b, 9) corrected for.

        Particles lie off the centre along x and y by at most `reach`, in Angstrom. All are taken
        from the mean of their corners, which is known but roughly: that of particles was before.
        """
        corners = _corners(images.shape[-1]).to(images.device)
        images = images - images[..., corners].mean(-1)[..., None, None]
        if self.centre and reach:
            images = centred(images, ctf, reach)
        if self.ctf == "none":
            return images
        transfer = contrast_transfer(ctf, images.shape[-1])[:, None]
        return spectra.apply(images, transfer.sign() if self.ctf == "flip" else transfer)

    def show(self, transfer: Tensor, reach: float, images: Tensor, ctf: Tensor) -> Tensor:
        """Return images (b, 1, y, x) corrected and filtered; see `corrected` and `transfer`."""
        return spectra.apply(self.corrected(images, ctf, reach), transfer)

    def cut(self, progress: float) -> float:
        """Return the cut-off at some share of the training, as a fraction of Nyquist."""
        low, high = self.lowpass
        high = _FINEST if high is None else high
        return high if progress >= self.anneal else low + (high - low) * progress / self.anneal

    def pixels(self, progress: float, size: int) -> int:
        """Return how many of `size` pixels are enough for what the filter passes."""
        cut = self.cut(progress)
        enough = 4 * math.ceil(_ROOM * cut * size / 4)
        return size if cut >= 1 else min(size, max(enough, _LEAST))

    def transfer(self, progress: float, rings: Tensor, size: int, full: int) -> Tensor:
        """Return the filter on corrected images (y, x // 2 + 1), at some share of the training.

        Parameters
        ----------
        progress
            0 to 1.
        rings
            Power of the corrected particles at each whole frequency (full // 2 + 1,).
        size, full
            Pixels along y and x that are worked on, and that the particles have.

        Returns
        -------
        Tensor
            Particles differ by a mean square of 1 behind it.

        """
        cut = self.cut(progress) * full / size
        power = spectra.on_plane(rings[: size // 2 + 1], size).clamp(min=1e-12)
        found = spectra.low_pass(size, cut, rings) * power ** (-0.5 * self.whiten)
        weight = torch.full_like(power, 2.0)  # frequencies of the half plane that stand for two
        weight[:, 0] = 1.0
        weight[:, size // 2 if size % 2 == 0 else 0] = 1.0
        return found / ((weight * power * found**2).sum() / size**2).sqrt()


def finest_shown(measured: Tensor, noise: Tensor) -> float:
    """Return the fraction of Nyquist up to which particles show in their noise, 0.9 at most.

    Parameters
    ----------
    measured, noise
        Mean power of particles and of noise alone at each whole frequency (n // 2 + 1,).

    """
    signal = measured / noise.clamp(min=1e-12) - 1
    near = torch.nn.functional.avg_pool1d(signal[None, None], 3, 1)[0, 0]  # of ring 1 and on
    strongest = int(near.argmax())
    faint = (near[strongest:] < _SHOWN).nonzero()
    shown = strongest + int(faint[0]) if len(faint) else len(near)
    return min(shown / (len(measured) - 1), _FINEST)


def _corners(size: int) -> Tensor:
    """Return which pixels lie outside the circle in a square image (y, x)."""
    at = torch.arange(size) - size // 2
    return at[:, None] ** 2 + at**2 > (size / 2) ** 2
