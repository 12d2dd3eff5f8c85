"""Probabilistic Noise2Void: predict what each pixel may be, then let its measurement speak.

Krull et al., "Probabilistic Noise2Void", Frontiers in Computer Science 2, 2020; noise learnt from
the images themselves as in Prakash et al., ISBI 2020. A blind-spot network predicts K samples of
the signal at each pixel from the pixels around it, the prior. The noise model weighs them by the
measurement of the pixel itself: their weighted mean is the estimate of least squared error, and
their spread tells how sure it is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import masking
from bioreco.methods.bootstrap import glimpses, grey_levels, learn
from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Facts, Losses
from bioreco.methods.noise2void import Noise2Void
from bioreco.methods.posterior import surprise, weights
from bioreco.metrics.noise import Noise
from bioreco.noise.checks import check
from bioreco.noise.model import NoiseModel

log = logging.getLogger("bioreco")

BOOTSTRAPS = ("auto", "always", "never")
INFERENCES = ("full", "partition")
GRID = 4  # period of the partition in pixels
FITS = 3  # times that a noise model is learnt, as predictions get better


class ProbabilisticNoise2Void(Noise2Void):
    """Noise2Void that predicts a distribution, and weighs it by the measurement.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to `prior_samples` as many channels.
    noise_model
        p(y | s) in the images' grey levels.
    prior_samples
        Samples K of the signal that are predicted for each pixel.
    bootstrap
        Learn the noise model from the images: pairs of a measurement and its blind-spot prediction,
        after a first phase that trains the prior's mean alone, as Noise2Void does. "auto": where
        neither the configuration nor an estimate from the images tells it.
    warmup
        Share of the training that this first phase takes. The noise is learnt again after twice and
        three times as much.
    anchor
        Weight of the squared error of the prior's mean, over twice its own value, beside the
        likelihood. Both have the same optimum if the noise model is right; with it training is
        faster, and the brightness is kept if the model is a little wrong. 0: likelihood alone.
    inference
        "partition": hide each grid of pixels in turn, so that the prior never sees the measurement
        it is weighed by; 16 passes. "full": one pass over the unmasked image, which counts each
        measurement twice and so trusts it too much.
    density, replacement, radius, joint
        See `Noise2Void`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    uncertain = True
    blends = False
    outputs = "prior_samples"

    def __init__(
        self,
        network: nn.Module,
        noise_model: NoiseModel,
        *,
        prior_samples: int = 32,
        bootstrap: str = "auto",
        warmup: float = 0.2,
        anchor: float = 1.0,
        inference: str = "partition",
        density: float = 0.06,
        replacement: str = "mean",
        radius: int = 1,
        joint: bool = False,
    ) -> None:
        super().__init__(
            network, density=density, replacement=replacement, radius=radius, joint=joint
        )
        for key, value, allowed in (
            ("bootstrap", bootstrap, BOOTSTRAPS),
            ("inference", inference, INFERENCES),
        ):
            if value not in allowed:
                raise UserError(
                    f"method.{key}={value}: choose one of {', '.join(allowed)}."
                    + nearest(value, allowed)
                )
        if not 2 <= prior_samples <= 1024:
            raise UserError(f"method.prior_samples={prior_samples}: 2 to 1024")
        if not 0 < warmup <= 0.9:
            raise UserError(
                f"method.warmup={warmup}: a share of the training, above 0, at most 0.9"
            )
        if anchor < 0:
            raise UserError(f"method.anchor={anchor}: not negative")
        self.noise_model, self.prior_samples, self.anchor = noise_model, prior_samples, anchor
        self.bootstrap, self.warmup, self.inference = bootstrap, warmup, inference
        self.register_buffer("_fits", torch.tensor(0))
        self._fits: Tensor
        self._blank = [deepcopy(noise_model)]  # in a list, since it is no part of the state
        self._images: Sequence[Tensor] = ()
        self._scales: Sequence[tuple[Tensor, Tensor]] = ()
        self._noise: Sequence[Sequence[Noise]] = ()

    def prepare(self, facts: Facts) -> None:
        """Take what the noise model lacks from the images, and refuse one that contradicts them."""
        model = self.noise_model
        self._images, self._scales, self._noise = facts.images, facts.scales, facts.noise
        if self.bootstrap == "always" and model.informed_by(()):
            raise UserError(
                "method.bootstrap=always learns the noise from the images, but the noise model is"
                " known already: leave one of the two out"
            )
        told = self.bootstrap == "never" or model.informed_by(facts.noise)
        if self.bootstrap == "always" or not told:
            log.info("The noise model will be learnt from the images during training.")
            return
        model.fit(facts.noise)
        measured = glimpses(facts.images, facts.scales)
        model.refine(measured)
        check(model, measured, facts.noise)
        log.info("Noise model: %s.", model.describe())

    def prior(self, y: Tensor) -> Tensor:
        """Return what the network takes each pixel for, (b, c, K, [z,] y, x)."""
        x: Tensor = self.network(y).float()
        return x.view(len(y), y.shape[1], self.prior_samples, *y.shape[2:])

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Maximise the likelihood of the hidden pixels, Eq. (8) of Krull et al."""
        if self._due(batch["progress"]):
            self._learn_noise(batch)
        mask = self.blind_spots(batch) & batch["target"]
        samples = self.prior(self.fill(batch, mask))
        error = masked_mse(samples.mean(2), batch["y"], mask)
        if not self.noise_model.known:
            each = masked_mse(samples, batch["y"][:, :, None], mask[:, :, None])
            yield "network", {"mse": each / self.prior_samples}
            return
        losses = {"nll": self._surprise(samples, batch, mask)}
        if self.anchor > 0:
            losses["anchor"] = self.anchor * error / (2 * error.detach().clamp(min=1e-12))
        yield "network", losses

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error of the prior's mean, and the negative log-likelihood."""
        samples = self.prior(self.fill(batch, batch["held"]))
        losses = {"mse": masked_mse(samples.mean(2), batch["y"], batch["held"])}
        if self.noise_model.known:
            losses["nll"] = self._surprise(samples, batch, batch["held"])
        return losses

    def _surprise(self, samples: Tensor, batch: Batch, mask: Tensor) -> Tensor:
        """Return the surprise at masked pixels."""
        s, y = (grey_levels(v, batch["shift"], batch["unit"]) for v in (samples, batch["y"]))
        return surprise(s, y.float(), self.noise_model, mask)

    @torch.no_grad()
    def _learn_noise(self, batch: Batch) -> None:
        """Learn the noise model from pairs (measurement, blind-spot prediction)."""

        def predict(part: Tensor, seeds: Tensor, mask: Tensor) -> Tensor:
            return self.prior(self.fill({"y": part, "seed": seeds}, mask)).mean(2)

        device, dims = batch["y"].device, batch["y"].dim() - 2
        images = [image[None].to(device) for image in self._images] or [batch["y"]]
        scales = [(shift[None].to(device), unit[None].to(device)) for shift, unit in self._scales]
        scales = scales or [(batch["shift"], batch["unit"])]
        step = self.stride or (1,) * dims
        fresh = deepcopy(self._blank[0]).to(device)
        learn(fresh, predict, images, scales, self._noise, density=self.density, stride=step)
        self.noise_model.load_state_dict(fresh.state_dict())
        self._fits += 1

    def _due(self, progress: Tensor) -> bool:
        """Return whether it is time to learn the noise, for the first time or better."""
        fits = int(self._fits)
        if fits == 0 and self.noise_model.known:
            return False
        return fits < FITS and float(progress) >= (fits + 1) * self.warmup

    def reconstruct(self, batch: Batch) -> Estimate:
        """Weigh the prior samples by the measurement: mean and deviation of the posterior."""
        samples = self._blind(batch) if self.inference == "partition" else self.prior(batch["y"])
        if not self.noise_model.known:
            return Estimate(samples.mean(2))
        s, y = (grey_levels(v, batch["shift"], batch["unit"]) for v in (samples, batch["y"]))
        weight = weights(s, y.float(), self.noise_model)
        mean = (weight * samples).sum(2)
        variance = (weight * (samples - mean[:, :, None]) ** 2).sum(2)
        return Estimate(mean, variance.sqrt())

    def _blind(self, batch: Batch) -> Tensor:
        """Return the prior of each pixel, predicted with it and the others of its grid hidden."""
        y = batch["y"]
        samples: Tensor | None = None
        for phase in range(GRID**2):
            mask = masking.grid(y, GRID, torch.full((len(y),), phase, device=y.device))
            found = self.prior(self.fill(batch, mask))
            samples = found if samples is None else torch.where(mask[:, :, None], found, samples)
        assert samples is not None
        return samples

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo, and the radius more where hidden pixels are filled."""
        halo = super().halo
        if halo is None or self.inference == "full":
            return halo
        return tuple(n + self.radius for n in halo)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride; the partition must repeat with it."""
        stride = super().stride
        if stride is None or self.inference == "full":
            return stride
        period = (2, GRID, GRID)[-len(stride) :]
        return tuple(math.lcm(a, b) for a, b in zip(stride, period, strict=True))
