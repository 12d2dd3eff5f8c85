"""cryoGAN: a protein's volume from particle images, without ever estimating a pose.

Eqs. (37) to (40) of the review; Gupta, McCann, Donati and Unser, IEEE Transactions on Computational
Imaging 7, 2021. There is no generator network: the volume V itself is learnt. It is projected in
random directions, blurred by the CTF of a measured particle, moved and made noisy,

    y' = exp(s_1) H_phi V + exp(s_2) n,    phi: pose, CTF and shift drawn at random,

and changed until a critic can't tell such images from the measured ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import spectra
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.density import Density, Knowledge
from bioreco.methods.imaging import Imaging
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.view import View
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import PARAMETERS, contrast_transfer

SCALES = ("signal", "noise")
_RATE = 0.1  # of the logarithms of the scales, against that of the volume
_EXPLODED = 1e2  # times as steep as it is to be: a critic that is lost
_LEAST_PASSED = 0.02  # of the power at a frequency: less tells nothing of the particle
_SAME_PIXEL = 0.01
_LEAST_BOX = 8
_BANDS = {"low": (0.0, 0.25), "middle": (0.25, 0.5), "high": (0.5, 0.75)}  # of Nyquist


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
    have the same projections.

    Of the losses `distance`, `gradient`, `power_*` and `mean` are there to be logged and have no
    gradient. `power_*` is the power of simulated images over that of measured ones, as the critic
    sees them, in a band of frequencies; `mean` that of the volume in units of `Density.unit`.

    """

    averaged = False

    def __init__(
        self,
        forward_model: CryoEM,
        critic: nn.Module,
        box: int,
        pixel_size: float,
        *,
        critic_steps: int = 4,
        projections: int = 64,
        learn: tuple[str, ...] = SCALES,
        adversarial: Adversarial | None = None,
        known: Knowledge | None = None,
        imaging: Imaging | None = None,
        view: View | None = None,
    ) -> None:
        super().__init__()
        _check(box, critic_steps, projections, learn)
        self.forward_model, self.critic, self.pixel_size = forward_model, critic, pixel_size
        self.density = Density(box, known or Knowledge())
        self.adversarial = adversarial or Adversarial()
        self.imaging, self.view = imaging or Imaging(), view or View()
        self.critic_steps, self.projections = critic_steps, projections
        self.learn = learn
        self.scales = nn.Parameter(torch.zeros(2))  # of signal and noise, see `_scaled`
        self.register_buffer("_rings", torch.zeros(2, box // 2 + 1))
        self._rings: Tensor  # power of particles and of noise at each frequency; 0 before the start

    @property
    def wants(self) -> tuple[str, ...]:  # type: ignore[override]
        """What imaging draws from beside the CTF."""
        return self.imaging.wants

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
        see = self._eyes(float(batch["progress"]))
        with torch.no_grad():
            volume = self.density()
        for part in self._parts(batch):
            with torch.no_grad():
                fake = self._simulate(volume, part)
            losses = self.adversarial.critic_losses(
                self.critic, see(part["y"], part), see(fake, part)
            )
            self._check_slope(losses)
            yield "critic", losses
        more = _drawn(batch, self.projections)
        fake = see(self._simulate(self.density(), more), more)
        losses = self.adversarial.generator_losses(self.critic, fake)
        yield "volume", losses | self._told(see(batch["y"], batch), fake.detach())
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
        see = self._eyes(1.0)
        fake = see(self._simulate(self.density(), batch), batch)
        return {"distance": self.critic(see(batch["y"], batch)).mean() - self.critic(fake).mean()}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the volume (1, 1, z, y, x); it was made of the measurements in training."""
        return Estimate(self.volume_now()[None, None].to(batch["y"].device))

    @torch.no_grad()
    def _start(self, batch: Batch) -> None:
        """Measure the spectra of particles and noise, and start the volume from them."""
        y, ctf = batch["y"], batch["ctf"]
        size = y.shape[-1]
        self._check_batch(y, ctf)
        measured = spectra.by_radius(spectra.power(y - y.mean()), size)
        noise = torch.ones_like(measured)
        if self.imaging.noise != "gaussian":
            noise = spectra.by_radius(spectra.power(batch["background"]), size)
        passed = torch.ones_like(measured)
        if self.forward_model.ctf:
            passed = spectra.by_radius(contrast_transfer(ctf, size).square().mean(0), size)
        clean = (measured - noise).clamp(min=0) / passed.clamp(min=_LEAST_PASSED)
        self.density.start(clean, self.view.lowpass[0])
        seen = spectra.power(self.view.corrected(y, ctf))
        self._rings.copy_(torch.stack([spectra.by_radius(seen, size), noise]))

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
        return images

    def _scaled(self) -> Tensor:
        """Return exp(s_1) and exp(s_2)."""
        learnt = torch.tensor([_RATE * (name in self.learn) for name in SCALES])
        return torch.exp(learnt.to(self.scales) * self.scales)

    def _eyes(self, progress: float) -> Callable[[Tensor, Batch], Tensor]:
        """Return what turns images (b, 1, y, x) of a batch into what the critic sees."""
        transfer = self.view.transfer(progress, self._rings[0], self.density.box)
        return lambda images, batch: spectra.apply(
            self.view.corrected(images, batch["ctf"]), transfer
        )

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        """Share a batch between the updates of the critic."""
        number = len(batch["y"])
        if number % self.critic_steps:
            raise UserError(
                f"trainer.batch_size={number}: a multiple of method.critic_steps="
                f"{self.critic_steps}, which share the batch evenly"
            )
        for index in torch.arange(number).chunk(self.critic_steps):
            yield _taken(batch, index)

    def _told(self, real: Tensor, fake: Tensor) -> Losses:
        """Return what is logged of the simulated images: power by band, and the volume's mean."""
        with torch.no_grad():
            size = real.shape[-1]
            k = spectra.frequency(size, real)
            measured, made = spectra.power(real), spectra.power(fake)
            ratios = {
                f"power_{name}": made[band].mean() / measured[band].mean().clamp(min=1e-12)
                for name, (low, high) in _BANDS.items()
                for band in ((k > low) & (k <= high),)
            }
            return ratios | {"mean": self.density.values.abs().mean()}

    def _check_slope(self, losses: Losses) -> None:
        """Stop where the critic runs away, before it takes the volume with it."""
        slope = float(losses.get("gradient", losses["critic"]).detach())
        pixels = self.density.box if self.adversarial.norm == "pixel" else 1
        if not abs(slope) < _EXPLODED * pixels:
            raise UserError(
                f"training diverged: the critic's slope is {slope:.3g} where 1 was asked for. Lower"
                " method.optim.critic.lr or raise method.adversarial.penalty, and `resume` from the"
                " last checkpoint."
            )

    def _check_batch(self, y: Tensor, ctf: Tensor) -> None:
        """Refuse particles that the volume isn't made for."""
        box, pixel = self.density.box, ctf[:, PARAMETERS.index("pixel_size")]
        if y.shape[-2:] != (box, box):
            raise UserError(
                f"particles of {y.shape[-1]} x {y.shape[-2]} pixels, but a volume of {box} voxels"
            )
        if float((pixel / self.pixel_size - 1).abs().max()) > _SAME_PIXEL:
            raise UserError(
                f"particles with pixels of {float(pixel.min()):g} to {float(pixel.max()):g}"
                f" Angstrom, but a volume with voxels of {self.pixel_size:g}: resample them to"
                " one size"
            )


def _taken(batch: Batch, index: Tensor) -> Batch:
    """Return some of the samples of a batch."""
    return {
        key: value[index.to(value.device)] if value.dim() else value for key, value in batch.items()
    }


def _drawn(batch: Batch, number: int) -> Batch:
    """Return as many samples of a batch, each about equally often."""
    order = torch.randperm(len(batch["y"]))
    return _taken(batch, order.repeat(-(-number // len(order)))[:number])


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
