"""What deconvolutions without learning share: grey levels, a background, and when to stop.

They work in grey levels, y = h * x + b + noise with x >= 0 above a background b, and return x + b.
How strong they are, in iterations or as a weight, is settled beforehand: on simulated or given
images whose truth is known, or else so that the residual is as large as the noise.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import calibration
from bioreco.methods.method import Batch, Estimate, Facts, Method
from bioreco.methods.setting import noise_of
from bioreco.operators.blur import Blur

log = logging.getLogger("bioreco")

BUDGET = 2**17  # pixels that a strength is settled on
DARKEST = 0.01  # quantile of the blurred image that is taken for the background
ROUNDING = 1e-6  # relative: the variance of noise is taken to be at least that

Path = Iterator[tuple[float, Tensor]]


@dataclass(frozen=True)
class Settled:
    """What is known of one channel, recognised by its scale.

    Attributes
    ----------
    shift, unit
        The scale: measured was y * unit + shift.
    background
        Grey level where there is no signal.
    gain, offset, read
        Of the noise: its variance is gain * (level - offset) + read ** 2.
    strength
        Iterations, or a weight.

    """

    shift: float
    unit: float
    background: float
    gain: float
    offset: float
    read: float
    strength: float = math.nan

    def variance(self, level: Tensor) -> Tensor:
        """Return the variance of the noise at a grey level."""
        least = ROUNDING * self.unit**2
        return (self.gain * (level - self.offset) + self.read**2).clamp(min=least)


class Deconvolution(Method):
    """A deconvolution with a known PSF. Subclasses give `path` and `words`.

    Attributes
    ----------
    option
        What the user calls its strength.

    Parameters
    ----------
    forward_model
        The microscope.
    strength
        None: settled on the data.
    background
        Grey level where there is no signal; None: the darkest of the image once it is blurred.

    """

    averaged = False
    denoises = False
    option: ClassVar[str]

    def __init__(
        self, forward_model: Blur, *, strength: float | None, background: float | None
    ) -> None:
        super().__init__()
        if background is not None and not math.isfinite(background):
            raise UserError(f"method.background={background}: a grey level, or null")
        self.forward_model = forward_model
        self.strength, self.background = strength, background
        self.settled: list[Settled] = []

    def path(self, y: Tensor, until: float | None) -> Path:
        """Yield (strength, x) from weak to strong, for y (b, 1, [z,] y, x) above the background.

        `until` is the only or the last strength that is asked for; None asks for all.
        """
        raise NotImplementedError

    def words(self, strength: float) -> str:
        """Say what a strength means."""
        raise NotImplementedError

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train nothing."""
        return {}

    @torch.no_grad()
    def prepare(self, facts: Facts) -> None:
        """Settle background and strength of each channel."""
        each: dict[tuple[float, float], list[Tensor]] = {}
        noises: dict[tuple[float, float], dict[str, float]] = {}
        for k, (shift, unit) in enumerate(facts.scales):
            for c, key in enumerate(zip(shift.tolist(), unit.tolist(), strict=True)):
                each.setdefault(key, []).append(facts.images[k][c : c + 1])
                noises.setdefault(key, noise_of(facts, k, c, key[1]))
        self.settled = []
        for (mean, size), images in each.items():
            pieces = [piece[None] * size + mean for piece in calibration.crops(images, BUDGET)]
            noise = noises[mean, size]
            read = noise["read_noise"] if noise["gain"] > 0 else noise["sigma"]
            known = Settled(mean, size, self._dark(pieces), noise["gain"], noise["offset"], read)
            strength = self._strength(known, pieces, facts.validation)
            self.settled.append(Settled(**{**asdict(known), "strength": strength}))

    def _dark(self, pieces: Sequence[Tensor]) -> float:
        if self.background is not None:
            return self.background
        H = self.forward_model.operator()
        values = torch.cat([H.forward(piece).flatten() for piece in pieces])
        rank = max(1, int(DARKEST * len(values)))
        return float(values.kthvalue(rank).values)

    def _strength(
        self,
        known: Settled,
        pieces: Sequence[Tensor],
        validation: Sequence[tuple[Tensor, Tensor]],
    ) -> float:
        if self.strength is not None:
            log.info("%s, as told.", self.words(self.strength))
            return self.strength
        if validation:
            pairs = [(y[None], x[None]) for y, x in validation]
            errors = self._along(known, [y for y, _ in pairs], [x for _, x in pairs])
            found = min(errors, key=lambda strength: errors[strength])
            log.info("%s: the least error on %d other images.", self.words(found), len(pairs))
            return found
        misfit = self._along(known, pieces, None)
        fits = [strength for strength, value in misfit.items() if value <= 1]
        found = fits[0] if fits else min(misfit, key=lambda strength: misfit[strength])
        log.info(
            "%s: what is left is then %.2f times as strong as the noise.",
            self.words(found),
            math.sqrt(misfit[found]),
        )
        return found

    def _along(
        self, known: Settled, seen: Sequence[Tensor], truths: Sequence[Tensor] | None
    ) -> dict[float, float]:
        """Return for each strength the mean squared error, or without truths that of y - H x.

        The latter is relative to the variance of the noise.
        """
        total: dict[float, float] = {}
        H = self.forward_model.operator()
        for k, y in enumerate(seen):
            for strength, x in self.path(y - known.background, None):
                if truths is None:
                    level = H.forward(x) + known.background
                    loss = (y - level).square() / known.variance(level)
                else:
                    loss = (x + known.background - truths[k]).square()
                total[strength] = total.get(strength, 0.0) + float(loss.mean()) / len(seen)
        return total

    def reconstruct(self, batch: Batch) -> Estimate:
        """Deconvolve each sample with what is settled for its channels."""
        found = []
        for y, shifts, units in zip(batch["y"], batch["shift"], batch["unit"], strict=True):
            channels = []
            for one, shift, unit in zip(y, shifts, units, strict=True):
                known = self._known(float(shift), float(unit))
                level = (one * unit + shift)[None, None] - known.background
                *_, (_, x) = self.path(level.float(), known.strength)
                channels.append((x[0, 0] + known.background - shift) / unit)
            found.append(torch.stack(channels))
        return Estimate(torch.stack(found).to(batch["y"]))

    def _known(self, shift: float, unit: float) -> Settled:
        if not self.settled:
            raise ValueError("not prepared: the background is not known")
        return min(self.settled, key=lambda one: abs(one.shift - shift) + abs(one.unit - unit))

    def get_extra_state(self) -> list[dict[str, Any]]:
        """Return what is settled as plain values."""
        return [asdict(one) for one in self.settled]

    def set_extra_state(self, state: list[dict[str, Any]]) -> None:
        """Take it over."""
        self.settled = [Settled(**one) for one in state]

    @property
    def augment(self) -> str:
        """Nothing is learnt, and the PSF isn't turned."""
        return "none"

    @property
    def halo(self) -> tuple[int, ...]:
        """The whole width of the PSF: what is further away matters less than the noise."""
        return tuple(2 * n for n in self.forward_model.reach)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """Measured pixels aren't cut."""
        down, dims = self.forward_model.down, self.forward_model.dims
        return None if down == 1 else (*[1] * (dims - 2), down, down)
