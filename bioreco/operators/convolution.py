"""Linear convolution with a point spread function, and what lies beyond the border.

Nothing is ever circular. A `Convolution` maps an object to the smaller image that it determines
wholly; a `Border` says what the object is beyond the image, so that both have one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from bioreco.operators.linear import LinearOperator

Boundary = Literal["mirror", "edge", "zero"]
BOUNDARIES: tuple[Boundary, ...] = ("mirror", "edge", "zero")
_SMOOTH = (2, 3, 5, 7)  # prime factors of sizes whose Fourier transform is fast


@dataclass(frozen=True)
class Convolution(LinearOperator):
    """y = h * x, for the pixels whose light is all from x.

    Attributes
    ----------
    kernel
        h ([z,] y, x) of any size, its origin at the pixel n // 2. It may carry a gradient.

    Notes
    -----
    An image of n pixels along an axis takes an object of n + k - 1, `margins` more on either side.
    The product of Fourier transforms of at least that size is the linear convolution there.

    """

    kernel: Tensor

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """Pixels of the object before and after those of the image, along each axis."""
        return tuple((n - 1 - n // 2, n // 2) for n in self.kernel.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Map an object (b, c, [z,] y, x) to its image, which is smaller by k - 1 pixels."""
        size = tuple(x.shape[-self.kernel.ndim :])
        full = self._times(x, size, conjugate=False)
        starts = [k - 1 for k in self.kernel.shape]
        return cut(full, starts, [n - k for n, k in zip(size, starts, strict=True)])

    def adjoint(self, y: Tensor) -> Tensor:
        """Map an image (b, c, [z,] y, x) to an object, which is larger by k - 1 pixels."""
        size = tuple(
            n + k - 1 for n, k in zip(y.shape[-self.kernel.ndim :], self.kernel.shape, strict=True)
        )
        before = [part for k in reversed(self.kernel.shape) for part in (k - 1, 0)]
        found = self._times(functional.pad(y, before), size, conjugate=True)
        return cut(found, [0] * len(size), size)

    def _times(self, x: Tensor, size: Sequence[int], *, conjugate: bool) -> Tensor:
        axes = tuple(range(-self.kernel.ndim, 0))
        fast = [fast_size(n) for n in size]
        transfer = torch.fft.rfftn(self.kernel.to(x.dtype), s=fast, dim=axes)
        if conjugate:
            transfer = transfer.conj()
        spectrum = torch.fft.rfftn(x, s=fast, dim=axes)
        found: Tensor = torch.fft.irfftn(spectrum * transfer, s=fast, dim=axes)
        return found


@dataclass(frozen=True)
class Border(LinearOperator):
    """Continue an image beyond its border.

    Attributes
    ----------
    margins
        Pixels before and after, along each of the last axes.
    boundary
        "mirror" (the pixel at the border isn't repeated), "edge" (it is, endlessly) or "zero".

    """

    margins: tuple[tuple[int, int], ...]
    boundary: Boundary = "mirror"

    def forward(self, x: Tensor) -> Tensor:
        """Return the larger image."""
        if self.boundary == "zero":
            return functional.pad(x, [n for pair in reversed(self.margins) for n in pair])
        for axis, margin in zip(self._axes, self.margins, strict=True):
            x = x.index_select(axis, self._places(x.shape[axis], margin, x.device))
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return an image in which what was continued is added up where it came from."""
        for axis, (before, after) in zip(self._axes, self.margins, strict=True):
            size = y.shape[axis] - before - after
            if self.boundary == "zero":
                y = y.narrow(axis, before, size)
                continue
            shape = list(y.shape)
            shape[axis] = size
            places = self._places(size, (before, after), y.device)
            y = torch.zeros(shape, dtype=y.dtype, device=y.device).index_add(axis, places, y)
        return y

    @property
    def _axes(self) -> range:
        return range(-len(self.margins), 0)

    def _places(self, size: int, margin: tuple[int, int], device: torch.device) -> Tensor:
        """Return which pixel each one of the larger image is."""
        index = torch.arange(-margin[0], size + margin[1], device=device)
        if self.boundary == "edge" or size == 1:
            return index.clamp(0, size - 1)
        index = index.abs() % (2 * size - 2)
        return torch.minimum(index, 2 * size - 2 - index)


@dataclass(frozen=True)
class Cells(LinearOperator):
    """Coarse pixels: the mean over cells of fine pixels along y and x, at each pixel of the cell.

    It stands for a camera whose pixels are `factor` times as large as those of the object; the
    image is kept on the fine grid, each measured value repeated. It is its own adjoint.
    """

    factor: int

    def forward(self, x: Tensor) -> Tensor:
        """Return the image (..., y, x), whose size is a multiple of the factor."""
        k = self.factor
        rows, columns = x.shape[-2:]
        cells = x.reshape(*x.shape[:-2], rows // k, k, columns // k, k)
        means: Tensor = cells.mean((-1, -3), keepdim=True).expand_as(cells)
        return means.reshape(x.shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the same."""
        return self.forward(y)


def cut(x: Tensor, starts: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Return a box of the last axes."""
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True), -len(sizes)):
        x = x.narrow(axis, start, size)
    return x


def fast_size(n: int) -> int:
    """Return the least size from n on whose prime factors are small."""
    while True:
        rest = n
        for prime in _SMOOTH:
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1
