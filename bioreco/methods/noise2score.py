"""Noise2Score: learn the score of the noisy images, and find the signal by Tweedie's formula.

The score d log p(y) / dy is learnt without knowing the noise: a network that undoes a little noise
u of width tau added to y minimises E||u + tau * S(y + tau * u)||^2, and its S is the score as tau
goes to 0 (AR-DAE, Lim et al., ICML 2020). Tweedie's formula then gives the signal for Gaussian,
Poisson or Gamma noise. K. Kim and J. C. Ye, "Noise2Score", NeurIPS 2021. The noise must be
independent from pixel to pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import draws, masking, tweedie
from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.noise_level import KINDS, MEANS, ROW, channels, choose, levels

GAPS = 1.0  # tau in steps between grey levels, at least: what is narrower sees the gaps
GRAINS = 2.5  # standard deviations by which the log of speckle is believed to be dark
LOOKED = 0.5  # share of the steps, in the second half, in which brightness is compared
KEPT = 0.9  # share of the comparison that is kept each time


class Noise2Score(Method):
    """One network, the score of the measurements; the noise is brought in afterwards.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.
    noise
        "gaussian"; "poisson", counts with a gain, an offset and read noise; "gamma", speckle that
        multiplies the signal; or "auto", Poisson where the noise grows with brightness, else
        Gaussian.
    level
        The standard deviation (gaussian), grey levels per count (poisson, then without offset and
        read noise) or looks (gamma); None: estimated from the images.
    widest, narrowest
        Width tau of the noise that is added, at the beginning and the end of training, in
        standard deviations of the noise.

    Raises
    ------
    UserError
        If an option is out of range, or the images contradict the noise.

    Notes
    -----
    The network gives what is left when the noise is gone, N, and the score is (N - y) / v with v
    the mean variance of the noise on the network's scale. This is a choice of units; whatever v
    is, the score that is learnt is the same. A wrong level makes the correction, N - y in all,
    wrong in proportion; `val/mse`, the error on hidden pixels, tells which level is better.

    Whole numbers have no density. So tau stays above a step between grey levels, and what is added
    is counted as noise. Below about two counts per pixel the formula for counts gives dark parts
    up to 0.4 counts too much, at the cost of bright ones, since the mean of the image is kept.

    """

    def __init__(
        self,
        network: nn.Module,
        *,
        noise: str = "auto",
        level: float | None = None,
        widest: float = 0.5,
        narrowest: float = 0.4,
    ) -> None:
        super().__init__()
        if noise not in KINDS:
            raise UserError(
                f"method.noise={noise}: choose one of {', '.join(KINDS)}." + nearest(noise, KINDS)
            )
        if level is not None and noise == "auto":
            told = ", ".join(f"{kind} ({meaning})" for kind, meaning in MEANS.items())
            raise UserError(f"method.level={level} of which noise? Say method.noise: {told}")
        if level is not None and not level > 0:
            raise UserError(f"method.level={level}: {MEANS[noise]}, above 0, or null")
        if not 0 < narrowest <= widest <= 2:
            raise UserError(
                f"method.widest={widest} method.narrowest={narrowest}: above 0, at most 2 standard"
                " deviations of the noise, widest first"
            )
        self.network = network
        self.noise, self.level, self.widest, self.narrowest = noise, level, widest, narrowest
        self.kind = "gaussian" if noise == "auto" else noise
        self.levels = torch.tensor([[0.0, 1.0, level or 1.0, 0.0, 0.0, 1.0, 0.25, 0.0]])
        self.register_buffer("brightness", torch.zeros(3, dtype=torch.float64))
        self.brightness: Tensor

    def prepare(self, facts: Facts) -> None:
        """Find which noise there is, and how strong it is in each channel."""
        found, auto = channels(facts), self.noise == "auto"
        self.kind = choose(found) if auto else self.noise
        try:
            self.levels = levels(self.kind, found, self.level)
        except UserError:
            if not auto or self.kind == "gaussian":
                raise
            self.kind = "gaussian"
            self.levels = levels(self.kind, found, self.level)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the noise."""
        return {"kind": self.kind, "levels": self.levels}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over the noise."""
        self.kind, self.levels = str(state["kind"]), state["levels"]

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise E||u + tau * S(y + tau * u)||^2."""
        known = self._known(batch)
        y = self._there(batch["y"], batch, known)
        tau = self._width(known, float(batch["progress"])).to(y.dtype)
        u = torch.randn_like(y)
        score = self._score(y + tau * u, known)
        self._compare(batch, known)
        yield "network", {"score": masked_mse(tau * score, -u, batch["target"])}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on held pixels, each hidden behind one of its neighbours."""
        blind = masking.fill(batch["y"], batch["held"], "uniform", radius=1, seeds=batch["seed"])
        found = self.reconstruct({**batch, "y": blind}).mean
        return {"mse": masked_mse(found, batch["y"], batch["held"])}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply Tweedie's formula, and give back the brightness that it loses on average."""
        known = self._known(batch)
        signal = self._bright(self._signal(batch, known), known)
        return Estimate(self._scaled(signal, batch).to(batch["y"].dtype))

    def _known(self, batch: Batch) -> dict[str, Tensor]:
        """Return what is known of each sample's channels, each (b, c, 1, ...)."""
        y = batch["y"]
        rows = self.levels.to(y.device)
        away = (batch["shift"][..., None] - rows[:, 0]).abs()
        away = away + (batch["unit"][..., None] - rows[:, 1]).abs()
        mine = rows[away.argmin(-1)].view(*y.shape[:2], *[1] * (y.dim() - 2), -1)
        return dict(zip(ROW, mine.unbind(-1), strict=True))

    def _there(self, y: Tensor, batch: Batch, known: Mapping[str, Tensor]) -> Tensor:
        """Return measurements on the scale of the score: the network's, or a logarithmic one."""
        if self.kind != "gamma":
            return y
        z = self._measured(y, batch).clamp(min=known["dark"]).log()
        return ((z - known["center"]) / known["spread"]).to(y.dtype)

    def _measured(self, y: Tensor, batch: Batch) -> Tensor:
        """Return grey levels, in double precision."""
        shape = (*y.shape[:2], *[1] * (y.dim() - 2))
        return y.double() * batch["unit"].view(shape) + batch["shift"].view(shape)

    def _scaled(self, signal: Tensor, batch: Batch) -> Tensor:
        """Undo `_measured`."""
        shape = (*signal.shape[:2], *[1] * (signal.dim() - 2))
        scaled: Tensor = (signal - batch["shift"].view(shape)) / batch["unit"].view(shape)
        return scaled

    def _width(self, known: Mapping[str, Tensor], progress: float) -> Tensor:
        """Return tau, on the scale of the score."""
        share = self.widest * (self.narrowest / self.widest) ** progress
        return torch.maximum(share * known["strength"].sqrt(), GAPS * known["gap"])

    def _score(self, y: Tensor, known: Mapping[str, Tensor]) -> Tensor:
        left: Tensor = self.network(y).float()
        return (left - y) / known["strength"].to(y.dtype)

    def _signal(self, batch: Batch, known: Mapping[str, Tensor]) -> Tensor:
        """Return Tweedie's estimate in grey levels; what was added is noise like the rest."""
        y = self._measured(batch["y"], batch)
        there = self._there(batch["y"], batch, known)
        score = self._score(there, known).double() / known["spread"]
        added = (self._width(known, 1.0) * known["spread"]) ** 2
        if self.kind == "gaussian":
            return tweedie.gaussian(y, score, variance=known["level"] ** 2 + added)
        if self.kind == "poisson":
            dark = known["dark"] + added / known["level"]
            return tweedie.poisson(y, score, gain=known["level"], dark=dark)
        looks = 1 / ((1 + 1 / known["level"]) * added.exp() - 1)
        least = torch.exp(-GRAINS * torch.polygamma(1, looks).sqrt())
        return tweedie.gamma(y.clamp(min=known["dark"]), score, looks=looks, least=least)

    def _zero(self, known: Mapping[str, Tensor]) -> Tensor:
        """Return the grey level that brightness is counted from."""
        return -known["dark"] if self.kind == "poisson" else torch.zeros_like(known["dark"])

    def _bright(self, signal: Tensor, known: Mapping[str, Tensor]) -> Tensor:
        """Give back what is lost on average: grey levels, or in counts and speckle a factor."""
        before, after, pixels = self.brightness.unbind()
        if not pixels > 0:
            return signal
        if self.kind == "gaussian":
            return signal + (before - after) / pixels * known["spread"]
        zero = self._zero(known)
        return (signal - zero) * (before / after.clamp(min=1e-9)) + zero

    @torch.no_grad()
    def _compare(self, batch: Batch, known: Mapping[str, Tensor]) -> None:
        """Compare the brightness of estimate and measurement now and then, late in training."""
        drawn = float(draws.uniform(batch["seed"][:1], 1, stream=3))
        if float(batch["progress"]) < 0.5 or drawn > LOOKED:
            return
        inner = batch["target"] & _inner(batch["target"])
        seen = inner / known["spread"]
        before = (self._measured(batch["y"], batch) - self._zero(known)) * seen
        after = (self._signal(batch, known) - self._zero(known)) * seen
        now = torch.stack([before.sum(), after.sum(), inner.sum()])
        self.brightness.mul_(KEPT).add_(now.to(self.brightness))

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo."""
        return getattr(self.network, "halo", None)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride."""
        return getattr(self.network, "stride", None)


def _inner(mask: Tensor) -> Tensor:
    """Return the middle of a patch, where the network does not see its border."""
    middle = torch.zeros_like(mask)
    y, x = (slice(n // 4, n - n // 4) for n in mask.shape[-2:])
    middle[..., y, x] = True
    return middle
