"""Spatial-VAE: what particles look like, apart from how they lie in the plane.

Eqs. (24) to (26) of the review; Bepler, Zhong, Kelley, Brignole and Berger, NeurIPS 2019. The
decoder gives the brightness at a place, of a code z; the encoder infers z, the angle phi and the
shift dt, and the image is decoded at turned and moved places,

    log p(y | z, phi, dt) = sum_i log p(y_i | R(phi) t_i + dt, z),    noise of deviation 1.

The bound on the likelihood is maximised. The prior of the angle has no mean, so that no direction
is preferred: its divergence is that of the spread alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.method import Batch, Estimate, Losses, Method
from bioreco.networks.polar_encoder import Code
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer

_SEARCHED = 36  # angles at the start
_TOLD = 0.1  # weight of what the encoder is told of them
_TIGHTEST, _WIDEST = -6.0, 1.0  # logarithm of a deviation over that of the prior

Encoder = Callable[[Tensor], Code]
Make = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Placed:
    """Where particles lie, in RELION's sense.

    Attributes
    ----------
    psi, psi_spread
        (b,) in radians: x_image = R(psi) x_reference with the passive rotation.
    origin
        (b, 2), (x, y) in pixels: what centres the image.
    content
        (b, latent).

    """

    psi: Tensor
    psi_spread: Tensor
    origin: Tensor
    content: Tensor


class SpatialVAE(Method):
    """A variational autoencoder whose decoder sees places, turned and moved by the encoder.

    Parameters
    ----------
    forward_model
        `CryoEM` with a CTF lets the decoder show particles without it; any other is left out.
    encoder, decoder
        What makes them of `latent`.
    box
        Pixels along y and x.
    latent
        Numbers that describe the content.
    turn
        s_phi of Eq. (26), deviation of the prior of the angle, in degrees.
    shift
        s_dt, deviation of the prior of each shift, as a share of half the box.
    kl_weight
        Weight of the divergence; 1 is the bound itself.
    anneal
        Share of the training in which that weight grows from 0.
    align
        Share of the training in which all particles show the same, and their angles are searched.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    A batch holds particles with noise of deviation 1. The angle is known up to one turn of all.

    A code can tell particles that lie one way from those that lie the other, and the decoder then
    draws them as two kinds. That is a local optimum of the bound, since no small change of an angle
    leads out of it. So training begins without a code: the one image that is decoded is compared
    with each particle at all angles, an angle is drawn by how well it fits, and the encoder is told
    of it. It follows turns by its build (`PolarEncoder`), and learns the rest with the codes.

    """

    averaged = False
    makes = "poses"

    def __init__(
        self,
        forward_model: object,
        encoder: Make,
        decoder: Make,
        box: int,
        *,
        latent: int = 2,
        turn: float = 180.0,
        shift: float = 0.1,
        kl_weight: float = 1.0,
        anneal: float = 0.2,
        align: float = 0.3,
    ) -> None:
        super().__init__()
        if not 0 <= align <= 0.9:
            raise UserError(f"method.align={align:g}: a share of the training, 0 to 0.9")
        if latent < 1 or turn <= 0 or shift <= 0 or kl_weight <= 0 or not 0 <= anneal <= 0.9:
            raise UserError(
                f"method.latent={latent} turn={turn:g} shift={shift:g} kl_weight={kl_weight:g}"
                f" anneal={anneal:g}: latent at least 1, anneal 0 to 0.9, the others above 0"
            )
        self.encoder, self.decoder = encoder(latent), decoder(latent)
        self.ctf = isinstance(forward_model, CryoEM) and forward_model.ctf
        self.box, self.latent = box, latent
        self.turn, self.shift = math.radians(turn), shift
        self.kl_weight, self.anneal, self.align = kl_weight, anneal, align

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train encoder and decoder together."""
        return {"vae": self.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Maximise the bound on the likelihood."""
        y = batch["y"]
        code = self.encoder(y)
        wide = (code.angle_spread, code.shift_spread, code.content_spread)
        spread = [value.clamp(_TIGHTEST, _WIDEST).exp() for value in wide]
        u, v, w = (torch.randn_like(value) for value in spread)
        progress = float(batch["progress"]) if "progress" in batch else 1.0
        told = float(progress >= self.align)  # whether there is a code
        angle = code.angle + self.turn * spread[0] * u if told else self._fitting(batch)
        shown = self.decode(
            angle,
            self.shift * (code.shift + spread[1] * v),
            told * (code.content + spread[2] * w),
        )
        weight = self.kl_weight * min(1.0, progress / self.anneal if self.anneal else 1.0)
        misfit = 0.5 * (self.seen(shown, batch) - y).square().flatten(1).sum(1)
        paid = _divergence(0.0 * code.angle, spread[0])
        paid = told * (paid + _divergence(code.content, spread[2]).sum(1))
        paid = paid + _divergence(code.shift, spread[1]).sum(1)
        pixels = y[0].numel()
        losses = {"misfit": misfit.mean() / pixels, "kl": weight * paid.mean() / pixels}
        if not told:
            losses["direction"] = _TOLD * code.surprise(angle).mean()
        yield "vae", losses

    @torch.no_grad()
    def _fitting(self, batch: Batch) -> Tensor:
        """Draw an angle for each particle (b,), by how well the image without a code fits."""
        y = batch["y"]
        angles = 2 * math.pi * (torch.arange(_SEARCHED) + torch.rand(1)).to(y) / _SEARCHED
        none = torch.zeros(_SEARCHED, self.latent + 2).to(y)
        views = self.decode(angles, none[:, :2], none[:, 2:])
        # <y, C v>; ||C v|| hardly depends on the angle
        fits = self.seen(y, batch).flatten(1) @ views.flatten(1).T
        return angles[torch.multinomial(fits.softmax(1), 1)[:, 0]]

    def decode(self, angle: Tensor, shift: Tensor, content: Tensor) -> Tensor:
        """Return images (b, 1, y, x) of contents, turned by angles and moved by shifts (b, 2)."""
        along = (torch.arange(self.box, device=angle.device) - self.box // 2) * (2 / self.box)
        y, x = torch.meshgrid(along, along, indexing="ij")
        x, y = x.flatten()[None], y.flatten()[None]
        c, s = angle.cos()[:, None], angle.sin()[:, None]
        places = torch.stack([c * x - s * y, s * x + c * y], -1) + shift[:, None]
        shown: Tensor = self.decoder(places, content)
        return shown.view(-1, 1, self.box, self.box)

    def seen(self, images: Tensor, batch: Batch) -> Tensor:
        """Return images as the microscope shows them, each with its CTF if there is one.

        They are padded with nothing, and what the CTF spreads out of the box is lost.
        """
        if not self.ctf:
            return images
        size = 2 * self.box
        transfer = contrast_transfer(batch["ctf"], size)[:, None]
        spectrum = torch.fft.rfft2(images, s=(size, size)) * transfer
        passed: Tensor = torch.fft.irfft2(spectrum, s=(size, size))
        return passed[..., : self.box, : self.box]

    @torch.no_grad()
    def placed(self, batch: Batch) -> Placed:
        """Return where the particles of a batch lie."""
        code = self.encoder(batch["y"])
        c, s = code.angle.cos(), code.angle.sin()
        x, y = (0.5 * self.box * self.shift * code.shift).unbind(1)
        origin = torch.stack([c * x + s * y, c * y - s * x], 1)  # R(phi)^T dt
        spread = self.turn * code.angle_spread.clamp(_TIGHTEST, _WIDEST).exp()
        return Placed(code.angle, spread, origin, code.content)

    @torch.no_grad()
    def view(self, content: Tensor) -> Tensor:
        """Return images (b, 1, y, x) of contents (b, latent), all in the frame of the particle."""
        none = torch.zeros(len(content), 2).to(content)
        return self.decode(none[:, 0], none, content)

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return the squared error of the likeliest image: 1 is the noise."""
        error = self.seen(self.reconstruct(batch).mean, batch) - batch["y"]
        return {"mse": error.square().mean()}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return particles without noise and CTF, as they lie."""
        code = self.encoder(batch["y"])
        return Estimate(self.decode(code.angle, self.shift * code.shift, code.content))


def _divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """Return KL(N(mean, spread^2) || N(0, 1))."""
    return 0.5 * (mean**2 + spread**2 - 1) - spread.log()
