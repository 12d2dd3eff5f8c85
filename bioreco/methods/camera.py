"""The noise that a camera adds to simulated images, as strong as in the measurements."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.methods.method import Batch, Facts
from bioreco.methods.setting import noise_of


@dataclass(frozen=True)
class Camera:
    """Noise of variance gain * (level - offset) + read^2, in grey levels.

    Attributes
    ----------
    gain, offset, read
        `read` is all of the noise where the gain isn't known.
    sigma
        The mean deviation.

    """

    gain: float = 0.0
    offset: float = 0.0
    read: float = 0.0
    sigma: float = 0.0

    @classmethod
    def of(cls, facts: Facts) -> Camera:
        """Return the mean of what is known of each image; no noise where there is none."""
        found = [noise_of(facts, k, 0, float(unit[0])) for k, (_, unit) in enumerate(facts.scales)]
        if not found:
            return cls()
        gain, offset, read, sigma = (
            sum(one[key] for one in found) / len(found)
            for key in ("gain", "offset", "read_noise", "sigma")
        )
        return cls(gain, offset, read if gain > 0 else sigma, sigma)

    def deviation(self, clean: Tensor, batch: Batch) -> Tensor:
        """Return that of the noise of images (b, c, [z,] y, x), on the scale of the batch."""
        unit, shift = (_of(batch, key, clean, other) for key, other in (("unit", 1), ("shift", 0)))
        level = clean.detach() * unit + shift - self.offset
        found: Tensor = ((self.gain * level).clamp(min=0) + self.read**2).sqrt() / unit
        return found


def _of(batch: Batch, key: str, clean: Tensor, other: float) -> Tensor:
    """Return what a batch says of each channel (b, c), to be multiplied with images."""
    if key not in batch:
        return torch.full((), float(other)).to(clean)
    return batch[key].view(*batch[key].shape, *[1] * (clean.dim() - 2))[: len(clean)]
