"""Time and error of projections by Fourier slices, beside turning the volume in real space.

Run as `python scripts/benchmark_projection.py`. All take turns on one thread, several rounds of
each; medians are printed. Errors are against the closed form for Gaussians within two thirds of
the box.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor

from bioreco.operators.cryoem import CryoEM
from bioreco.operators.fourier_slice import Project
from bioreco.operators.resample import ProjectRealSpace
from bioreco.operators.rotations import random_rotations

SIGMA = 1.6  # voxels
OPTICS = [15000.0, 14000, 0.5, 300, 2.7, 0.1, 0, 0, 5.0]


def particle(size: int) -> tuple[Tensor, Tensor]:
    """Return the points (n, 3) of a particle, and its volume (z, y, x)."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((30, 3))
    points *= size / 3 * rng.random((30, 1)) ** (1 / 3) / np.linalg.norm(points, axis=1)[:, None]
    lines = _lines(size, torch.from_numpy(points))
    volume = torch.einsum("xk,yk,zk->zyx", *lines.unbind(2))
    return torch.from_numpy(points), volume.float()


def expected(size: int, points: Tensor, poses: Tensor) -> Tensor:
    """Return the projections (b, 1, y, x) in closed form."""
    images = []
    for pose in poses.double():
        x, y, _ = _lines(size, points @ pose.T).unbind(2)
        images.append(math.sqrt(2 * math.pi) * SIGMA * torch.einsum("xk,yk->yx", x, y))
    return torch.stack(images)[:, None]


def _lines(size: int, points: Tensor) -> Tensor:
    """Return Gaussians along each axis (size, n, 3)."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    return torch.exp(-((axis[:, None, None] - points) ** 2) / (2 * SIGMA**2))


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of a call."""
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def backwards(call: Callable[[Tensor], Tensor], volume: Tensor) -> Callable[[], object]:
    """Return what projects and takes the gradient in the volume."""

    def both() -> object:
        seen = volume.clone().requires_grad_()
        return torch.autograd.grad(call(seen).square().sum(), seen)

    return both


def compare(size: int, batch: int, rounds: int) -> list[str]:
    """Return a line for each way to project."""
    poses = random_rotations(batch, torch.Generator().manual_seed(1))
    points, volume = particle(size)
    truth = expected(size, points, poses)
    optics = torch.tensor([OPTICS]).expand(batch, -1)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "Fourier slices, quadratic (default)": lambda v: Project(poses, size)(v),
        "Fourier slices, linear": lambda v: Project(poses, size, order=1)(v),
        "Fourier slices, linear, pad 3": lambda v: Project(poses, size, 3, 1)(v),
        "with CTF and shifts": lambda v: CryoEM().simulate(v, poses, optics, poses[:, :2, 0]),
        "real space": lambda v: ProjectRealSpace(poses, size)(v),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for k in range(rounds + 1):
        for name, call in ways.items():
            with torch.no_grad():
                forth = timed(partial(call, volume))
            pair = forth, timed(backwards(call, volume))
            if k:  # the first round warms up
                times[name].append(pair)
    slow = [median(t[i] for t in times["real space"]) for i in (0, 1)]
    lines = []
    for name, call in ways.items():
        forth, both = (median(t[i] for t in times[name]) for i in (0, 1))
        error = float((call(volume).double() - truth).norm() / truth.norm())
        told = "" if "CTF" in name else f"{100 * error:6.2f} %"
        lines.append(
            f"{size:4d}  {name:36s} {forth:7.0f} {slow[0] / forth:6.1f}x {both:8.0f}"
            f" {slow[1] / both:6.1f}x  {told}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 48, 64])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{given.batch} images, one thread; milliseconds forwards, and with the gradient; error")
    for size in given.sizes:
        print("\n".join(compare(size, given.batch, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
