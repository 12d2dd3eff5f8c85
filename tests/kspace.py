"""Small problems with smooth coil maps and a known image, for tests and measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator
from bioreco.operators.sense import Sense


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex128) -> Tensor:
    """Draw standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def grid(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return y and x from -1 to 1."""
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64) for n in size]
    y, x = torch.meshgrid(*axes, indexing="ij")
    return y, x


def coil_maps(bands: int, coils: int, size: tuple[int, int]) -> Tensor:
    """Return loops in rings around the head, (S, C, y, x): 1 in sum in an ellipse, 0 outside."""
    y, x = grid(size)
    rings = 1 if coils < 8 else 4 if coils > 8 else 2
    each = coils // rings
    z = torch.linspace(-0.8, 0.8, bands, dtype=torch.float64) if bands > 1 else torch.zeros(1)
    maps = []
    for c in range(coils):
        ring, number = c % rings, c // rings
        angle = 2 * math.pi * (number + ring / rings) / max(each, 1)
        height = (2 * (ring + 0.5) / rings - 1) * 0.9
        dy, dx = y - 1.25 * math.sin(angle), x - 1.25 * math.cos(angle)
        apart = dy**2 + dx**2 + (z[:, None, None] - height) ** 2 + 0.3**2
        maps.append(
            torch.polar(apart**-1.5, angle + 0.5 * torch.atan2(dy, dx + 3).expand_as(apart))
        )
    found = torch.stack(maps, 1)
    found = found / found.abs().pow(2).sum(1, keepdim=True).sqrt()
    return found * ((x / 0.85) ** 2 + (y / 0.95) ** 2 < 1)


def image(bands: int, size: tuple[int, int], *, seed: int = 0) -> Tensor:
    """Return ellipses with a smooth phase (S, y, x), about 1 in the object and 0 outside."""
    y, x = grid(size)
    draw = torch.Generator().manual_seed(seed)
    slices = []
    for _ in range(bands):
        one = ((x / 0.82) ** 2 + (y / 0.92) ** 2 < 1) * 0.7
        for _ in range(9):
            cy, cx, ry, rx, a, turn = torch.rand(6, generator=draw, dtype=torch.float64)
            angle = math.pi * turn
            u = (x - cx + 0.5) * torch.cos(angle) + (y - cy + 0.5) * torch.sin(angle)
            v = (y - cy + 0.5) * torch.cos(angle) - (x - cx + 0.5) * torch.sin(angle)
            one = one + ((u / (0.05 + 0.3 * rx)) ** 2 + (v / (0.05 + 0.3 * ry)) ** 2 < 1) * (
                a - 0.4
            )
        inside = (x / 0.82) ** 2 + (y / 0.92) ** 2 < 1
        phase = 0.8 * torch.sin(2 * x + 6 * torch.rand(1, generator=draw)) + 0.6 * y
        slices.append(torch.polar(one.clamp(min=0.05) * inside, phase))
    return torch.stack(slices)


def lines(size: tuple[int, int], acceleration: int, *, centre: int = 0) -> Tensor:
    """Return a mask (1, 1, ky, kx) of every R-th line, the one at 0 among them, and the centre."""
    height, width = size
    ky = torch.arange(height) - height // 2
    taken = (ky % acceleration == 0) | ((ky >= -(centre // 2)) & (ky < centre - centre // 2))
    return taken[None, None, :, None].expand(1, 1, height, width).clone()


@dataclass(frozen=True)
class Problem:
    """A batch, its operator and its true image."""

    batch: dict[str, Tensor]
    H: LinearOperator
    x: Tensor


def problem(
    bands: int = 1,
    coils: int = 8,
    size: tuple[int, int] = (32, 32),
    *,
    acceleration: int = 1,
    fov: int = 3,
    noise: float = 0.0,
    calibration: int = 0,
    frames: int = 1,
    centre: int = 0,
    seed: int = 0,
    dtype: torch.dtype = torch.complex64,
) -> Problem:
    """Simulate k-space of slices shifted by s / `fov` of the reduced field of view."""
    maps = coil_maps(bands, coils, size)[None].expand(frames, -1, -1, -1, -1).to(dtype)
    x = image(bands, size, seed=seed)[None].expand(frames, -1, -1, -1).to(dtype)
    caipi = torch.arange(bands) % fov * (size[0] / (acceleration * fov))
    caipi = caipi.float()[None].expand(frames, -1)
    mask = lines(size, acceleration, centre=centre).expand(frames, -1, -1, -1)
    H = Sense.of(maps, mask, caipi)
    added = noise * normal(frames, coils, *size, seed=seed + 1, dtype=dtype)
    batch = {"y": H(x) + added * mask, "mask": mask, "maps": maps, "caipi": caipi}
    batch |= {"unit": torch.ones(frames), "x": x, "item": torch.zeros(frames, dtype=torch.int64)}
    batch["seed"] = torch.arange(frames)
    if calibration:
        alone = torch.fft.fftshift(
            torch.fft.fft2(torch.fft.ifftshift(maps * x.unsqueeze(2), dim=(-2, -1)), norm="ortho"),
            dim=(-2, -1),
        )
        alone = alone + noise * normal(*alone.shape[1:], seed=seed + 2, dtype=dtype)
        first = size[0] // 2 - calibration // 2
        batch["calibration"] = alone[..., first : first + calibration, :]
    return Problem(batch, H, x)


def nrmse(found: Tensor, x: Tensor) -> float:
    """Return ||found - x|| / ||x||."""
    return float(torch.linalg.vector_norm(found - x) / torch.linalg.vector_norm(x))
