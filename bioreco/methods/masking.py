"""Hold some pixels out of a measurement, and fill the holes from their neighbours.

Everything here works on (b, c, [z,] y, x), draws from the seeds the samples carry (one int64 per
sample), and names the held-out pixels by an explicit mask, never by comparing values: a filled-in
pixel that happens to equal its old value stays in the loss.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from bioreco.methods import draws


def stratified(y: Tensor, density: float, seeds: Tensor, *, joint: bool = False) -> Tensor:
    """Choose one pixel in each box, so that the blind spots are random and nowhere crowded.

    Parameters
    ----------
    y
        Measurements (b, c, [z,] y, x).
    density
        Fraction of the pixels to choose. Box sides follow from it for the number of spatial axes
        at hand: its square root in 2D, its cube root in 3D.
    seeds
        One seed for each sample (b,).
    joint
        Choose the same pixels in all channels; otherwise each channel has its own.

    Returns
    -------
    Tensor
        Mask of the shape of y, bool; at least one pixel for each sample and channel.

    """
    b, c, *size = y.shape
    layers = 1 if joint else c
    first, sides, steps = _boxes(tuple(size), density, y.device)
    u = draws.uniform(seeds, layers * sides.numel()).view(b, layers, *sides.shape)
    flat = first + ((u * sides).long() * steps).sum(2)
    mask = torch.zeros((b, layers, math.prod(size)), dtype=torch.bool, device=y.device)
    mask.scatter_(2, flat, True)
    return mask.view(b, layers, *size).expand_as(y)


@lru_cache(maxsize=16)
def _boxes(
    size: tuple[int, ...], density: float, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide an image into boxes of one chosen pixel each.

    Returns
    -------
    tuple of Tensor
        The first pixel of each box (boxes,), their sides along each axis (dims, boxes), both int64;
        and how far apart neighbours along each axis are in memory (dims, 1), in pixels.

    """
    edges = [
        torch.arange(count + 1) * pixels // count
        for pixels, count in zip(size, _counts(size, density), strict=True)
    ]
    corners = torch.stack(torch.meshgrid([e[:-1] for e in edges], indexing="ij")).flatten(1)
    sides = torch.stack(torch.meshgrid([e.diff() for e in edges], indexing="ij")).flatten(1)
    steps = torch.tensor([math.prod(size[axis + 1 :]) for axis in range(len(size))])[:, None]
    return (corners * steps).sum(0).to(device), sides.to(device), steps.to(device)


def _counts(size: tuple[int, ...], density: float) -> list[int]:
    """Count the boxes along each axis; what a short axis can't take, the others make up for."""
    boxes: list[int] = []
    for axis, pixels in enumerate(size):
        rest = len(size) - axis
        wanted = density * math.prod(size[axis:]) * math.prod(size[:axis]) / math.prod(boxes)
        volume = math.prod(size[axis:]) / max(wanted, 1.0)
        boxes.append(min(pixels, max(1, round(pixels / volume ** (1 / rest)))))
    return boxes


