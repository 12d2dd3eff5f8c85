"""Parallel projections of a volume: directions, what a missing cone takes of them, and back.

Poses A (n, 3, 3), r_image = A r, see `Project`; images keep the axis z of the volume along their y
as far as it is seen, so that what a cone about z takes of a projection always lies alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from bioreco.errors import UserError
from bioreco.operators.fourier_slice import Project
from bioreco.operators.slices import find_taps, grid, scatter

AXES = ("x", "y", "z")
TOGETHER = 32  # projections that are computed at a time
LINEAR = 1
_GOLDEN = (math.sqrt(5) - 1) / 2
_LEAST = 1e-3  # weight below which no plane passes


def looking(azimuth: Tensor, tilt: Tensor, roll: Tensor | None = None) -> Tensor:
    """Return the poses of directions of view at some azimuth and tilt from z, in radians (n,).

    `roll` turns the images; without it z is along their y.
    """
    sa, ca, st, ct = azimuth.sin(), azimuth.cos(), tilt.sin(), tilt.cos()
    along = torch.stack([st * ca, st * sa, ct], -1)
    up = torch.stack([-ct * ca, -ct * sa, st], -1)
    right = torch.linalg.cross(up, along)
    if roll is not None:
        c, s = roll.cos()[:, None], roll.sin()[:, None]
        right, up = c * right + s * up, c * up - s * right
    return torch.stack([right, up, along], 1)


def around(axes: tuple[str, ...], views: int) -> Tensor:
    """Return the poses (len(axes) * views, 3, 3) of half a turn about each of some axes."""
    half = math.pi * torch.arange(views, dtype=torch.float64) / views
    flat = torch.full_like(half, math.pi / 2)
    found = {
        "x": looking(flat, half - math.pi / 2),
        "y": looking(0 * flat, half - math.pi / 2),
        "z": looking(half, flat),
    }
    return torch.cat([found[axis] for axis in axes])


def near_axis(count: int, tilt: float) -> Tensor:
    """Return the poses (count, 3, 3) of directions within a tilt from z, turned all ways."""
    n = torch.arange(count, dtype=torch.float64)
    azimuth, roll = 2 * math.pi * n * _GOLDEN, 2 * math.pi * n * math.sqrt(2)
    return looking(azimuth, tilt * ((n + 0.5) / count).sqrt(), roll)


def tilts(poses: Tensor) -> Tensor:
    """Return the tilt of each direction of view from the axis z, 0 to pi / 2."""
    return poses[:, 2, 2].abs().clamp(max=1).acos()


def project(volume: Tensor, poses: Tensor) -> Tensor:
    """Return the projections (n, y, x) of a volume (z, y, x)."""
    parts = [
        Project(some, len(volume)).forward(volume)[:, 0]
        for some in torch.split(poses.to(volume), TOGETHER)
    ]
    return torch.cat(parts)


def planes(region: Tensor, poses: Tensor) -> Tensor:
    """Return what the central planes meet of a region of frequencies, (n, y, x), unshifted."""
    side = len(region)
    f = torch.fft.fftfreq(side, 1 / side, dtype=poses.dtype, device=region.device)
    ky, kx = torch.meshgrid(f, f, indexing="ij")
    poses = poses.to(region.device)
    k = poses[:, 0, :, None, None] * kx + poses[:, 1, :, None, None] * ky
    x, y, z = (k.round().long() % side).unbind(1)
    beyond = (2 * k.abs().round() >= side).any(1) | (2 * torch.maximum(kx.abs(), ky.abs()) >= side)
    return torch.where(beyond, 0, region[z, y, x])


def kept(images: Tensor, mask: Tensor) -> Tensor:
    """Return images (..., y, x) of which some frequencies are kept; `mask` is unshifted."""
    spectrum = torch.fft.fft2(images) * mask
    found: Tensor = torch.fft.ifft2(spectrum).real
    return found


def back_project(images: Tensor, poses: Tensor) -> Tensor:
    """Return the volume (z, y, x) of projections (n, y, x): filtered back-projection, refined once.

    The filter is the density of the planes that pass each frequency, instead of |k|, which is
    right for any directions and for the lowest frequencies too. What its volume leaves over of the
    projections is back-projected once more: blobs within half the box are then found again within
    1 % (root mean square).

    Raises
    ------
    UserError
        If there are none.

    """
    if not len(images):
        raise UserError("there are no projections to make a volume of")
    first = _filtered(images, poses)
    return first + _filtered(images - project(first, poses), poses)


def _filtered(images: Tensor, poses: Tensor) -> Tensor:
    """Return the volume of spectra that are sorted into a grid.

    What interpolation weakens far from the centre is corrected as if frequencies fell anywhere
    between those of the grid. That is too much along an axis that images share with the volume,
    whose frequencies fell on the grid: z of a turn about z, by 5 % at half the way to the border.
    """
    size = images.shape[-1]
    g = grid(size, 2, LINEAR, images.device, images.dtype)
    values = images.new_zeros(g.side, g.side, g.half, dtype=torch.complex64)
    weight = torch.zeros_like(values)
    before, after = g.margin
    for some, turned in zip(
        torch.split(images, TOGETHER), torch.split(poses, TOGETHER), strict=True
    ):
        padded = torch.fft.ifftshift(pad(some, [before, after] * 2), dim=(1, 2))
        spectra = torch.fft.rfft2(padded) * (g.doubled / 2)
        taps = find_taps(turned.to(images), g)
        values += scatter(g.collect(spectra), taps, 1, g)[0]
        ones = torch.zeros_like(spectra) + g.doubled / 2
        weight += scatter(g.collect(ones), taps, 1, g)[0]
    values, passed = _whole(values), _whole(weight).real
    ratio = torch.where(passed > _LEAST, values / passed.clamp(min=_LEAST), 0)
    volume = torch.fft.fftshift(torch.fft.irfftn(ratio, s=[g.side] * 3, dim=(0, 1, 2)))
    inside = slice(before, before + size)
    found: Tensor = volume[inside, inside, inside] * g.correction
    return found


def _whole(half: Tensor) -> Tensor:
    """Return a half spectrum whose plane kx = 0 holds both of each pair of conjugates."""
    plane = half[..., 0]
    found = half.clone()
    found[..., 0] = plane + plane.flip((0, 1)).roll((1, 1), (0, 1)).conj()
    return found
