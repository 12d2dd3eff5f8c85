"""DivNoising: learn what images may be behind a measurement, and draw from them.

Eqs. (19) to (23) of the review; Prakash, Krull and Jug, ICLR 2021. A variational autoencoder whose
decoder gives the signal, not the measurement: the noise model stands between them. The bound on
the likelihood that is maximised is, per pixel of the measurement,

    log p(y | s(z)) - KL(q(z | y) || p(z)),    z drawn from q(z | y).

Draws of z decode to possible signals; their mean is the estimate of least squared error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import draws, masking
from bioreco.methods.ensemble import REACH, mean_shift, welford
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.networks.vae import VAE
from bioreco.noise.checks import check
from bioreco.noise.learnt import LearntNoise
from bioreco.noise.model import NoiseModel

log = logging.getLogger("bioreco")

ESTIMATES = ("mmse", "map")
COLLAPSED = 1e-4  # nats per pixel: below it the codes say nothing of the measurement
RETRIES = 2
LEFT_MEMORY = 0.97  # share of the running mean of the residuals that is kept in each step
SEEN = 10**6  # grey levels that the range of the signal is taken from
MEMORY = 0.95  # share of the running divergence that is kept in each step


class DivNoising(Method):
    """A variational autoencoder with a noise model.

    Parameters
    ----------
    network
        The autoencoder.
    noise_model
        p(y | s), in grey levels; what it does not know is estimated from the images.
    samples
        Draws that an estimate is made of, for each orientation that is averaged over.
    estimate
        "mmse", the mean of the draws, or "map", the most likely image by mean shift among them.
    kl_weight
        Weight of the divergence; 1 is the bound itself.
    anneal
        Share of the training in which that weight grows from 0, so that the codes are not
        given up before the decoder can read them.
    free_bits
        Divergence of each grid of codes that costs nothing, in nats per pixel of the image.
    learn_noise
        Learn the variance of the noise with the decoder, as a straight line in the signal that
        starts from the noise model.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The mean of the noise is zero whatever its kind. What is left of the mean of the residuals is
    noted while training goes on, and added to all that is reconstructed. Otherwise a noise model
    that is slightly wrong shifts dim images, flat ones of half a count by a tenth.

    Draw k of a tile decodes codes that depend on the tile's seed, on k and on the position in the
    frame alone, so that neighbouring tiles show the same draw. Estimates use draws in opposite
    pairs (z = mean +- deviation), which leaves each draw as likely and makes their mean surer.

    """

    uncertain = True
    posterior = True

    def __init__(
        self,
        network: VAE,
        noise_model: NoiseModel,
        *,
        samples: int = 8,
        estimate: str = "mmse",
        kl_weight: float = 1.0,
        anneal: float = 0.3,
        free_bits: float = 0.0,
        learn_noise: bool = False,
    ) -> None:
        super().__init__()
        if samples < 2:
            raise UserError(f"method.samples={samples}: at least 2")
        if estimate not in ESTIMATES:
            raise UserError(
                f"method.estimate={estimate}: choose one of {', '.join(ESTIMATES)}."
                + nearest(estimate, ESTIMATES)
            )
        if kl_weight <= 0 or free_bits < 0:
            raise UserError(
                f"method.kl_weight={kl_weight} method.free_bits={free_bits}: above 0, and not"
                " negative"
            )
        if not 0 <= anneal <= 0.9:
            raise UserError(f"method.anneal={anneal}: a share of the training, 0 to 0.9")
        self.network, self.noise_model = network, noise_model
        self.learnt = LearntNoise() if learn_noise else None
        self.samples, self.estimate = samples, estimate
        self.kl_weight, self.anneal, self.free_bits = kl_weight, anneal, free_bits
        self.register_buffer("_watch", torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
        self.register_buffer("_left", torch.zeros(network.head.out_channels))
        self._left: Tensor
        self._watch: Tensor  # when annealing began, running divergence, retries

    def prepare(self, facts: Facts) -> None:
        """Settle the noise, and see that the images have it."""
        self.noise_model.fit(facts.noise)
        measured = [
            _grey(image[None], shift[None], unit[None])[0]
            for image, (shift, unit) in zip(facts.images, facts.scales, strict=True)
        ]
        check(self.noise_model, measured, facts.noise)
        log.info("Noise model: %s.", self.noise_model.describe())
        if self.learnt is not None:
            levels = torch.cat([v.flatten() for v in measured])
            levels = levels[:: max(1, len(levels) // SEEN)].sort().values
            dark, bright = (float(levels[int(q * (len(levels) - 1))]) for q in (0.01, 0.99))
            self.learnt.start(self.noise_model, dark, bright)

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train encoder and decoder, and the noise where it is learnt."""
        learnt = [] if self.learnt is None else list(self.learnt.parameters())
        return {"vae": [*self.network.parameters(), *learnt]}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Maximise the bound on the likelihood, Eq. (21)."""
        y = batch["y"]
        signal, divergences = self.network.decode(
            self.network.encode(y), lambda _, like: torch.randn_like(like)
        )
        each = [kl.mean() / y[0].numel() for kl in divergences]
        weight = self._weight(float(batch["progress"]), sum(float(kl.detach()) for kl in each))
        paid = torch.stack([kl.clamp(min=self.free_bits) for kl in each]).sum()
        yield "vae", {"nll": self._misfit(batch, signal), "kl": weight * paid}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on pixels that are hidden and never trained on."""
        blind = masking.interpolate(batch["y"], batch["held"])
        found = self._whole(self.network(blind))
        return {"mse": masking.masked_mse(found, batch["y"], batch["held"])}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the mean of the draws, or the most likely of them, and their spread."""
        features = self.network.encode(batch["y"])
        drawn = (self._draw(batch, features, k // 2, (-1) ** k) for k in range(self.samples))
        if self.estimate == "map":
            return mean_shift(torch.stack(list(drawn)))
        return welford(drawn)

    def sample(self, batch: Batch, number: int) -> Tensor:
        """Return the draw of this number."""
        return self._draw(batch, self.network.encode(batch["y"]), number, 1)

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo, and what mean shift sees around a pixel."""
        halo = self.network.halo
        if self.estimate == "mmse":
            return halo
        return (*halo[:-2], halo[-2] + REACH, halo[-1] + REACH)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride."""
        return self.network.stride

    def _draw(self, batch: Batch, features: list[Tensor], number: int, sign: int) -> Tensor:
        """Decode codes drawn by their position in the frame."""
        size = batch["y"].shape[2:]
        start = batch.get("start", torch.zeros(len(batch["y"]), len(size), dtype=torch.int64))

        def noise(level: int, like: Tensor) -> Tensor:
            cell = [n // m for n, m in zip(size, like.shape[2:], strict=True)]
            corner = torch.div(start, torch.tensor(cell), rounding_mode="floor").to(like.device)
            return sign * draws.normal_at(
                batch["seed"], corner, like.shape[2:], channels=like.shape[1], number=number,
                stream=level,
            )  # fmt: skip

        return self._whole(self.network.decode(features, noise)[0])

    def _whole(self, signal: Tensor) -> Tensor:
        """Return a signal with the mean that was left out."""
        return signal.float() + self._left.view(-1, *[1] * (signal.dim() - 2))

    def _misfit(self, batch: Batch, signal: Tensor) -> Tensor:
        """Return -log p(y | s) per pixel on the network's scale."""
        mask = batch["target"]
        y, s = (_grey(v.float(), batch["shift"], batch["unit"]) for v in (batch["y"], signal))
        unit = batch["unit"].view(*batch["unit"].shape, *[1] * (signal.dim() - 2))
        model = self.noise_model if self.learnt is None else self.learnt
        surprise = -(model.log_prob(y, s) + unit.float().log())
        if self.training:
            self._keep_mean((y - s).detach() / unit, mask / model.variance(s.detach()))
        return (surprise * mask).sum() / mask.sum().clamp(min=1)

    @torch.no_grad()
    def _keep_mean(self, residual: Tensor, certainty: Tensor) -> None:
        """Note the mean of what is left, channel by channel, surer pixels counting more."""
        left, weight = (
            (v.transpose(0, 1).flatten(1).sum(1)) for v in (residual * certainty, certainty)
        )
        self._left.lerp_((left / weight.clamp(min=1e-20)).float(), 1 - LEFT_MEMORY)

    def _weight(self, progress: float, kl: float) -> float:
        """Return the weight of the divergence now; start again where the codes were given up."""
        began, running, retries = self._watch.tolist()
        running += (1 - MEMORY) * (kl - running)
        share = (progress - began) / self.anneal if self.anneal else 1.0
        if share >= 1 and running < max(COLLAPSED, self.free_bits * 0.5):
            running = 1.0
            if self.anneal and retries < RETRIES and progress + self.anneal < 1:
                began, share, retries = progress, 0.0, retries + 1
                log.warning("The codes say nothing of the image; their weight starts again at 0.")
            elif retries <= RETRIES:
                retries = RETRIES + 1
                log.warning(
                    "The codes say nothing of the image (posterior collapse): either it is flat, or"
                    " the noise model says too much noise. Try a smaller method.kl_weight."
                )
        self._watch.copy_(torch.tensor([began, running, retries], dtype=torch.float64))
        return self.kl_weight * min(1.0, max(share, 0.0))


def _grey(values: Tensor, shift: Tensor, unit: Tensor) -> Tensor:
    """Return values (b, c, [z,] y, x) on the network's scale in grey levels."""
    shape = (*unit.shape, *[1] * (values.dim() - 2))
    return values * unit.view(shape) + shift.view(shape)
