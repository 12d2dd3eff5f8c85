"""The camera's noise: counts of photons, and Gaussian read noise on top."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.model import NoiseModel, normal
from bioreco.noise.pairs import transfer

BLUR = 0.35  # counts: the least read noise that is estimated, as the place of counts is unsure
SHARP = 0.1  # counts: the least read noise of the density, where it was told or seen to be nothing
LOOKED_AT = 2**18  # pixels of an image whose values are compared
SMOOTH = 1.0  # counts of read noise from which single counts can't be told apart


class PoissonGaussian(NoiseModel):
    """y = gain * n + offset + w: Poisson counts n of mean (s - offset) / gain, w normal.

    Parameters
    ----------
    gain
        Grey levels per count.
    offset
        Grey level without any signal.
    read
        Standard deviation of the read noise w, in grey levels.

    Raises
    ------
    UserError
        If a number is out of range.

    Notes
    -----
    What is None is estimated from the images. The variance is `gain * (s - offset) + read**2`.
    The density is the sum over the counts, p(y | s) = sum_n Poisson(n) N(y; gain n + offset, read),
    which is lopsided where counts are few; from 1 count of read noise on it is taken to be normal.
    A normal density would not do: of counts with a mean of 0.2, the likeliest signal is 0.07 under
    it. Signals below the offset have read noise alone. Read noise is at least 0.1 counts, and 0.35
    where it is estimated, unless the images are whole counts.
    Foi et al., IEEE TIP 17, 2008.

    """

    kind = "poisson_gaussian"
    estimable = ("gain", "offset", "read")

    def __init__(
        self, *, gain: float | None = None, offset: float | None = None, read: float | None = None
    ) -> None:
        super().__init__()
        if (gain is not None and gain < 0) or (read is not None and read < 0):
            raise UserError(f"noise.gain={gain} noise.read={read}: not negative")
        self._given = (gain, offset, read)
        known = [math.nan if value is None else float(value) for value in self._given]
        self.register_buffer("_values", torch.tensor(known, dtype=torch.float64))
        self._values: Tensor

    @property
    def gain(self) -> float:
        """Grey levels per count."""
        return float(self._values[0])

    @property
    def offset(self) -> float:
        """Grey level without any signal."""
        return float(self._values[1])

    @property
    def read(self) -> float:
        """Standard deviation of the read noise."""
        return float(self._values[2])

    @property
    def spread(self) -> float:
        """Standard deviation of the density without any counts, at least 0.01 grey levels."""
        return max(self.read, SHARP * self.gain, 0.01)

    def informed_by(self, noise: Sequence[Sequence[Noise]]) -> bool:
        """Return whether the estimates say how the noise grows, if nobody else did."""
        found = [one for channels in noise for one in channels if one.sigma > 0]
        grows = bool(found) and all(one.gain > 0 for one in found)
        return super().informed_by(noise) and (self.known or self._given[0] is not None or grows)

    def estimate(self, found: Sequence[Noise]) -> None:
        """Take the estimates, averaged over images and channels."""
        values = [(one.gain, one.offset, one.read_noise) for one in found]
        self._learn(torch.tensor(values, dtype=torch.float64).mean(0).tolist())

    def calibrate(self, y: Tensor, s: Tensor) -> None:
        """Fit the line of variance against signal; the darkest signal is dark if all else allows.

        Gain and offset that were told are kept.
        """
        if self.known:
            return
        found = transfer(y, s)
        gain, offset, _ = (g if g is not None else math.nan for g in self._given)
        gain = found.slope if math.isnan(gain) else gain
        height = (
            float((found.variance - gain * found.level).median())
            if self._given[0]
            else found.height
        )
        if math.isnan(offset):
            offset = max(found.low, -height / gain) if gain > 0 else found.low
        read = math.sqrt(max(gain * offset + height, 0.0))
        if not self._given[0]:
            above = max(float(found.level.median()) - offset, 0.0)
            gain = min(gain, _largest_gain(above, float(found.variance.median())))
        self._learn([gain, offset, read])

    def _learn(self, values: Sequence[float]) -> None:
        gain, offset, read = values
        least = max(read, BLUR * gain)
        new = torch.tensor([gain, offset, least], dtype=torch.float64).to(self._values.device)
        self._values.copy_(torch.where(torch.isnan(self._values), new, self._values))

    def variance(self, s: Tensor) -> Tensor:
        """Return gain * (s - offset) + read**2."""
        return self.gain * (s - self.offset).clamp(min=0) + self.spread**2

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        if self.gain > 0 and self.read < SMOOTH * self.gain:
            return self._counted(y, s)
        return normal(y - s, self.variance(s))

    def _counted(self, y: Tensor, s: Tensor) -> Tensor:
        """Add up the counts around what was measured, which alone matter."""
        gain, spread = self.gain, self.spread / self.gain
        y, s = (y - self.offset) / gain, (s - self.offset) / gain
        reach = math.ceil(4 * spread) + 1
        first = (y.round() - reach).clamp(min=0)
        rate, below = s.clamp(min=1e-6), s.clamp(max=0)
        total: Tensor | None = None
        for k in range(2 * reach + 1):
            n = first + k
            height = _stirling(n) - math.log(spread * math.sqrt(2 * math.pi) * gain)
            term = height - _deviance(n, rate) - 0.5 * ((y - below - n) / spread) ** 2
            total = term if total is None else torch.logaddexp(total, term)
        assert total is not None
        return total

    def refine(self, y: Sequence[Tensor]) -> None:
        """Take estimates for those of photon counts where the images are whole counts.

        All their values are 0 or multiples of one number, about as large as the gain or as their
        noise variance over their mean: then that number is the gain, and there is no offset and no
        read noise.
        """
        if self._given != (None, None, None) or not self.known:
            return
        seen = torch.cat([image.flatten()[:LOOKED_AT] for image in y])
        values, mean = torch.unique(seen), seen.mean()
        steps = values.diff()
        steps = steps[steps > 1e-4 * values.max()]
        if not len(steps) or mean <= 0:
            return
        step = float(steps.min())
        whole = bool(((values / step - (values / step).round()).abs() < 0.02).all())
        ratio = (self.gain * (mean - self.offset) + self.read**2) / mean
        near = min(abs(float(ratio) / step - 1), abs(self.gain / step - 1)) < 0.4
        if whole and near and float(values.min()) > -0.5 * step:
            step = float(round(step)) if abs(step - round(step)) < 1e-3 * step else step
            self._values.copy_(self._values.new_tensor([step, 0.0, 0.0]))

    def check_counts(self, y: Sequence[Tensor]) -> None:
        """Refuse measurements far below the offset that was told, and fractions of pure counts.

        Raises
        ------
        UserError
            If one in a thousand is below, or one in a hundred no whole count.

        """
        offset = self._given[1]
        if offset is None or not self.known or self.gain == 0:
            return
        counts = torch.cat([(image.flatten() - offset) / self.gain for image in y])
        depth = 5 * max(self.read / self.gain, 0.1)
        if float((counts < -depth).double().mean()) > 1e-3:
            raise UserError(
                f"the images go down to {float(counts.min()) * self.gain + offset:.4g}, below"
                f" noise.offset={offset:g}: these are not counts. Leave noise.offset, noise.gain"
                " and noise.read out, and they are estimated"
            )
        if self._given[2] == 0 and self._given[0] is not None:
            fraction = (counts - counts.round()).abs() > 0.02
            if float(fraction.double().mean()) > 0.01:
                raise UserError(
                    f"the grey levels are not multiples of noise.gain={self.gain:g}: these are"
                    " scaled values, not counts of photons. Say noise.gain= and noise.read=, or"
                    " leave them out, and they are estimated"
                )

    def describe(self) -> str:
        """Return gain, offset and read noise."""
        return (
            f"Poisson-Gaussian noise: {self.gain:.3g} grey levels per count above"
            f" {self.offset:.4g}, read noise {self.read:.3g} grey levels"
        )


def _largest_gain(above: float, variance: float) -> float:
    """Return the gain with which a variance is seen at a signal, if read noise is the least."""
    square = BLUR**2
    return (math.sqrt(above**2 + 4 * square * max(variance, 0.0)) - above) / (2 * square)


def _deviance(n: Tensor, rate: Tensor) -> Tensor:
    """Return n log(n / rate) - n + rate, exact in single precision however many counts."""
    some = n.clamp(min=1)
    x = (rate - some) / some
    near = some * (x.clamp(min=-0.5) - torch.log1p(x.clamp(min=-0.5)))
    far = some * (some.log() - rate.log()) - some + rate
    return torch.where(n > 0, torch.where(x > -0.5, near, far), rate)


def _stirling(n: Tensor) -> Tensor:
    """Return log Poisson(n; n), the height of the distribution at its own mean."""
    m = n.double()
    return (torch.xlogy(m, m) - m - torch.lgamma(m + 1)).to(n.dtype)
