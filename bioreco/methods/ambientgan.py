"""AmbientGAN: learn to draw clean images from measurements of others, none of them clean.

Eqs. (37) to (40) of the review; Bora, Price and Dimakis, ICLR 2018. A generator makes images x of
random numbers; they are measured as the data were, with parameters and noise drawn at random, and
a critic compares measurements alone:

    min_G max_D  E D(y) - E D(H_phi G(z) + n),    z ~ N(0, I), phi ~ P_phi.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import draws, spectra
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.camera import Camera
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.passage import Microscope
from bioreco.methods.portions import shared
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.linear import LinearOperator
from bioreco.operators.lines import RandomLines, turned

BALANCES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # noise over signal power, of Wiener's estimates
ITERATIONS = 20
_LEAST = 0.05  # of the deviation of measurements: what is left of it for the signal at least

Critic = Callable[..., nn.Module]
Make = Callable[..., nn.Module]


class AmbientGAN(Method):
    """A generator whose measured images a critic can't tell from the measurements.

    Parameters
    ----------
    forward_model
        How images are measured: `Blur`, the identity for noise alone, or what draws an operator
        for each image, as `RandomLines` does.
    generator
        What makes one of (latent, box).
    critic
        What makes one of `inputs`.
    box, inputs
        Pixels along y and x of what is measured; channels, of which there is one.
    latent
        Random numbers that an image is made of.
    critic_steps
        Updates of the critic for each of the generator; a batch is shared by them evenly.
    noise
        "estimated": n as strong as in the measurements at that signal; "none": n = 0.
    adversarial
        The loss.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    Particles have noise of deviation 1 by their normalisation. In other images it is estimated.

    """

    averaged = False
    denoises = False
    makes = "samples"

    def __init__(
        self,
        forward_model: Any,
        generator: Make,
        critic: Critic,
        box: int,
        inputs: int,
        *,
        latent: int = 16,
        critic_steps: int = 2,
        noise: Literal["estimated", "none"] = "estimated",
        adversarial: Adversarial | None = None,
    ) -> None:
        super().__init__()
        if critic_steps < 1 or latent < 1:
            raise UserError(f"method.latent={latent} critic_steps={critic_steps}: at least 1")
        if inputs != 1:
            raise UserError(f"AmbientGAN draws images of one channel; these have {inputs}")
        self.forward_model = forward_model
        self._lines = isinstance(forward_model, RandomLines)
        self.generator, self.critic = generator(latent, box), critic(inputs=inputs)
        self.latent, self.box = latent, box
        self.critic_steps, self.noise = critic_steps, noise
        self.adversarial = adversarial or Adversarial()
        self.register_buffer("_scale", torch.tensor([0.0, 1.0]))  # mean and deviation of x
        self._scale: Tensor
        self.passage = Microscope(forward_model)
        self.passage.camera = Camera(read=1.0)

    def get_extra_state(self) -> dict[str, float]:
        """Return the noise."""
        return asdict(self.passage.camera)

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Take it over."""
        self.passage.camera = Camera(**state)

    def check(self, patch: Sequence[int]) -> None:
        """Refuse patches that aren't squares in the plane."""
        if set(patch) != {self.box} or len(patch) != 2:
            raise UserError(
                f"AmbientGAN draws square images; patches of {' x '.join(map(str, patch))} pixels"
                " aren't: say another data.patch, or data.dims=2"
            )

    def prepare(self, facts: Facts) -> None:
        """Learn the noise, and on what scale images are."""
        self._check_rows(facts.batch["y"].shape[-2] if facts.batch else self.box)
        if facts.batch:
            y, variance = facts.batch["y"], 1.0
        else:
            y = torch.cat([image.flatten() for image in facts.images])
            self.passage.prepare(facts)
            units = [float(unit[0]) for _, unit in facts.scales]
            variance = (self.passage.camera.sigma * len(units) / sum(units)) ** 2
        total = y.var()
        left = (total - variance).clamp(min=(_LEAST**2 * total).item())
        ones = torch.ones(1, 1, self.box, self.box).to(y)
        bright = self.forward_model.draw(ones)(ones).mean() if self._lines else 1.0
        self._scale.copy_(torch.stack([y.mean() / bright, left.sqrt()]))

    def _check_rows(self, measured: int) -> None:
        """Refuse lines where images are simulated, and the other way round."""
        rows = 1 if self._lines else self.box
        if measured != rows:
            seen = ["images", "lines"]
            raise UserError(
                f"these measurements are {seen[measured == 1]}, and the forward model sees"
                f" {seen[rows == 1]}: forward=lines goes with data=projected_sprites"
            )

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the critic and the generator."""
        return {"critic": self.critic.parameters(), "generator": self.generator.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update the critic some times, each with its share of the batch, then the generator."""
        for part in shared(batch, self.critic_steps):
            with torch.no_grad():
                fake = self.measured(self.images(self._drawn(part)), part)
            losses = self.adversarial.critic_losses(self.critic, part["y"], fake)
            self.adversarial.check(losses)
            yield "critic", losses
        fake = self.measured(self.images(self._drawn(batch)), batch)
        yield "generator", self.adversarial.generator_losses(self.critic, fake)

    def images(self, z: Tensor) -> Tensor:
        """Return G(z) (b, 1, y, x), on the scale of the measurements."""
        mean, deviation = self._scale
        made: Tensor = mean + deviation * self.generator(z)
        return made

    def measured(self, x: Tensor, batch: Batch) -> Tensor:
        """Return H x + n, with the noise that measurements of the batch have."""
        clean = (self.forward_model.draw(x) if self._lines else self._operator())(x)
        return clean if self.noise == "none" else self.passage.noisy(clean, batch)

    def _operator(self) -> LinearOperator:
        model = self.forward_model
        found: LinearOperator = model if isinstance(model, LinearOperator) else model.operator()
        return found

    def deblurred(self, y: Tensor) -> Iterator[Tensor]:
        """Yield Wiener's estimates of measurements (b, 1, y, x), ever sharper."""
        H, mean = self._operator(), self._scale[0]
        right = H.adjoint(y - mean)
        for balance in BALANCES:
            found = conjugate_gradient(H.normal, right, mu=balance, iterations=ITERATIONS)
            yield mean + found * (1 + balance)

    def _drawn(self, batch: Batch) -> Tensor:
        y = batch["y"]
        return torch.randn(len(y), self.latent, device=y.device)

    @property
    def augment(self) -> str:
        """As the PSF may be turned."""
        return str(getattr(self.forward_model, "symmetry", "turn"))

    @torch.no_grad()
    def generate(self, count: int, seed: int) -> Tensor:
        """Return images (count, 1, y, x) that nothing but the seed decides.

        Lines don't tell at which angle an image lies: each is turned at random.
        """
        device = self._scale.device
        seeds = torch.arange(count, dtype=torch.int64, device=device) + (seed << 20)
        origin = torch.zeros(count, 1, dtype=torch.int64, device=device)
        z = draws.normal_at(seeds, origin, (self.latent,), channels=1, number=0)[:, 0]
        made = self.images(z)
        if not self._lines:
            return made
        return turned(made, 2 * math.pi * draws.uniform(seeds, 1, stream=1)[:, 0].to(made))

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return the distance that the critic sees between measurements and simulated ones."""
        fake = self.measured(self.images(self._drawn(batch)), batch)
        return {"distance": self.critic(batch["y"]).mean() - self.critic(fake).mean()}

    def spectra(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return those of measurements, and of simulated ones, where these are images."""
        if batch["y"].shape[-2] != batch["y"].shape[-1]:
            return {}
        fake = self.measured(self.images(self._drawn(batch)), batch)
        return {"measured": spectra.of_images(batch["y"]), "simulated": spectra.of_images(fake)}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return images of the generator's own, side by side where the measurements are larger.

        They have nothing to do with the measurements.
        """
        count, _, height, width = batch["y"].shape
        rows, columns = -(-height // self.box), -(-width // self.box)
        made = self.generate(count * rows * columns, 0).view(count, rows, columns, *[self.box] * 2)
        laid = made.transpose(2, 3).reshape(count, 1, rows * self.box, columns * self.box)
        return Estimate(laid[..., :height, :width])
