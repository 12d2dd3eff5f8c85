"""Cutting and widening about the centre, which is the pixel n // 2 of each axis."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import pad


def cut(x: Tensor, size: int, axes: Sequence[int]) -> Tensor:
    """Return the central `size` pixels along some axes."""
    for axis in axes:
        x = x.narrow(axis, x.shape[axis] // 2 - size // 2, size)
    return x


def widened(x: Tensor, size: int, axes: int = 2) -> Tensor:
    """Return x with zeros around its last `axes` axes, `size` pixels along each."""
    margins: list[int] = []
    for n in reversed(x.shape[-axes:]):
        before = size // 2 - n // 2
        margins += [before, size - n - before]
    return pad(x, margins)
