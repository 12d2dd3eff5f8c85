"""Which noise a score is turned into a signal with, and how strong it is, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import polygamma
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Facts
from bioreco.metrics.noise import Noise, estimate_noise

KINDS = ("auto", "gaussian", "poisson", "gamma")
COUNTED = 0.05  # share of the variance that grows with brightness, above which noise is counting
TOLERATED = 1e-3  # share of pixels that may be no counts, or not above 0
ALIKE = 3.0  # factor between the variance measured and that of the level given
ROW = ("shift", "unit", "level", "dark", "center", "spread", "strength", "gap")
FEW = 0.1  # distinct values for each pixel, below which they are steps
LOOKS = 3.0  # of speckle; with one the result is worse than the image
MEANS = {
    "gaussian": "its standard deviation in grey levels",
    "poisson": "grey levels per count",
    "gamma": "the number of looks, mean**2 / variance",
}


@dataclass(frozen=True)
class Channel:
    """One channel before training: its noise, and its pixels (n, [z,] y, x) in grey levels."""

    noise: list[Noise]
    pixels: list[Tensor]
    shift: float
    unit: float

    def mean(self, of: Callable[[Noise], float]) -> float:
        """Return the mean of a number over the images where it is known."""
        known = [value for value in map(of, self.noise) if math.isfinite(value)]
        return sum(known) / len(known) if known else math.nan

    def share(self, below: float) -> float:
        """Return the share of the pixels that lie below a level."""
        total = sum(pixels.numel() for pixels in self.pixels)
        return sum(int((pixels < below).sum()) for pixels in self.pixels) / total

    def least(self) -> float:
        """Return the grey level that hardly any pixel lies below."""
        values = np.concatenate([pixels.flatten().cpu().numpy() for pixels in self.pixels])
        return float(np.quantile(values, TOLERATED, method="inverted_cdf"))

    def gap(self) -> float:
        """Return the step between the values that pixels have, 0 if there are too many values."""
        values = torch.cat([pixels.flatten() for pixels in self.pixels])
        distinct = torch.unique(values)
        steps = 1 < len(distinct) < FEW * len(values)
        return float(distinct.diff().median()) if steps else 0.0


def channels(facts: Facts) -> list[Channel]:
    """Sort what is known before training by channel."""
    number = len(facts.noise[0])
    planes: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in range(number)]
    flat = (
        (plane, shift, unit)
        for block, (shifts, units) in zip(facts.images, facts.scales, strict=True)
        for plane, shift, unit in zip(block, shifts, units, strict=True)
    )
    for k, plane in enumerate(flat):
        planes[k % number].append(plane)
    return [
        Channel(
            noise=[image[c] for image in facts.noise],
            pixels=[plane * unit + shift for plane, shift, unit in found],
            shift=float(found[0][1]),
            unit=float(found[0][2]),
        )
        for c, found in enumerate(planes)
    ]


def choose(found: list[Channel]) -> str:
    """Return "poisson" where a part of the noise grows with brightness, else "gaussian"."""
    shares = [
        1 - channel.mean(lambda n: n.read_noise**2) / channel.mean(lambda n: n.sigma**2)
        for channel in found
        if channel.mean(lambda n: n.gain) > 0
    ]
    return "poisson" if max(shares, default=0.0) > COUNTED else "gaussian"


def levels(kind: str, found: list[Channel], level: float | None) -> Tensor:
    """Return one row for each channel; its numbers are named by `ROW`.

    `level` is the standard deviation, the grey levels per count or the looks; `dark` what
    `tweedie.poisson` asks for, or for Gamma noise the least grey level above 0. `center` and
    `spread` are the scale on which the score is learnt, that of grey levels or for Gamma noise
    of their logarithm; `strength` is the variance of the noise there, and `gap` what lies between
    the values that pixels can have, 0 where they are continuous.

    Raises
    ------
    UserError
        If the noise can't be estimated, or the measurements contradict it.

    """
    make = {"gaussian": _gaussian, "poisson": _poisson, "gamma": _gamma}[kind]
    rows = [(channel.shift, channel.unit, *make(channel, level)) for channel in found]
    return torch.tensor(rows, dtype=torch.float64)


def _gaussian(channel: Channel, level: float | None) -> Iterator[float]:
    sigma = math.sqrt(channel.mean(lambda n: n.sigma**2)) if level is None else level
    if not sigma > 0:
        raise _unknown("gaussian")
    strength = (sigma / channel.unit) ** 2
    yield from (sigma, 0.0, channel.shift, channel.unit, strength, channel.gap() / channel.unit)


def _poisson(channel: Channel, level: float | None) -> Iterator[float]:
    measured = channel.mean(lambda n: n.sigma**2)
    if level is None:
        gain, offset = channel.mean(lambda n: n.gain), channel.mean(lambda n: n.offset)
        read = channel.mean(lambda n: n.read_noise**2)
        if not gain > 0:
            raise UserError(
                "method.noise=poisson: the noise does not grow with brightness, so it is not that"
                " of counts.\nUse method.noise=gaussian, or say method.level=(grey levels per"
                " count)"
            )
        # the level of no light is known to a count at best: pixels may be darker by that
        lowest = channel.least() + 5 * math.sqrt(read)
        offset = max(min(offset, lowest), offset - gain)
    else:
        gain, offset, read = level, 0.0, 0.0
    least = offset - 5 * math.sqrt(read)
    if (share := channel.share(least - 1e-6 * channel.unit)) > TOLERATED:
        raise UserError(
            f"method.noise=poisson: {share:.2g} of the pixels are below {least:.4g}, so they are"
            " not counts.\nUse method.noise=gaussian"
            + ("" if level is None else ", or leave method.level=null")
        )
    mean = sum(float(p.mean()) for p in channel.pixels) / len(channel.pixels)
    variance = gain * max(mean - offset, 0.0) + read
    if level is not None and not 1 / ALIKE < measured / variance < ALIKE:
        raise UserError(
            f"method.level={level:g}: counts of that many grey levels have a noise of about"
            f" {math.sqrt(variance):.3g} grey levels in this image, which has"
            f" {math.sqrt(measured):.3g}.\nIt is not made of such counts: leave method.level=null"
            " or use method.noise=gaussian"
        )
    strength = variance / channel.unit**2
    gap = channel.gap() / channel.unit
    yield from (gain, read / gain - offset, channel.shift, channel.unit, strength, gap)


def _gamma(channel: Channel, level: float | None) -> Iterator[float]:
    smallest = min(float(p[p > 0].min()) if bool((p > 0).any()) else 1.0 for p in channel.pixels)
    if (share := channel.share(0.5 * smallest)) > TOLERATED:
        raise UserError(
            f"method.noise=gamma: {share:.2g} of the pixels are not above 0, as they are where"
            " noise multiplies the signal.\nSubtract no background, or use method.noise=gaussian"
        )
    logs = [p.clamp(min=smallest).log() for p in channel.pixels]
    looks = level
    if looks is None:
        noise = [estimate_noise(log.numpy()) for log in logs]
        variance = sum(n.sigma**2 for n in noise) / len(noise)
        if not 1e-6 < variance < 10:
            raise _unknown("gamma")
        looks = float(brentq(lambda k: float(polygamma(1, k)) - variance, 0.05, 1e7))
    if looks < LOOKS:
        raise UserError(
            f"method.noise=gamma: speckle of {looks:.2g} looks. Tweedie's formula divides by what"
            f" is left of dark grains, and needs at least {LOOKS:g} looks: use method=n2s"
        )
    together = torch.cat([log.flatten() for log in logs])
    center, spread = float(together.mean()), max(float(together.std()), 1e-6)
    yield from (looks, smallest, center, spread, float(polygamma(1, looks)) / spread**2, 0.0)


def _unknown(kind: str) -> UserError:
    return UserError(
        f"method.noise={kind}: no noise was found in the images. Say method.level={MEANS[kind]}"
    )
