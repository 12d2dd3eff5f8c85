"""Random numbers by counter: the same sample draws the same numbers wherever it is trained.

Masks come from the seed that each sample carries, not from a generator's state. So a step can be
replayed alone, a stopped run goes on bit for bit, and two processes that share a batch draw what
one process would have drawn, on a CPU or a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# The constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as signed 64-bit integers.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)


def uniform(seeds: Tensor, count: int, stream: int = 0) -> Tensor:
    """Draw `count` numbers for each seed.

    Parameters
    ----------
    seeds
        One integer for each sample (b,), int64.
    count
        How many numbers each sample draws.
    stream
        Another stream is another, independent draw from the same seeds.

    Returns
    -------
    Tensor
        (b, count), float64, uniform in [0, 1).

    """
    start = _scramble(seeds + _wrapped(_GAMMA * (stream + 1)))
    counter = torch.arange(count, dtype=torch.int64, device=seeds.device)
    bits = _scramble(start[:, None] + _GAMMA * (counter + 1))
    return _shift(bits, 11).to(torch.float64) * 2.0**-53


def chosen_at(
    seeds: Tensor, start: Tensor, size: Sequence[int], layers: int, *, share: float, stream: int = 0
) -> Tensor:
    """Choose pixels at random by their place, so that overlapping tiles choose the same.

    Parameters
    ----------
    seeds
        One integer for each sample (b,), int64.
    start
        The place of each sample's first pixel (b, dims), int64.
    size
        Pixels along each spatial axis.
    layers
        Channels, each of which is drawn apart.
    share
        Of the pixels to choose; rounded to 1 / 256.
    stream
        Another stream is another, independent draw from the same seeds.

    Returns
    -------
    Tensor
        Mask (b, layers, [z,] y, x), bool.

    """
    words = torch.arange(-(-layers // 8), dtype=torch.int64, device=seeds.device)
    bits = _scramble(seeds + _wrapped(_GAMMA * (stream + 1)))[:, None]
    bits = _scramble(bits + _GAMMA * (words + 1))
    for axis, pixels in enumerate(size):
        along = torch.arange(pixels, dtype=torch.int64, device=seeds.device)
        place = start[:, axis].view(-1, *[1] * (axis + 2)) + along
        bits = _scramble(bits[..., None] + _GAMMA * (place + 1))
    parts = torch.stack([_shift(bits, 8 * k) & 255 if k else bits & 255 for k in range(8)], 2)
    return parts.flatten(1, 2)[:, :layers] < round(256 * share)


def normal_at(
    seeds: Tensor,
    start: Tensor,
    size: Sequence[int],
    *,
    channels: int,
    number: int,
    stream: int = 0,
) -> Tensor:
    """Draw a standard normal number for each place of a grid, the same from wherever it is seen.

    Parameters
    ----------
    seeds
        One integer for each sample (b,), int64.
    start
        Position of the first place in the whole grid (b, dims), int64; may be negative.
    size
        Places along each axis.
    channels
        Numbers drawn at each place.
    number, stream
        Other draws, independent from one another, from the same seeds.

    Returns
    -------
    Tensor
        (b, channels, *size), float32.

    """
    key = _scramble(seeds + _wrapped(_GAMMA * (stream + 1)))
    key = _next(key, torch.full_like(key, number))
    key = _next(key[:, None], torch.arange(channels, device=seeds.device))
    for axis, places in enumerate(size):
        along = start[:, axis, None] + torch.arange(places, device=seeds.device)
        key = _next(key[..., None], along.view(len(along), *[1] * (axis + 1), places))
    u = (_shift(key, 12).to(torch.float64) + 0.5) * 2.0**-52
    return (math.sqrt(2) * torch.erfinv(2 * u - 1)).float()


def _next(key: Tensor, counter: Tensor) -> Tensor:
    """Return the key of a counter below a key."""
    return _scramble(key + _GAMMA * (counter + 1))


def _wrapped(number: int) -> int:
    """Return a whole number modulo 2**64, as a signed 64-bit integer."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _scramble(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MIX_1
    z = (z ^ _shift(z, 27)) * _MIX_2
    return z ^ _shift(z, 31)


def _shift(z: Tensor, by: int) -> Tensor:
    """Shift right, filling with zeros (torch's own shift of an int64 keeps the sign)."""
    return (z >> by) & ((1 << (64 - by)) - 1)
