"""Is an image of MRI made up? Numbers and a map that need no truth, for methods with a generator.

The map is written as NAME.nii and its phase into the folder `doubt`: E^H (y - E x) over the
deviation that noise gives it. Lines that weren't measured can't speak: what is made up there alone
shows in none of these numbers but the cycle.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from bioreco.data.kspace.series import Series
from bioreco.data.scans import Scans
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import collate, tensors
from bioreco.methods.method import Batch
from bioreco.methods.ot_cyclegan import OTCycleGAN
from bioreco.methods.passage import noise_of_scan

CONVENTIONS = {
    "residual_over_sigma": "root of the mean of |y - E x|^2 over the variance of the noise, of the"
    " samples that were measured: 1 is right",
    "cycle_residual": "root mean square of G(E^H M E x) - x over that of x",
    "empty_output": "root mean square of G of noise alone over that of x: 0 is right",
}

Sums = dict[str, list[float]]


@torch.no_grad()
def doubted(method: object, data: Scans, runtime: Runtime, folder: Path) -> dict[str, float]:
    """Write the map of each scan's first frame; return the means of what `CONVENTIONS` tells."""
    if not isinstance(method, OTCycleGAN):
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    problems = data.training(method.wants)
    found: Sums = {}
    for number, scan in enumerate(data.acquisitions):
        slices = scan.geometry.slices
        volume = np.zeros((int(slices.max()) + 1, *scan.size), np.complex64)
        for group in range(scan.groups):
            sample = problems.problem(number, 0, group, seed=fold(number, 0, group))
            batch = tensors(collate([sample]), runtime.device)
            volume[slices[group]] = _looked_at(method, batch, found).cpu().numpy()
        with Series.of(scan, folder / f"{Path(scan.name).stem}.nii") as series:
            for frame in range(scan.frames):
                series.write(frame, volume)
    return {key: float(np.mean(values)) for key, values in found.items()}


def _looked_at(method: OTCycleGAN, batch: Batch, found: Sums) -> torch.Tensor:
    """Add the numbers of one problem; return its map (S, y, x)."""
    H = method.forward_model.operator(batch)
    sigma = noise_of_scan(batch)
    x = method.reconstruct(batch).mean
    left = torch.where(batch["mask"], batch["y"] - H.forward(x), 0)
    count = batch["mask"].sum() * left.shape[1]
    size = x.abs().square().mean().sqrt()
    again = method.reconstruct({**batch, "y": H.forward(x)}).mean
    noise = torch.from_numpy(_noise(left.shape)).to(left) * sigma
    empty = method.reconstruct({**batch, "y": torch.where(batch["mask"], noise, 0)}).mean
    numbers = {
        "residual_over_sigma": float((left.abs().square().sum() / count).sqrt() / sigma.mean()),
        "cycle_residual": float((again - x).abs().square().mean().sqrt() / size),
        "empty_output": float(empty.abs().square().mean().sqrt() / size),
    }
    for key, value in numbers.items():
        found.setdefault(key, []).append(value)
    share = math.sqrt(float(batch["mask"].float().mean()))
    mapped: torch.Tensor = H.adjoint(left)[0] / (sigma.mean() * share)
    return mapped


def _noise(shape: torch.Size) -> np.ndarray[tuple[int, ...], np.dtype[np.complex64]]:
    parts = np.random.default_rng(7).standard_normal((2, *shape)) / math.sqrt(2)
    return np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)
