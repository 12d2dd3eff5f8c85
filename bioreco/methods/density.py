"""A volume as a parameter: the density of a particle, kept within what is known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, choose
from bioreco.operators.resample import rotate
from bioreco.operators.symmetry import symmetry_group

INITIAL = ("noise", "blob")
_EDGE = 3.0  # voxels over which the mask falls to 0


@dataclass(frozen=True)
class Knowledge:
    """What is known of a particle.

    Attributes
    ----------
    positive
        Whether its density is nowhere negative: true of white particles with the right CTF.
    mask
        Radius of the sphere that holds it, as a share of half the box.
    symmetry
        Its point group: C1, C2, ..., D2, ..., T, O or I.
    smooth
        Width (standard deviation, in voxels) of the Gaussian that the density is made of, so that
        it holds no finer detail; 0: none.
    initial
        What it starts as: "noise", with the power spectrum of the particles, or "blob", a ball.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    positive: bool = True
    mask: float = 0.9
    symmetry: str = "C1"
    smooth: float = 0.0
    initial: str = "blob"

    def __post_init__(self) -> None:
        if not 0 < self.mask <= 1 or self.smooth < 0:
            raise UserError(
                f"method.known.mask={self.mask} method.known.smooth={self.smooth}: a share of half"
                " the box, above 0 and at most 1, and voxels, not negative"
            )
        choose("method.known.initial", self.initial, INITIAL)
        symmetry_group(self.symmetry)


class Density(nn.Module):
    """A volume V (z, y, x), made of a parameter that stays within what is known.

    Parameters
    ----------
    box
        Voxels along a side.
    known
        What is known of it.

    Attributes
    ----------
    values
        The parameter (z, y, x), in units of `unit`.
    unit
        What it is multiplied by, so that a step of an optimiser means the same for any data.

    """

    def __init__(self, box: int, known: Knowledge) -> None:
        super().__init__()
        self.known, self.box = known, box
        self.values = nn.Parameter(torch.zeros(box, box, box))
        self.register_buffer("unit", torch.ones(()))
        self.unit: Tensor
        self.register_buffer("mask", _ball(box, known.mask), persistent=False)
        self.mask: Tensor
        self.register_buffer("kernel", _gaussian(box, known.smooth), persistent=False)
        self.kernel: Tensor
        turns = symmetry_group(known.symmetry).float()
        self.register_buffer("turns", turns, persistent=False)
        self.turns: Tensor

    def forward(self) -> Tensor:
        """Return V (z, y, x) in its own units."""
        return self.shown(self.values)

    def shown(self, values: Tensor) -> Tensor:
        """Return the volume (z, y, x) that values in units of `unit` stand for."""
        volume = values * self.mask
        if self.known.smooth:
            spectrum = torch.fft.rfftn(volume) * self.kernel
            volume = torch.fft.irfftn(spectrum, s=volume.shape)
        if len(self.turns) > 1:
            others = (rotate(volume, turn[None])[0] for turn in self.turns[1:])
            volume = (volume + sum(others)) / len(self.turns)
        return volume * self.unit

    @torch.no_grad()
    def restrain(self) -> None:
        """Bring the parameter back to what is known.

        What the soft edge of the mask hides is weakened at each step, for nothing seen in images
        would keep it from growing.
        """
        self.values.mul_(self.mask)
        if self.known.positive:
            self.values.clamp_(min=0)

    @torch.no_grad()
    def start(self, rings: Tensor, finest: float) -> None:
        """Start from the power spectrum of the particles.

        Parameters
        ----------
        rings
            Power of projections at each whole frequency (box // 2 + 1,), unitary, without noise
            and CTF.
        finest
            Detail that the start may have, as a fraction of Nyquist.

        Notes
        -----
        A projection's spectrum is a slice of that of the volume. So the mean power of projections
        at a frequency is that of the volume there, times the side of the box.

        """
        n = self.box
        k = _frequency(n, rings.device)
        place = (k * n / 2).clamp(max=n // 2)
        below = place.floor().long().clamp(max=n // 2 - 1)
        wanted = torch.lerp(rings[below], rings[below + 1], place - below) / n
        energy = (wanted * ((k > 0) & (k <= 0.5))).mean()  # finer, there is more noise than power
        inside = (self.mask > 0).float().mean()
        self.unit.fill_(float(4 * (energy / inside).sqrt().clamp(min=1e-12)))
        if self.known.initial == "blob":
            start = torch.exp(-((4 * _distance(n).to(k) / n) ** 2))
        else:
            noise = torch.fft.fftn(torch.randn(n, n, n).to(k))
            soft = torch.exp(-0.5 * math.log(2) * (k / finest) ** 2)
            start = torch.fft.ifftn(noise * wanted.sqrt() * soft).real
            start = (start / start.std().clamp(min=1e-12) + 0.5).clamp(min=0)
            start = start * torch.exp(-((3 * _distance(n).to(k) / n) ** 2))
        start = start * self.mask
        self.values.copy_(start * (0.25 * inside.sqrt() / start.std().clamp(min=1e-12)))
        self.restrain()


def _distance(n: int) -> Tensor:
    """Return the distance from the centre N // 2, in voxels (z, y, x)."""
    along = (torch.arange(n) - n // 2) ** 2
    return (along[:, None, None] + along[:, None] + along).float().sqrt()


def _ball(n: int, share: float) -> Tensor:
    """Return a ball with a soft edge that ends at a share of half the box."""
    inside = (share * n / 2 - _distance(n)) / _EDGE
    return 0.5 - 0.5 * torch.cos(math.pi * inside.clamp(0, 1))


def _frequency(n: int, device: torch.device) -> Tensor:
    """Return the distance from frequency 0 as a fraction of Nyquist (z, y, x)."""
    along = (2 * torch.fft.fftfreq(n, device=device)) ** 2
    k: Tensor = (along[:, None, None] + along[:, None] + along).sqrt()
    return k


def _gaussian(n: int, width: float) -> Tensor:
    """Return the transfer of a Gaussian of some width in voxels, on a half space."""
    k = _frequency(n, torch.device("cpu"))[..., : n // 2 + 1]
    return torch.exp(-0.5 * (math.pi * width * k) ** 2)
