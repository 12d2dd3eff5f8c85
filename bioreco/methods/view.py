"""What a critic of particles sees: measured and simulated images through the same filter.

Noise hides what is different between them at most frequencies, and detail is weak. So the critic
starts with coarse images, and frequencies can be brought closer in strength.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.methods import spectra
from bioreco.operators.ctf import contrast_transfer

CORRECTIONS = ("none", "flip", "multiply")


@dataclass(frozen=True)
class View:
    """A filter on the way to the critic.

    Attributes
    ----------
    lowpass
        Cut-off at the start and at the end, in fractions of Nyquist; from 1 on there is none.
    anneal
        Share of the training after which the second cut-off is reached.
    whiten
        Power of the particles' amplitude spectrum that images are divided by: 0 leaves them, 1
        makes all frequencies equally strong.
    ctf
        "flip" gives all frequencies the sign that they have in the particle, "multiply" also
        weakens those that the microscope hardly passes; "none" leaves images as they are.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    lowpass: tuple[float, float] = (0.25, 1.0)
    anneal: float = 0.6
    whiten: float = 0.5
    ctf: str = "none"

    def __post_init__(self) -> None:
        low, high = self.lowpass
        if not 0 < low <= high:
            raise UserError(
                f"method.view.lowpass=[{low},{high}]: two fractions of Nyquist, the coarser first"
            )
        if not 0 <= self.anneal <= 1 or not 0 <= self.whiten <= 1:
            raise UserError(
                f"method.view.anneal={self.anneal} method.view.whiten={self.whiten}: 0 to 1"
            )
        if self.ctf not in CORRECTIONS:
            raise UserError(
                f"method.view.ctf={self.ctf}: choose one of {', '.join(CORRECTIONS)}."
                + nearest(self.ctf, CORRECTIONS)
            )

    def corrected(self, images: Tensor, ctf: Tensor) -> Tensor:
        """Return images (b, 1, y, x) with their CTFs (b, 9) corrected for."""
        if self.ctf == "none":
            return images
        transfer = contrast_transfer(ctf, images.shape[-1])[:, None]
        return spectra.apply(images, transfer.sign() if self.ctf == "flip" else transfer)

    def transfer(self, progress: float, rings: Tensor, size: int) -> Tensor:
        """Return the filter on corrected images (y, x // 2 + 1), at some share of the training.

        Parameters
        ----------
        progress
            0 to 1.
        rings
            Power of the corrected particles at each whole frequency (size // 2 + 1,).
        size
            Pixels along y and x.

        Returns
        -------
        Tensor
            Particles have a mean square of 1 behind it.

        """
        low, high = self.lowpass
        cut = high if progress >= self.anneal else low + (high - low) * progress / self.anneal
        power = spectra.on_plane(rings, size).clamp(min=1e-12)
        found = spectra.low_pass(size, cut, rings) * power ** (-0.5 * self.whiten)
        weight = torch.full_like(power, 2.0)  # frequencies of the half plane that stand for two
        weight[:, 0] = 1.0
        weight[:, size // 2 if size % 2 == 0 else 0] = 1.0
        return found / ((weight * power * found**2).sum() / size**2).sqrt()
