"""Central slices of a volume's spectrum: where they lie, and interpolation between frequencies.

Only one half of the spectrum of a real volume is kept, kx >= 0; the other half is its conjugate.
The other two axes are periodic, so the Nyquist planes need no care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """The frequencies of an image, and what belongs to a size and a padding.

    Attributes
    ----------
    side
        Voxels P along a side of the padded volume.
    margin
        Voxels padded before and after each axis, so that the centre N // 2 comes to P // 2.
    order
        Of the splines that interpolate: 1, linear, or 2, quadratic.
    points
        (n, 2): kx, ky of the frequencies below Nyquist, in units of 1 / P.
    places
        (n,): their places in a half plane (P, P // 2 + 1) that is laid out flat.
    correction
        1 / sinc^(order + 1) of each voxel (z, y, x).
    doubled
        (P // 2 + 1,): 2 where a half plane leaves out the conjugate frequency, else 1.

    """

    side: int
    margin: tuple[int, int]
    order: int
    points: Tensor
    places: Tensor
    correction: Tensor
    doubled: Tensor

    @property
    def half(self) -> int:
        """The frequencies along x, 0 to Nyquist."""
        return self.side // 2 + 1

    @property
    def width(self) -> int:
        """The frequencies along x of `_widen`, with one more at each end."""
        return self.half + 2

    def spread(self, values: Tensor) -> Tensor:
        """Lay values (b, n) at the points out on half planes (b, P, P // 2 + 1)."""
        flat = values.new_zeros(len(values), self.side * self.half)
        flat = flat.index_copy(1, self.places, values)
        return flat.view(-1, self.side, self.half)

    def collect(self, planes: Tensor) -> Tensor:
        """Return the values (b, n) at the points of half planes (b, P, P // 2 + 1)."""
        return planes.flatten(1).index_select(1, self.places)


def padded_size(size: int, pad: int) -> int:
    """Return the voxels along a side after padding."""
    return size * pad


@lru_cache(maxsize=16)
def grid(size: int, pad: int, order: int, device: torch.device, dtype: torch.dtype) -> Grid:
    """Return what belongs to volumes of a size, a padding, a device and a real type."""
    with torch.inference_mode(mode=False):
        side = padded_size(size, pad)
        ky, kx = torch.fft.fftfreq(side, 1 / side), torch.arange(side // 2 + 1.0)
        below = (4 * (kx**2 + ky[:, None] ** 2) < side**2).flatten()
        points = torch.stack(torch.meshgrid(kx, ky, indexing="xy"), -1).reshape(-1, 2)[below]
        sinc = torch.sinc((torch.arange(size, dtype=torch.float64) - size // 2) / side)
        line = sinc ** -(order + 1)
        correction = line[:, None, None] * line[:, None] * line
        before = side // 2 - size // 2
        doubled = torch.where((kx == 0) | (2 * kx == side), 1.0, 2.0)
        return Grid(
            side=side,
            margin=(before, side - size - before),
            order=order,
            points=points.to(device, dtype),
            places=below.nonzero()[:, 0].to(device),
            correction=correction.to(device, dtype),
            doubled=doubled.to(device, dtype),
        )


@dataclass(frozen=True)
class Taps:
    """Where slices cut the spectrum: the frequencies around each point, and their shares.

    Attributes
    ----------
    rows
        (taps^2, b * n): the first of each row of frequencies along x, as a place in the spectra
        laid out flat.
    across
        (taps^2, b * n): the share of each row.
    along
        (taps, b * n): the shares of the frequencies in a row.
    sign
        (b, n): -1 where the conjugate frequency was taken.

    """

    rows: Tensor
    across: Tensor
    along: Tensor
    sign: Tensor


def find_taps(rotations: Tensor, g: Grid, volumes: int = 1) -> Taps:
    """Find the frequencies around k = A^T (kx, ky, 0) for each pose A (b, 3, 3)."""
    if len(rotations) % volumes:
        raise ValueError(f"{len(rotations)} poses can't be shared by {volumes} volumes")
    a, b = rotations.to(g.points)[:, :2, :, None].unbind(1)  # (b, 3, 1)
    k = (a * g.points[:, 0] + b * g.points[:, 1]).transpose(0, 1)
    return taps_at(k, g, volumes)


def taps_at(k: Tensor, g: Grid, volumes: int = 1) -> Taps:
    """Find the frequencies around any points k (3, b, n): kx, ky, kz in units of 1 / P."""
    each = k.shape[1:]
    k = k.reshape(3, -1)
    sign = torch.where(k[0] < 0, -1.0, 1.0).to(k)
    k = k * sign
    low, (along, y_share, z_share) = _spline(k, g.order)
    total = volumes * g.side * g.side * g.width
    x, y, z = low.to(torch.int32 if total < 2**31 else torch.int64)
    x = (x + 1).clamp_(max=g.width - len(along))  # the plane kx = -1 comes first
    steps = torch.arange(len(along), device=k.device, dtype=x.dtype)[:, None]
    y, z = (y + steps) % g.side, (z + steps) % g.side
    rows = ((z[:, None] * g.side + y) * g.width + x).flatten(0, 1)
    if volumes > 1:
        one = torch.arange(0, total, total // volumes, device=k.device, dtype=x.dtype)
        rows = rows + one.repeat_interleave(rows.shape[-1] // volumes)
    across = (z_share[:, None] * y_share).flatten(0, 1)
    return Taps(rows, across, along, sign.view(each))


def _spline(k: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Return the first of the frequencies around k (3, n), and the shares of each (3, taps, n).

    They are those of a B-spline: a straight line between two, or a parabola through three.
    """
    if order == 1:
        low = k.floor()
        t = k - low
        return low, torch.stack([1 - t, t], 1)
    middle = k.round()
    t = k - middle
    return middle - 1, torch.stack([0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2], 1)


def gather(spectrum: Tensor, at: Taps) -> Tensor:
    """Interpolate spectra (v, P, P, P // 2 + 1) at the points of slices: (b, n), complex."""
    flat = _widen(spectrum).flatten()
    if at.across.requires_grad:
        found = ((at.across * flat[at.rows + j]).sum(0) * at.along[j] for j in range(len(at.along)))
        values = sum(found, start=flat.new_zeros(()))
    else:
        apply: Callable[..., Tensor] = _Gather.apply
        values = apply(flat, at.rows, at.across, at.along)
    return _conjugated(values.view(at.sign.shape), at.sign)


def scatter(values: Tensor, at: Taps, volumes: int, g: Grid) -> Tensor:
    """Add values (b, n) into spectra (v, P, P, P // 2 + 1): the adjoint of `gather`."""
    flat = _conjugated(values, at.sign).flatten()
    table = _add(flat, at.rows, at.across, at.along, volumes * g.side * g.side * g.width)
    return _fold(table.view(volumes, g.side, g.side, g.width))


def _conjugated(values: Tensor, sign: Tensor) -> Tensor:
    return torch.complex(values.real, sign * values.imag)


class _Gather(torch.autograd.Function):
    """Weighted sums of places of a table (m,), complex: `_add` transposed, in one pass."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, across: Tensor, along: Tensor) -> Tensor:
        ctx.save_for_backward(rows, across, along)
        ctx.places = len(table)
        pairs, taps = torch.view_as_real(table), len(along)
        wide = torch.cat([pairs[j : len(pairs) - taps + 1 + j] for j in range(taps)], 1)
        index, share = rows.T.contiguous(), across.T.contiguous()
        found = torch.nn.functional.embedding_bag(index, wide, per_sample_weights=share, mode="sum")
        total = found[:, :2] * along[0][:, None]
        for j in range(1, taps):
            total = total.addcmul_(found[:, 2 * j : 2 * j + 2], along[j][:, None])
        return torch.view_as_complex(total)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        rows, across, along = ctx.saved_tensors
        return _add(grads[0], rows, across, along, ctx.places), None, None, None


def _add(values: Tensor, rows: Tensor, across: Tensor, along: Tensor, places: int) -> Tensor:
    """Add values (n,), complex, to the places around each of them in a table (m,)."""
    table = values.new_zeros(places)
    share = across.to(values.dtype)
    for j, part in enumerate(along):
        table = table.index_add(0, (rows + j).flatten(), (share * (values * part)).flatten())
    return table


def _widen(spectrum: Tensor) -> Tensor:
    """Add the planes before and after the half spectrum: conjugates of planes within it."""
    side, half = spectrum.shape[-2:]
    # the frequency half is -(side - half) once more
    first, last = (_opposite(spectrum[..., k : k + 1]) for k in (1, side - half))
    return torch.cat([first, spectrum, last], -1)


def _fold(wide: Tensor) -> Tensor:
    """Return the adjoint of `_widen`."""
    side, half = wide.shape[-2], wide.shape[-1] - 2
    inner = wide[..., 1:-1]
    first, last = _opposite(wide[..., :1]), _opposite(wide[..., -1:])
    pad = torch.nn.functional.pad
    k = side - half
    return inner + pad(first, (1, half - 2)) + pad(last, (k, half - 1 - k))


def _opposite(plane: Tensor) -> Tensor:
    """Return the conjugates at the opposite frequencies along z and y."""
    return plane.flip((1, 2)).roll((1, 1), (1, 2)).conj()
