"""cryoGAN: a protein's volume from particle images, without ever estimating a pose.

Eqs. (37) to (40) of the review; Gupta, McCann, Donati and Unser, IEEE Transactions on Computational
Imaging 7, 2021. There is no generator network: the volume V itself is learnt. It is projected in
random directions, blurred by the CTF of a measured particle, moved and made noisy,

    y' = exp(s_1) H_phi V + exp(s_2) n,    phi: pose, CTF and shift drawn at random,

and changed until a critic can't tell such images from measured ones. The paper's critic measures
the Wasserstein distance, this one the ratio of likelihoods: more telling where noise prevails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import spectra
from bioreco.methods.adversarial import Adversarial, LikelihoodRatio
from bioreco.methods.coarser import coarser_batch, coarser_volume
from bioreco.methods.density import Density, Knowledge
from bioreco.methods.imaging import Imaging, check_particles
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.portions import drawn, shared, taken
from bioreco.methods.view import View, finest_shown
from bioreco.networks.critic import Critic
from bioreco.networks.polar_critic import PolarCritic
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer

SCALES = ("signal", "noise")
_RATE = 0.1  # of the logarithms of the scales, against that of the volume
_LEAST_PASSED = 0.02  # of the power at a frequency: less tells nothing of the particle
_LEAST_BOX = 8
_PORTION = 256  # particles that are looked at together before training


class CryoGAN(Method):
    """A volume whose projections a critic can't tell from particles.

    Parameters
    ----------
    forward_model
        How a volume is seen.
    critic
        Gives an image (b, 1, y, x) one number.
    box, pixel_size
        Of the volume and the particles, in pixels and Angstrom.
    critic_steps
        Updates of the critic for each of the volume; a batch is shared by them evenly.
    projections
        Images that the volume is updated with.
    learn
        Which scales are learnt: "signal", "noise".
    adversarial, known, imaging, view
        The loss, what is known of the particle, how it is imaged, and how the critic sees it.

    Raises
    ------
    UserError
        If an option is out of range, or training diverges.

    Notes
    -----
    Poses are known but for a rotation of the whole and its hand: a volume and its mirror image
    have the same projections. While the low-pass filter leaves little fine detail, all is done on
    fewer, larger pixels.

    Of the losses `distance`, `gradient`, `power_*` and `mean` are there to be logged and have no
    gradient. `power_*` is the power of simulated images over that of measured ones in a band of
    frequencies; `mean` that of the volume in units of `Density.unit`.

    """

    averaged = False

    def __init__(
        self,
        forward_model: CryoEM,
        critic: Critic | PolarCritic,
        box: int,
        pixel_size: float,
        *,
        critic_steps: int = 2,
        projections: int = 64,
        learn: tuple[str, ...] = ("signal",),
        adversarial: Adversarial | None = None,
        known: Knowledge | None = None,
        imaging: Imaging | None = None,
        view: View | None = None,
    ) -> None:
        super().__init__()
        _check(box, critic_steps, projections, learn)
        self.forward_model, self.critic, self.pixel_size = forward_model, critic, pixel_size
        self.density = Density(box, known or Knowledge())
        self.adversarial = adversarial or LikelihoodRatio()
        self.imaging, view = imaging or Imaging(), view or View()
        self._asked = view if forward_model.ctf else replace(view, ctf="none")
        self.wants = self.imaging.wants  # what it draws from beside the CTF
        self.critic_steps, self.projections, self.learn = critic_steps, projections, learn
        self.scales = nn.Parameter(torch.zeros(2))  # of signal and noise, see `_scaled`
        self.register_buffer("_rings", torch.zeros(3, box // 2 + 1))
        self._rings: Tensor  # power as seen, of noise, of particles; 0 before the start

    @property
    def view(self) -> View:
        """How the critic sees; where it isn't said, up to the detail that particles show."""
        return self._asked.until(finest_shown(self._rings[2], self._rings[1]))

    def prepare(self, facts: Facts) -> None:
        """Measure spectra and start the volume."""
        if facts.batch:
            self._start(facts.batch)

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the critic, and the volume with the scales."""
        learnt = [self.scales] if self.learn else []
        return {"critic": self.critic.parameters(), "volume": [*self.density.parameters(), *learnt]}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update the critic some times, each with its share of the batch, then the volume."""
        if not self._rings.any():
            self._start(batch)
        progress = float(batch["progress"])
        size = self.view.pixels(progress, self.density.box)
        batch, see = coarser_batch(batch, size), self._eyes(progress, size)
        images = len(batch["y"]) // self.critic_steps
        with torch.no_grad():
            volume = coarser_volume(self._matter(images, progress), size)
        for part in shared(batch, self.critic_steps):
            with torch.no_grad():
                fake = self._simulate(volume, part)
            real, fake = see(part["y"], part), see(fake, part)
            losses = self.adversarial.critic_losses(self.critic, real, fake)
            self.adversarial.check(losses)
            yield "critic", losses
        more = drawn(batch, self.projections)
        fake = self._simulate(coarser_volume(self._matter(self.projections, progress), size), more)
        losses = self.adversarial.generator_losses(self.critic, see(fake, more))
        told = spectra.compare(batch["y"], fake, size / self.density.box)
        yield "volume", losses | told | {"mean": self.density.values.detach().abs().mean()}
        self.density.restrain()

    @torch.no_grad()
    def volume_now(self) -> Tensor:
        """Return V (z, y, x) in its own units: what is projected is V times the signal's scale."""
        volume: Tensor = self._scaled()[0] * self.density()
        return volume

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return the distance that the critic sees between particles and as many projections."""
        if not self._rings.any():
            return {}
        see = self._eyes(1.0, self.density.box)
        fake = see(self._simulate(self._matter(len(batch["y"]), 1.0), batch), batch)
        return {"distance": self.critic(see(batch["y"], batch)).mean() - self.critic(fake).mean()}

    def spectra(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return those of particles, and of the volume's noisy projections."""
        if not self._rings.any():
            return {}
        fake = self._simulate(self._matter(len(batch["y"]), 1.0), batch)
        return {"particles": spectra.of_images(batch["y"]), "simulated": spectra.of_images(fake)}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the volume (1, 1, z, y, x); it was made of the measurements in training."""
        return Estimate(self.volume_now()[None, None].to(batch["y"].device))

    def _matter(self, _images: int, _progress: float) -> Tensor:
        """Return what is projected: ([v,] z, y, x), v volumes that share the images evenly."""
        volume: Tensor = self.density()
        return volume

    @torch.no_grad()
    def _start(self, batch: Batch) -> None:
        """Measure the spectra of particles and noise, and start the volume from them."""
        y, ctf = batch["y"], batch["ctf"]
        check_particles(y, ctf, self.density.box, self.pixel_size)
        patches = None if self.imaging.noise == "gaussian" else batch["background"]
        measured, noise = spectra.of_particles(y, patches)
        self._rings.copy_(torch.stack([measured, noise, measured]))
        passed = torch.ones_like(measured)
        if self.forward_model.ctf:
            passed = contrast_transfer(ctf[:_PORTION], y.shape[-1]).square().mean(0)
            passed = spectra.by_radius(passed, y.shape[-1])
        clean = (measured - noise).clamp(min=0) / passed.clamp(min=_LEAST_PASSED)
        self.density.start(clean, 0.5 * self.view.cut(1.0))
        seen = self.view.corrected(y[:_PORTION], ctf[:_PORTION], self.imaging.shifts)
        self._rings[0] = spectra.of_images(seen - seen.mean(0))  # what differs between particles
        if isinstance(self.critic, PolarCritic):
            self.critic.settle(self._beside_noise(batch))

    def _beside_noise(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        """Return particles and noise alone as the critic is shown them at the end, in portions."""
        size = self.view.pixels(1.0, self.density.box)
        show = self._shown(1.0, size)
        for index in torch.split(torch.arange(len(batch["y"])), _PORTION):
            some = coarser_batch(taken(batch, index), size)
            noise = self.imaging.draw_noise(some, self._rings[1], some["y"])
            yield show(some["y"], some["ctf"]), show(noise, some["ctf"])

    def _simulate(self, volume: Tensor, batch: Batch) -> Tensor:
        """Return one noisy image of the volume for each CTF of a batch (b, 1, y, x)."""
        clean = self.forward_model.simulate(
            volume,
            self.imaging.draw_poses(batch),
            batch["ctf"],
            self.imaging.draw_shifts(batch) if self.imaging.shifts else None,
        )
        drawn = self.imaging.draw_noise(batch, self._rings[1], clean)
        signal, noise = self._scaled()
        images: Tensor = signal * clean + noise * drawn
        return images * self.imaging.draw_gain(images, self.density.box)

    def _scaled(self) -> Tensor:
        """Return exp(s_1) and exp(s_2)."""
        learnt = torch.tensor([_RATE * (name in self.learn) for name in SCALES])
        return torch.exp(learnt.to(self.scales) * self.scales)

    def _eyes(self, progress: float, size: int) -> Callable[[Tensor, Batch], Tensor]:
        """Return what turns images (b, 1, size, size) of a batch into what the critic sees."""
        show = self._shown(progress, size)
        return lambda images, batch: self.critic.look(show(images, batch["ctf"]))

    def _shown(self, progress: float, size: int) -> Callable[[Tensor, Tensor], Tensor]:
        """Return what turns images and their CTFs into what is looked at."""
        reach, box = self.imaging.shifts, self.density.box
        return partial(
            self.view.show, self.view.transfer(progress, self._rings[0], size, box), reach
        )


def _check(box: int, critic_steps: int, projections: int, learn: tuple[str, ...]) -> None:
    """Refuse options that are out of range."""
    for key, value in (("critic_steps", critic_steps), ("projections", projections)):
        if value < 1:
            raise UserError(f"method.{key}={value}: at least 1")
    if box < _LEAST_BOX:
        raise UserError(f"particles of {box} x {box} pixels: at least {_LEAST_BOX} are needed")
    for name in learn:
        if name not in SCALES:
            raise UserError(
                f"method.learn={list(learn)}: any of {', '.join(SCALES)}." + nearest(name, SCALES)
            )
