"""Filters that ask how strong the noise is, and want it alike everywhere.

The noise of a camera grows with brightness. The generalised Anscombe transform evens it out before
the filter, and its exact unbiased inverse leads back (Makitalo and Foi, IEEE TIP 2013).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch

from bioreco.errors import UserError, nearest
from bioreco.methods.calibration import Variance
from bioreco.methods.classical import Classical
from bioreco.methods.setting import LEAST, Setting
from bioreco.metrics.anscombe import Anscombe, Stabiliser, Unit

STABILISE = ("auto", "true", "false")
CLEARLY = 0.1  # change of the noise variance over the contrast of an image, as a share of it


class NoiseAware(Classical):
    """A filter whose strength counts in standard deviations of the noise.

    Attributes
    ----------
    name
        What it is called in a sentence.

    Parameters
    ----------
    dims
        Spatial axes.
    strength
        Strength of the filter in standard deviations of the noise; None: calibrated.
    sigma
        Standard deviation of the noise in grey levels; None: estimated from the images.
    stabilise
        Whether noise that grows with brightness is made alike everywhere first: true, false, or
        "auto", which tries both where it clearly grows, and keeps what predicts hidden pixels
        better.
    keep_mean
        See `Classical`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    name: ClassVar[str]

    def __init__(
        self,
        dims: int,
        *,
        strength: float | None,
        sigma: float | None,
        stabilise: bool | str,
        keep_mean: float | None,
    ) -> None:
        super().__init__(dims, strength=strength, keep_mean=keep_mean)
        wanted = str(stabilise).lower()
        if wanted not in STABILISE:
            raise UserError(
                f"method.stabilise={stabilise}: choose one of {', '.join(STABILISE)}."
                + nearest(wanted, STABILISE)
            )
        if sigma is not None and not sigma > 0:
            raise UserError(f"method.sigma={sigma:g}: above 0, or null to estimate it")
        if sigma is not None and wanted == "true":
            raise UserError(
                f"method.sigma={sigma:g} says that the noise is alike everywhere,"
                " method.stabilise=true that it isn't: give one of them"
            )
        self.sigma = sigma
        self.stabilise = "false" if sigma is not None else wanted

    def stabilisers(self, setting: Setting) -> list[Stabiliser]:
        """Return for each channel how its noise becomes 1."""
        return [
            self._stabiliser(noise, unit, even=setting.even)
            for noise, unit in zip(setting.noise, setting.unit, strict=True)
        ]

    def _stabiliser(self, noise: dict[str, float], unit: float, *, even: bool) -> Stabiliser:
        if even and noise["gain"] > 0:
            return Anscombe(noise["gain"], noise["offset"], noise["read_noise"])
        return Unit(max(self.sigma or noise["sigma"], LEAST * unit))

    def ways(self, setting: Setting) -> list[Setting]:
        """Return the setting with its noise made alike, without, or both for "auto"."""
        even = replace(setting, even=True)
        if self.stabilise != "auto":
            return [even if self.stabilise == "true" else setting]
        grows = any(n["gain"] * n["contrast"] > CLEARLY * n["sigma"] ** 2 for n in setting.noise)
        return [even, setting] if grows else [setting]

    def hole_noise(self, setting: Setting) -> Variance:
        """Return the variance of the noise at a signal: that of `sigma`, where it is told."""
        if self.sigma is None:
            return super().hole_noise(setting)
        share = torch.tensor([(self.sigma / unit) ** 2 for unit in setting.unit])
        return lambda level: share.view(-1, *[1] * self.dims).expand(level.shape)

    def words(self, setting: Setting) -> str:
        """Say how strong the filter is, and what it takes the noise to be."""
        noises = []
        for way in self.stabilisers(setting):
            if isinstance(way, Anscombe):
                noises.append(
                    f"counts of {way.gain:.3g} grey levels above {way.offset:.4g} with read noise"
                    f" {way.read_noise:.3g}, made alike everywhere"
                )
            else:
                noises.append(f"{way.sigma:.3g} grey levels")
        return f"{self.name}, {setting.strength:.2g} times the noise ({'; '.join(noises)})"
