"""Volumes as parameters that depend on a number: a particle that moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.density import Density, Knowledge

_APART = 0.1  # what changes at the start, as a share of the volume
_WIDTH = 0.25  # of the boxes: how coarse a change is at the start


@dataclass(frozen=True)
class Motion:
    """How a volume may move, and how that is learnt.

    Attributes
    ----------
    changes
        Volumes that are added to the mean: 1 goes straight from one conformation to another, more
        bend the path.
    volumes
        Volumes that are drawn at once, at most; they share the images evenly.
    still
        Share of the training in which the volume doesn't move: what changes is found more easily
        when the rest is known.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    changes: int = 1
    volumes: int = 4
    still: float = 0.3

    def __post_init__(self) -> None:
        if self.changes < 1 or self.volumes < 1 or not 0 <= self.still < 1:
            raise UserError(
                f"method.motion.changes={self.changes} volumes={self.volumes} still={self.still:g}:"
                " at least 1, at least 1, and a share of the training below 1"
            )


class Conformations(Density):
    """Volumes V(z) of a code z in 0 to 1, kept within what is known of them.

        V(z) = V_0 + sum_j P_j(2 z - 1) C_j,

    with Legendre's polynomials P_j, whose means are 0: V_0 is the mean volume.

    Parameters
    ----------
    box, known
        As of `Density`.
    changes
        How many C_j there are: 1 goes straight from one volume to another, more bend the path.

    Attributes
    ----------
    values
        V_0 (z, y, x), in units of `unit`.
    changes
        The C_j.

    """

    def __init__(self, box: int, known: Knowledge, changes: int) -> None:
        super().__init__(box, known)
        self.changes = nn.ParameterList(torch.zeros(box, box, box) for _ in range(changes))

    def at(self, z: Tensor) -> Tensor:
        """Return the volumes (v, z, y, x) of codes (v,)."""
        weights = legendre(2 * z - 1, len(self.changes))
        found = []
        for weight in weights:
            values = self.values
            for share, change in zip(weight, self.changes, strict=True):
                values = values + share * change
            found.append(self.shown(values.clamp(min=0) if self.known.positive else values))
        return torch.stack(found)

    @torch.no_grad()
    def diversity(self) -> Tensor:
        """Return the root mean square of what changes, over that of the mean volume."""
        power = torch.stack(
            [change.square().sum() / (2 * j + 3) for j, change in enumerate(self.changes)]
        )  # the mean of P_j squared is 1 / (2 j + 1)
        found: Tensor = (power.sum() / self.values.square().sum().clamp(min=1e-12)).sqrt()
        return found

    @torch.no_grad()
    def restrain(self) -> None:
        """Bring the parameters back to what is known."""
        super().restrain()
        for change in self.changes:
            change.mul_(self.mask)

    @torch.no_grad()
    def start(self, rings: Tensor, finest: float) -> None:
        """Start as `Density` does, with changes that are smooth and drawn at random."""
        super().start(rings, finest)
        n = self.box
        k = torch.fft.fftfreq(n, device=rings.device) * (_WIDTH * n)
        soft = torch.exp(-0.5 * (k[:, None, None] ** 2 + k[:, None] ** 2 + k**2))
        for change in self.changes:
            field = torch.fft.ifftn(torch.fft.fftn(torch.randn(n, n, n).to(k)) * soft).real
            change.copy_(_APART * self.values * field / field.std())


def legendre(t: Tensor, degree: int) -> Tensor:
    """Return Legendre's polynomials P_1 to P_degree (n, degree) at places (n,) in -1 to 1."""
    found = [torch.ones_like(t), t]
    for k in range(1, degree):
        found.append(((2 * k + 1) * t * found[-1] - k * found[-2]) / (k + 1))
    return torch.stack(found[1 : degree + 1], 1)