def grid(y: Tensor, width: int, phase: Tensor) -> Tensor:
    """Choose every `width`-th pixel along y and x: one of the width**2 sets of a partition.

    In stacks every second slice is shifted by half a period, so that a chosen pixel has none of
    its 26 neighbours chosen (for a width of at least 4).

    Parameters
    ----------
    y
        Measurements (b, c, [z,] y, x).
    width
        Period of the grid, in pixels.
    phase
        Which set of the partition, 0 to width**2 - 1, for each sample (b,).

    """
    row, column = (torch.arange(n, device=y.device) for n in y.shape[-2:])
    if y.dim() == 5:
        shift = (torch.arange(y.shape[2], device=y.device) % 2 * (width // 2))[:, None]
        rows, columns = (row + shift)[:, :, None], (column + shift)[:, None, :]
    else:
        rows, columns = row[:, None], column[None, :]
    phases = rows % width * width + columns % width
    chosen = phases == phase.view(-1, *[1] * (y.dim() - 1))
    return chosen.expand_as(y)


def spread(spots: Tensor, shape: Tensor) -> Tensor:
    """Return the pixels that a shape covers when it is put on each of the spots.

    Parameters
    ----------
    spots
        Mask (b, c, [z,] y, x).
    shape
        What is covered, around its middle: a mask ([z,] y, x) with odd sides.

    """
    middle = torch.tensor([n // 2 for n in shape.shape], device=spots.device)
    where = spots.nonzero()[:, None]
    at = where[..., 2:] + shape.to(spots.device).nonzero() - middle
    inside = ((at >= 0) & (at < torch.tensor(spots.shape[2:], device=spots.device))).all(-1)
    index = torch.cat([where[..., :2].expand(*at.shape[:2], 2), at], -1)[inside]
    return spots.index_put(tuple(index.T), torch.ones((), dtype=torch.bool, device=spots.device))


def fill(y: Tensor, mask: Tensor, how: str, *, radius: int, seeds: Tensor) -> Tensor:
    """Replace the masked pixels by something made of their neighbours, never of themselves.

    Parameters
    ----------
    y
        Measurements (b, c, [z,] y, x).
    mask
        The pixels to replace, of the same shape.
    how
        "uniform": a neighbour drawn at random; "mean", where the nearer ones weigh more (see
        `interpolate`), or "median" of the neighbours.
    radius
        The neighbours are those within this many pixels along each axis, without the centre and
        without other masked pixels; the window is cut at the border of the image. A pixel that
        has none becomes 0.
    seeds
        One seed for each sample (b,).

    """
    if how == "mean":
        return interpolate(y, mask, radius)
    where = mask.nonzero(as_tuple=True)
    values, valid = _neighbours(y, mask, where, radius)
    if how == "uniform":
        count = valid.sum(1)
        u = draws.uniform(seeds, y[0].numel(), stream=1).view_as(y)[where]
        rank = (u * count).long()
        pick = ((valid.cumsum(1) - 1) == rank[:, None]) & valid
        filled = (values * pick).sum(1)
    else:
        filled = values.masked_fill(~valid, torch.nan).nanmedian(1).values.nan_to_num()
    return y.index_put(where, filled.to(y.dtype))


def _neighbours(
    y: Tensor, mask: Tensor, where: tuple[Tensor, ...], radius: int
) -> tuple[Tensor, Tensor]:
    """Return the window of each pixel without its centre (n, w), and which of it may be seen."""
    size = y.shape[2:]
    window = itertools.product(range(-radius, radius + 1), repeat=len(size))
    offsets = torch.tensor([o for o in window if any(o)], device=y.device)
    flat = where[0] * y.shape[1] + where[1]
    index, valid = flat[:, None], torch.ones_like(flat, dtype=torch.bool)[:, None]
    for axis, pixels in enumerate(size):
        at = where[2 + axis][:, None] + offsets[:, axis]
        valid = valid & (at >= 0) & (at < pixels)
        index = index * pixels + at.clamp(0, pixels - 1)
    return y.flatten()[index], valid & ~mask.flatten()[index]


def interpolate(y: Tensor, mask: Tensor, radius: int = 1) -> Tensor:
    """Replace the masked pixels by the weighted mean of their neighbours.

    The weights fall off by half with each pixel along each axis; only neighbours within the image
    that aren't masked themselves count. A pixel that has none becomes 0.
    """
    seen = torch.stack([y.masked_fill(mask, 0), (~mask).to(y.dtype)])
    around = functional.pad(seen, (radius, radius) * (y.dim() - 2))
    for axis in range(3, seen.dim()):
        size = seen.shape[axis]
        total = around.narrow(axis, radius, size)
        for far in range(1, radius + 1):
            for k in (radius - far, radius + far):
                total = torch.add(total, around.narrow(axis, k, size), alpha=0.5**far)
        around = total
    total, weight = around
    return torch.where(mask, total / weight.clamp(min=1e-6), y)


def smooth(y: Tensor, mask: Tensor, reach: Sequence[int]) -> Tensor:
    """Replace the masked pixels by the weighted mean of the others around them.

    The weights are Gaussian, of a standard deviation of half the reach plus half a pixel along
    each axis, and end a pixel beyond the reach. A pixel that sees no other becomes 0.
    """
    seen = torch.stack([y.masked_fill(mask, 0), (~mask).to(y.dtype)]).view(-1, 1, *y.shape[2:])
    convolve = functional.conv2d if y.dim() == 4 else functional.conv3d
    for axis, far in enumerate(reach):
        steps = torch.arange(-far - 1, far + 2, dtype=y.dtype, device=y.device)
        line = torch.exp(-2 * (steps / (far + 1)) ** 2)
        kernel = line.view(1, 1, *[len(line) if k == axis else 1 for k in range(len(reach))])
        pad = [far + 1 if k == axis else 0 for k in range(len(reach))]
        seen = convolve(seen, kernel, padding=pad)
    total, weight = seen.view(2, *y.shape)
    return torch.where(mask, total / weight.clamp(min=1e-6), y)


def scatter(y: Tensor, mask: Tensor, seeds: Tensor) -> Tensor:
    """Replace the masked pixels by others of the same sample and channel, drawn at random.

    Where all are masked they become 0.
    """
    hidden = mask.flatten(2)
    visible_first = hidden.to(torch.uint8).argsort(dim=2, stable=True)
    count = (~hidden).sum(2, keepdim=True)
    u = draws.uniform(seeds, y[0].numel(), stream=1).view(hidden.shape)
    drawn = y.flatten(2).gather(2, visible_first.gather(2, (u * count).long())).view_as(y)
    return torch.where(mask, torch.where(count > 0, drawn.flatten(2), 0).view_as(y), y)


def masked_mse(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the masked pixels of each sample, averaged over the samples."""
    count = mask.flatten(1).sum(1).clamp(min=1) * len(mask)
    weight = mask / count.view(-1, *[1] * (mask.dim() - 1))
    return ((x.float() - y.float()) ** 2 * weight).sum()
