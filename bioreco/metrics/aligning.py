"""The search behind `bioreco.metrics.alignment`: correlation in frequency, over turns and shifts.

A turned volume has a turned spectrum, so turns are tried by sampling few frequencies; all shifts
are tried at once by a Fourier transform of the product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.operators.rotations import angle_between, vector_to_matrix

Array = NDArray[Any]

PAD = 2  # times as large is a volume made for its spectrum to be smooth enough
ROUND = 400  # turns tried at once
CANDIDATES = 10  # that a search returns, further apart than
APART = 10.0  # degrees
STEPS = 30  # of a refinement


@dataclass(frozen=True)
class Place:
    """Where a volume lies on another: see `bioreco.metrics.alignment.Alignment`."""

    rotation: Array
    shift: tuple[float, ...]
    score: float
    mirrored: bool = False


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of the volume that is turned, up to some shell.

    Attributes
    ----------
    table
        (1, 2, m, m, m): real and imaginary part at multiples of 1 / (PAD N), zero in the middle.
    shells
        The last shell, in units of 1 / N.
    power
        (shells + 1,): mean power in each shell.

    """

    table: Tensor
    shells: int
    power: Tensor

    @classmethod
    def of(cls, volume: Tensor, shells: int) -> Spectrum:
        """Return the spectrum of a volume (z, y, x) up to a shell."""
        size = len(volume)
        side = PAD * size
        sinc = torch.sinc((torch.arange(size) - size // 2) / side) ** -2
        flat = (volume - volume.mean()) * sinc[:, None, None] * sinc[:, None] * sinc
        wrapped = (torch.arange(size) - size // 2) % side
        padded = torch.zeros(side, side, side)
        padded[wrapped[:, None, None], wrapped[:, None], wrapped] = flat
        spectrum = torch.fft.fftn(padded)
        reach = PAD * shells + 1
        kept = torch.arange(-reach, reach + 1) % side
        table = spectrum[kept[:, None, None], kept[:, None], kept]
        stacked = torch.stack([table.real, table.imag])[None]
        points, _ = ball(shells)
        return cls(stacked, shells, shell_power(sample(stacked, points.float(), shells), shells))


@dataclass(frozen=True)
class Target:
    """The reference, weighted so that its product with a spectrum sums to the mean correlation.

    Attributes
    ----------
    points
        (n, 3): frequencies (kx, ky, kz) of half a ball, in units of 1 / N.
    values
        (n,): complex; each shell has a mean power of 1.
    share
        (n,): of each frequency in the mean over shells; they sum to 1.
    size, shells
        Voxels along a side, and the last shell.

    """

    points: Tensor
    values: Tensor
    share: Tensor
    size: int
    shells: int

    @classmethod
    def of(cls, volume: Tensor, shells: int) -> Target:
        """Return the target that a volume (z, y, x) is."""
        points, weight = ball(shells)
        spectrum = torch.fft.fftn(torch.fft.ifftshift((volume - volume.mean()).double()))
        z, y, x = points.flip(1).long().unbind(1)
        values = spectrum[z, y, x].to(torch.complex64)
        number = shell_of(points)
        total = torch.zeros(shells + 1).index_add(0, number, weight)
        share = weight / total[number] / shells
        return cls(
            points.float(), values * _whiten(shell_power(values, shells))[number], share,
            len(volume), shells,
        )  # fmt: skip


def ball(shells: int) -> tuple[Tensor, Tensor]:
    """Return the frequencies (n, 3) of half a ball, without zero, and 2 for each that is doubled.

    The other half are the conjugates.
    """
    axis = torch.arange(-shells, shells + 1)
    z, y, x = torch.meshgrid(axis, axis, axis[shells:], indexing="ij")
    points = torch.stack([x, y, z], -1).reshape(-1, 3)
    number = shell_of(points)
    points = points[(number > 0) & (number <= shells)]
    return points, torch.where(points[:, 0] > 0, 2.0, 1.0)


def shell_of(points: Tensor) -> Tensor:
    """Return the numbers of the shells of frequencies (n, 3)."""
    return points.double().square().sum(1).sqrt().round().long()


def shell_power(values: Tensor, shells: int) -> Tensor:
    """Return the mean power (shells + 1,) of values (n,) on the points of `ball`."""
    points, weight = ball(shells)
    number = shell_of(points)
    sums, total = torch.zeros(2, shells + 1).unbind(0)
    sums = sums.index_add(0, number, weight * values.abs() ** 2)
    total = total.index_add(0, number, weight)
    return sums / total.clamp(min=1)


def _whiten(power: Tensor) -> Tensor:
    """Return what makes the power of each shell 1, and leaves 0 what is next to nothing."""
    floor = 1e-10 * power.max()
    return torch.where(power > floor, power.clamp(min=floor).rsqrt(), 0.0)


def sample(table: Tensor, points: Tensor, shells: int) -> Tensor:
    """Interpolate a table at points (..., 3) = (kx, ky, kz), in units of 1 / N: (...), complex."""
    place = points * (PAD / (PAD * shells + 1))
    grid = place.reshape(1, 1, 1, -1, 3).to(table)
    found = torch.nn.functional.grid_sample(table, grid, align_corners=True)
    real, imaginary = found.reshape(2, *points.shape[:-1])
    return torch.complex(real, imaginary)


def search(seen: Spectrum, target: Target, turns: Tensor) -> list[Place]:
    """Try turns (n, 3, 3) with all shifts, and return the best few that lie apart."""
    scores, shifts = [], []
    weight = _product_weight(seen, target)
    fine = 2 * target.shells + 4
    z, y, x = (target.points.flip(1).long() % fine).unbind(1)
    for some in torch.split(turns.float(), ROUND):
        turned = sample(seen.table, target.points @ some, target.shells)
        product = torch.zeros(len(some), fine, fine, fine // 2 + 1, dtype=torch.complex64)
        product[:, z, y, x] = weight * turned.conj()
        surface = torch.fft.irfftn(product, s=[fine] * 3, dim=(1, 2, 3), norm="forward").flatten(1)
        best = surface.max(1)
        scores.append(best.values)
        shifts.append(best.indices)
    score, at = torch.cat(scores), torch.cat(shifts)
    places: list[Place] = []
    for k in score.argsort(descending=True).tolist():
        pose = turns[k]
        if all(float(angle_between(pose, torch.tensor(p.rotation))) > APART for p in places):
            index = np.array(np.unravel_index(int(at[k]), [fine] * 3))[::-1]  # (x, y, z)
            signed = (index + fine // 2) % fine - fine // 2
            moved = tuple(float(v) for v in signed * target.size / fine)
            places.append(Place(pose.numpy(), moved, float(score[k])))
        if len(places) == CANDIDATES:
            break
    return places


def _product_weight(seen: Spectrum, target: Target) -> Tensor:
    """Return what a spectrum's conjugate is multiplied by, without the doubling of half a ball."""
    number = shell_of(target.points)
    single = torch.where(target.points[:, 0] > 0, 0.5, 1.0)
    return target.values * _whiten(seen.power)[number] * target.share * single


def shell_scores(seen: Spectrum, target: Target, place: Place) -> Tensor:
    """Return the correlation (shells,) at a place in each shell from the first."""
    rotation = torch.from_numpy(place.rotation).double()
    terms = _product(seen, target)(rotation, torch.tensor(place.shift, dtype=torch.float64))
    sums = terms.new_zeros(target.shells + 1).index_add(0, shell_of(target.points), terms)
    return sums[1:] * target.shells


def _product(seen: Spectrum, target: Target) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what gives the terms of the score at a turn (3, 3) and a shift (3,), float64."""
    number = shell_of(target.points)
    weight = (target.values * _whiten(seen.power)[number] * target.share).to(torch.complex128)
    points = target.points.double()

    def product(rotation: Tensor, shift: Tensor) -> Tensor:
        turned = sample(seen.table, points @ rotation, target.shells).to(torch.complex128)
        phase = points @ shift * (2 * math.pi / target.size)
        return (weight * turned.conj() * torch.polar(torch.ones_like(phase), phase)).real

    return product


def refine(seen: Spectrum, target: Target, place: Place) -> Place:
    """Climb from a place to the nearest best one, by L-BFGS over turn and shift."""
    from scipy.optimize import minimize

    start = torch.from_numpy(place.rotation).double()
    reach = target.size / 4  # so that a unit of turn and a unit of shift move about as much
    origin = torch.tensor(place.shift, dtype=torch.float64)
    product = _product(seen, target)

    def climb(parameters: Array) -> tuple[float, Array]:
        p = torch.from_numpy(parameters).requires_grad_()
        score = product(vector_to_matrix(p[:3]) @ start, origin + reach * p[3:]).sum()
        (gradient,) = torch.autograd.grad(score, p)
        return -float(score.detach()), -gradient.numpy()

    found = minimize(climb, np.zeros(6), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    p = torch.from_numpy(found.x)
    rotation = (vector_to_matrix(p[:3]) @ start).numpy()
    shift = tuple(float(v) for v in origin + reach * p[3:])
    return replace(place, rotation=rotation, shift=shift, score=-float(found.fun))
