"""The noise that a camera adds to simulated images, as strong as in the measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bioreco.methods.method import Batch, Facts
from bioreco.methods.setting import noise_of

Array = NDArray[Any]

BINS = 32  # of local means, with as many pixels each
FEWEST = 8  # of them


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

    @classmethod
    def of_blurred(cls, facts: Facts) -> Camera | None:
        """Return what is left of images where no blurred signal reaches: at the finest detail.

        The second differences along y and x of images much wider blurred than a pixel are noise
        alone; their mean square is regressed on the local mean. None where that tells nothing.
        """
        found = [_finest(image * unit + shift) for image, shift, unit in _channels(facts)]
        if not found:
            return None
        level, square = (np.concatenate(part) for part in zip(*found, strict=True))
        edges = np.quantile(level, np.linspace(0, 1, BINS + 1))
        place = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, BINS - 1)
        bins = [place == k for k in np.unique(place)]
        count = np.array([one.sum() for one in bins])
        levels, squares = (np.array([of[one].mean() for one in bins]) for of in (level, square))
        if len(levels) < FEWEST or not squares.min() > 0:
            return None
        # the mean square of n values of a variance v is off by v sqrt(2 / n)
        gain, rest = np.polyfit(levels, squares, 1, w=np.sqrt(count) / squares)
        sigma = math.sqrt(float(np.average(squares, weights=count)))
        if not gain > 0:
            return cls(read=sigma, sigma=sigma)
        dark = float(levels[0])
        read = math.sqrt(max(float(gain * dark + rest), 0.0))
        return cls(float(gain), dark, read, sigma)

    def deviation(self, clean: Tensor, batch: Batch) -> Tensor:
        """Return that of the noise of images (b, c, [z,] y, x), on the scale of the batch."""
        unit, shift = (_of(batch, key, clean, other) for key, other in (("unit", 1), ("shift", 0)))
        level = clean.detach() * unit + shift - self.offset
        found: Tensor = ((self.gain * level).clamp(min=0) + self.read**2).sqrt() / unit
        return found


def _channels(facts: Facts) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield each channel ([z,] y, x) with the shift and the unit of its scale."""
    for image, (shifts, units) in zip(facts.images, facts.scales, strict=True):
        yield from zip(image, shifts, units, strict=True)


def _finest(image: Tensor) -> tuple[Array, Array]:
    """Return local means, and the squares of second differences along y and x over 36."""
    planes = image.double().reshape(-1, 1, *image.shape[-2:])
    second, mean = (planes.new_tensor(w) for w in ((1.0, -2.0, 1.0), (0.25, 0.5, 0.25)))
    kernels = torch.stack([torch.outer(second, second) / 6, torch.outer(mean, mean)])[:, None]
    different, level = functional.conv2d(planes, kernels).unbind(1)
    good = different.isfinite()
    return level[good].cpu().numpy(), different[good].square().cpu().numpy()


def _of(batch: Batch, key: str, clean: Tensor, other: float) -> Tensor:
    """Return what a batch says of each channel (b, c), to be multiplied with images."""
    if key not in batch:
        return torch.full((), float(other)).to(clean)
    return batch[key].view(*batch[key].shape, *[1] * (clean.dim() - 2))[: len(clean)]
