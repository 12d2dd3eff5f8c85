"""What a filter that learns nothing knows of a channel: its scale, its noise, how strong to be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bioreco.methods.method import Facts
from bioreco.metrics.noise import Noise

LEAST = 0.05  # share of an image's contrast that its noise is taken to have at least


@dataclass(frozen=True)
class Setting:
    """What is known of one channel, or of all channels that are filtered together.

    Attributes
    ----------
    shift, unit
        The scale of the channels, by which they are recognised.
    noise
        gain, offset, read_noise and sigma of each channel, in its grey levels.
    strength
        Of the filter.
    even
        Whether its noise is made alike everywhere before it is filtered.

    """

    shift: tuple[float, ...]
    unit: tuple[float, ...]
    noise: tuple[dict[str, float], ...]
    strength: float
    even: bool = False


def noise_of(facts: Facts, block: int, channel: int, unit: float) -> dict[str, float]:
    """Return the noise of a channel, averaged over the images; `unit` is its contrast."""
    found: list[Noise] = []
    for channels in facts.noise:
        number = channel if facts.channels > 1 else block % len(channels)
        found += [channels[number]] if math.isfinite(channels[number].sigma) else []
    if not found:
        return {"gain": 0.0, "offset": 0.0, "read_noise": 0.0, "sigma": unit, "contrast": unit}
    mean = {
        name: float(np.mean([getattr(noise, name) for noise in found]))
        for name in ("gain", "offset", "read_noise", "contrast")
    }
    sigma = math.sqrt(np.mean([noise.sigma**2 for noise in found]))
    return mean | {"sigma": max(sigma, LEAST * unit)}
