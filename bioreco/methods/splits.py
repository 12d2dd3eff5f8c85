"""Split the acquired points of k-space in two: some for the network to see, some to judge it by.

Theta goes into data consistency and Lambda into the loss, with Lambda = Omega minus Theta for the
acquired points Omega: Eqs. (16) and (17) of the review; Yaman et al., Magn. Reson. Med. 2020.
Points are drawn without replacement for a whole batch at once: the largest of log-density plus
Gumbel noise, taken from the seeds that the samples carry.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.methods import draws

DENSITIES = ("uniform", "gaussian")
TARGETS = ("loss", "dc")
DIRECTIONS = ("both", "ky", "kx")
UNITS = ("point", "line")
NEWTON = 12  # steps, within 1e-6 for shares up to 0.95
STREAM = 101  # of the draws of splits; the split of number n uses STREAM + n, n >= -1


@dataclass(frozen=True)
class Split:
    """How Lambda is drawn from Omega.

    Attributes
    ----------
    rho
        Share of the points that may be drawn that go to Lambda.
    density
        "uniform", or "gaussian" about the middle of k-space.
    gaussian_target
        What the Gaussian draws: "loss", Lambda, so that most of the loss is at low frequencies, or
        "dc", Theta.
    width
        Pixels along an axis over the standard deviation of the Gaussian along it.
    direction
        Axes along which the Gaussian falls off: "both", "ky" or "kx".
    centre
        Side of the block about the middle of k-space that is always in Theta; 0: none.
    unit
        "point": single samples, all coils together; "line": whole lines along kx.
    pool
        Number of different splits of one problem. 1: its split never changes. None: a new one is
        drawn each time the problem comes up.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The implementation of the authors draws Lambda from the Gaussian; read as printed, the review
    draws Theta from it. Both are here.

    """

    rho: float = 0.4
    density: str = "uniform"
    gaussian_target: str = "loss"
    width: float = 4.0
    direction: str = "both"
    centre: int = 4
    unit: str = "point"
    pool: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rho < 1:
            raise UserError(f"method.split.rho={self.rho}: above 0, below 1")
        if not self.width > 0:
            raise UserError(f"method.split.width={self.width}: above 0, mostly 2 to 4")
        if self.centre < 0:
            raise UserError(f"method.split.centre={self.centre}: at least 0 pixels")
        if self.pool is not None and self.pool < 1:
            raise UserError(f"method.split.pool={self.pool}: at least 1, or null")
        words = {"density": DENSITIES, "gaussian_target": TARGETS, "direction": DIRECTIONS}
        for key, allowed in (words | {"unit": UNITS}).items():
            value = getattr(self, key)
            if value not in allowed:
                raise UserError(
                    f"method.split.{key}={value}: choose one of {', '.join(allowed)}."
                    + nearest(value, allowed)
                )

    def loss_set(self, mask: Tensor, seeds: Tensor, number: int = 0) -> Tensor:
        """Draw Lambda.

        Parameters
        ----------
        mask
            Omega (b, 1, ky, kx), bool.
        seeds
            One for each sample (b,), int64.
        number
            Another number is another, independent split from the same seeds.

        Returns
        -------
        Tensor
            Lambda, of the shape of `mask`, a part of it. Neither it nor the rest is empty.

        Raises
        ------
        UserError
            If fewer than two points, or lines, can be chosen from.

        """
        free, log_density = self._candidates(mask)
        count = free.flatten(1).sum(1)
        if int(count.min()) < 2:
            raise UserError(
                f"{int(count.min())} {self.unit}s of k-space to split, outside the central"
                f" {self.centre} x {self.centre}: at least 2 are needed"
            )
        lost = (self.rho * count).long().clamp(min=1)
        drawn = lost if self._draws_loss else count - lost
        u = draws.uniform(seeds, free[0].numel(), stream=STREAM + number).view(free.shape)
        gumbel = -torch.log(-torch.log(u))
        keys = (log_density.to(gumbel) + gumbel).masked_fill(~free, -torch.inf).flatten(1)
        least = keys.sort(1, descending=True).values.gather(1, drawn[:, None] - 1)
        first = (keys >= least).view(free.shape)
        return (first if self._draws_loss else free & ~first) & mask

    def probability(self, mask: Tensor) -> Tensor:
        """Return the probability of each acquired point to be in Lambda, given Omega.

        Exact for the uniform density. For the Gaussian it is that of independent exponential
        clocks stopped when, on average, as many have rung as are drawn, within 2 % at the sizes of
        images.
        """
        free, log_density = self._candidates(mask)
        count = free.flatten(1).sum(1)
        lost = (self.rho * count).long().clamp(min=1)
        rates = torch.where(free, log_density.double().exp(), 0).flatten(1)
        wanted = (lost if self._draws_loss else count - lost)[:, None].double()
        until = torch.zeros_like(wanted)
        for _ in range(NEWTON):  # from below, where Newton's steps on a concave function stay
            left = torch.exp(-rates * until)
            missing = wanted - (1 - left).sum(1, keepdim=True)
            until = until + missing / (rates * left).sum(1, keepdim=True)
        chance = -torch.expm1(-rates * until)
        chance = chance if self._draws_loss else 1 - chance
        return torch.where(free, chance.view(free.shape), 0).float().expand_as(mask) * mask

    def seeds(self, item: Tensor, seed: Tensor) -> Tensor:
        """Return what the splits of a batch are drawn from.

        Parameters
        ----------
        item
            The number of each problem (b,), the same whenever it comes up.
        seed
            A fresh seed for each sample (b,).

        """
        if self.pool is None:
            return seed
        which = (draws.uniform(seed, 1, stream=STREAM - 2)[:, 0] * self.pool).long()
        return item * self.pool + which

    @property
    def _draws_loss(self) -> bool:
        return self.density == "uniform" or self.gaussian_target == "loss"

    def _candidates(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what may be drawn, points or lines, and its unnormalised log-density."""
        size = (mask.shape[-2], mask.shape[-1])
        away = [torch.arange(n, device=mask.device) - n // 2 for n in size]
        near = [(a >= -(self.centre // 2)) & (a < self.centre - self.centre // 2) for a in away]
        falls = ["ky", "kx"] if self.direction == "both" else [self.direction]
        fall = [
            -0.5 * (a * self.width / max(1, n - 1)) ** 2 * (self.density == "gaussian")
            for a, n in zip(away, size, strict=True)
        ]
        along_y, along_x = (f * (axis in falls) for f, axis in zip(fall, ("ky", "kx"), strict=True))
        if self.unit == "line":
            return mask.any(-1, keepdim=True) & ~near[0][:, None], along_y[:, None]
        return mask & ~(near[0][:, None] & near[1]), along_y[:, None] + along_x
