"""What filters that learn nothing share: a strength, read off the noisy image itself.

They are the bar that learning has to clear, so they run by the same commands, on the same data,
through the same tiles, and are scored alike.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import calibration
from bioreco.methods.method import Batch, Estimate, Facts, Method
from bioreco.methods.setting import Setting, noise_of
from bioreco.metrics.anscombe import Stabiliser, Unit

log = logging.getLogger("bioreco")

Array = NDArray[np.float64]

REACH = 3  # standard deviations at which the window of local means ends
GRIDS = (5, 10, 2, 13, 0, 7, 8, 15)  # of hidden pixels, in the order in which they are used


class Classical(Method):
    """A filter with one strength, for each channel or for all that are filtered together.

    Subclasses give `grid`, `reach`, `filtered` and `words`.

    Attributes
    ----------
    option
        What the user calls its strength.
    grid
        Strengths that are tried.
    budget
        Pixels that they are tried on.

    Parameters
    ----------
    dims
        Spatial axes.
    strength
        How strong the filter is; None: calibrated.
    keep_mean
        Width in pixels of the Gaussian window over which the mean of the image is kept; None: it
        is not.

    Notes
    -----
    Filters that aren't linear take away more than noise: a median of few counts is too dark, and a
    threshold lowers faint structure. Of what was taken away, the local mean is given back; noise
    has none.

    """

    averaged = False
    option: ClassVar[str] = "strength"
    grid: ClassVar[Sequence[float]]
    budget: ClassVar[int] = 2**18

    def __init__(self, dims: int, *, strength: float | None, keep_mean: float | None) -> None:
        super().__init__()
        self.dims = dims
        if strength is not None and not strength > 0:
            raise UserError(f"method.{self.option}={strength:g}: above 0, or null to calibrate it")
        if keep_mean is not None and not 1 <= keep_mean <= 64:
            raise UserError(f"method.keep_mean={keep_mean:g}: 1 to 64 pixels, or null")
        self.strength, self.keep_mean = strength, keep_mean
        self.settings: list[Setting] = []

    def filtered(self, y: Array, strength: float) -> Array:
        """Filter (c, [z,] y, x)."""
        raise NotImplementedError

    def words(self, setting: Setting) -> str:
        """Say what the strength of a setting means, with units."""
        raise NotImplementedError

    def stabilisers(self, setting: Setting) -> list[Stabiliser]:
        """Return for each channel how to get from grey levels to what is filtered."""
        return [Unit(unit) for unit in setting.unit]

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train nothing."""
        return {}

    def prepare(self, facts: Facts) -> None:
        """Settle the strength for each channel, or for the channels filtered together."""
        together: dict[tuple[float, ...], list[int]] = {}
        for k, (shift, unit) in enumerate(facts.scales):
            together.setdefault((*shift.tolist(), *unit.tolist()), []).append(k)
        self.settings = []
        if self.strength is None and any(
            n.shared_axes() for channels in facts.noise for n in channels
        ):
            log.warning(
                "Neighbouring pixels share noise, which hidden pixels can't tell from structure:"
                " too little may be taken away. Say method.%s= for more.",
                self.option,
            )
        for number, blocks in enumerate(together.values()):
            scale = [tuple(map(float, values)) for values in facts.scales[blocks[0]]]
            noise = tuple(noise_of(facts, blocks[0], c, size) for c, size in enumerate(scale[1]))
            known = Setting(scale[0], scale[1], noise, self.strength or math.nan)
            images = [facts.images[k] for k in blocks]
            which = f"Channel {number}: " if len(together) > 1 else ""
            self.settings.append(self._settled(known, images, which))

    def ways(self, setting: Setting) -> list[Setting]:
        """Return what is to be compared beside strengths: this setting, or variants of it."""
        return [setting]

    def _settled(self, setting: Setting, images: Sequence[Tensor], which: str) -> Setting:
        ways = self.ways(setting)
        if self.strength is not None and len(ways) == 1:
            log.info("%s%s, as told.", which, self.words(ways[0]))
            return ways[0]
        pieces = calibration.crops(images, self.budget)
        grid = self.grid if self.strength is None else [self.strength]
        found, least = ways[0], math.inf
        for way in ways:
            strength, loss = calibration.best(partial(self._loss, pieces, way), grid)
            if loss < least:
                found, least = replace(way, strength=strength), loss
        pixels = sum(piece[0].numel() for piece in pieces)
        log.info(
            "%s%s, which predicts hidden pixels best (of %d looked at).",
            which,
            self.words(found),
            pixels,
        )
        return found

    def _loss(self, pieces: Sequence[Tensor], setting: Setting, strength: float) -> float:
        """Return the mean squared error at hidden pixels, on the network's scale."""
        total, count = 0.0, 0
        pixels = sum(piece[0].numel() for piece in pieces)
        variance = self.hole_noise(setting)
        phases = GRIDS[: max(1, self.budget // (2 * pixels))]
        for piece in pieces:
            for phase in phases:
                seen, mask = calibration.hide(piece, phase, variance)
                x = self._applied(seen.double().numpy(), setting, strength)
                error = (x - piece.double().numpy())[mask.numpy()]
                total, count = total + float(np.sum(error**2)), count + error.size
        return total / max(count, 1)

    def hole_noise(self, setting: Setting) -> calibration.Variance:
        """Return the variance of the noise at a signal, both on the network's scale."""

        def variance(level: Tensor) -> Tensor:
            channels = zip(level, setting.shift, setting.unit, setting.noise, strict=True)
            found = []
            for one, shift, unit, noise in channels:
                signal = (one * unit + shift - noise["offset"]).clamp(min=0)
                found.append((noise["gain"] * signal + noise["read_noise"] ** 2) / unit**2)
            return torch.stack(found)

        return variance

    def _applied(self, y: Array, setting: Setting, strength: float) -> Array:
        """Filter (c, [z,] y, x) on the network's scale."""
        scales = zip(setting.shift, setting.unit, strict=True)
        raw = np.stack([c * unit + shift for c, (shift, unit) in zip(y, scales, strict=True)])
        ways = self.stabilisers(setting)
        even = np.stack([way.forward(c) for way, c in zip(ways, raw, strict=True)])
        even = self.filtered(even, strength)
        x = np.stack([way.inverse(c) for way, c in zip(ways, even, strict=True)])
        if self.keep_mean is not None:
            widths = self._widths(self.keep_mean)
            x += ndimage.gaussian_filter(raw - x, (0, *widths), mode="mirror", truncate=REACH)
        scales = zip(setting.shift, setting.unit, strict=True)
        return np.stack([(c - shift) / unit for c, (shift, unit) in zip(x, scales, strict=True)])

    def _widths(self, width: float) -> tuple[float, ...]:
        """Return the window of local means; a quarter of it along z."""
        return (*[width / 4] * (self.dims - 2), width, width)

    def reconstruct(self, batch: Batch) -> Estimate:
        """Filter each sample with the strength of its channels."""
        y = batch["y"]
        found = [
            self._applied(one.double().cpu().numpy(), setting, setting.strength)
            for one, setting in zip(y, self._of(batch), strict=True)
        ]
        return Estimate(torch.from_numpy(np.stack(found)).to(y))

    def _of(self, batch: Batch) -> list[Setting]:
        """Return the setting of each sample, recognised by its scale."""
        if not self.settings:
            raise ValueError("not prepared: the strength of the filter is not known")
        keys = torch.cat([batch["shift"], batch["unit"]], 1).double().cpu()
        known = torch.tensor([s.shift + s.unit for s in self.settings], dtype=torch.float64)
        distance = (keys[:, None] - known).abs().sum(-1)
        return [self.settings[int(k)] for k in distance.argmin(1)]

    def get_extra_state(self) -> list[dict[str, Any]]:
        """Return the settings as plain values."""
        return [asdict(setting) for setting in self.settings]

    def set_extra_state(self, state: list[dict[str, Any]]) -> None:
        """Take the settings over."""
        self.settings = [Setting(**setting) for setting in state]

    def reach(self) -> tuple[int, ...] | None:
        """Return how far the filter itself looks, per spatial axis; None: over the whole frame."""
        return None

    @property
    def halo(self) -> tuple[int, ...] | None:
        """How far the filter looks, and beyond that the window of local means."""
        reach = self.reach()
        if reach is None or self.keep_mean is None:
            return reach
        windows = [int(REACH * width + 0.5) for width in self._widths(self.keep_mean)]
        return tuple(map(sum, zip(reach, windows, strict=True)))

    @property
    def strongest(self) -> float:
        """The greatest strength in use, or that may come into use."""
        if self.settings:
            return max(setting.strength for setting in self.settings)
        return self.strength if self.strength is not None else max(self.grid)
