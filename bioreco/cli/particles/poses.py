"""What a run leaves that finds how particles lie in the plane: their poses, and what they show."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco import __version__
from bioreco.cli import tables
from bioreco.cli.beside import wanted
from bioreco.cli.particles.ending import Ended, first
from bioreco.data.particles.maps import write_stack
from bioreco.data.particles.samples import ParticleData
from bioreco.engine.galleries import Row, gallery
from bioreco.engine.sampler import collate, tensors
from bioreco.methods.method import Batch
from bioreco.methods.principal_axis import principal_axis
from bioreco.methods.spatial_vae import SpatialVAE
from bioreco.metrics.circular import circular_correlation, circular_error, circular_mean

log = logging.getLogger("bioreco")

Doubles = NDArray[np.float64]

BASELINES = ("principal_axis",)
TOGETHER = 256  # particles that are looked at at once
SHOWN = 8  # columns of the picture
ALONG = (0.05, 0.95)  # quantiles of a code, between which it is shown
ONE_VIEW = 1e-3  # how far directions of view may lie apart, to be called one
CONVENTIONS = {
    "angle_correlation": "Fisher and Lee's circular correlation of psi with the truth: the same up"
    " to one turn of all",
    "angle_error_degrees": "mean distance from the true psi, after that turn",
    "shift_error_pixels": "root mean square distance from the true origin, up to one of all in the"
    " frame of the particle",
    "content_r2": "share of the variance of the true codes that a line through the codes explains,"
    " fitted on every second particle, told of the others",
}


def check(config: DictConfig, data: ParticleData) -> list[str]:
    """Return what is compared with.

    Raises
    ------
    UserError
        If a name is unknown, or there is nothing to compare by.

    """
    return wanted(
        config,
        BASELINES,
        own=BASELINES,
        known=true_angles(data) is not None,
        missing="they are compared with true angles, and these particles have none, or weren't all"
        " seen from one direction",
    )


def true_angles(data: ParticleData) -> Doubles | None:
    """Return psi (n,) where all particles were seen from one direction; else None."""
    poses = data.particles.poses
    if poses is None or np.abs(poses[:, 2] - poses[0, 2]).max() > ONE_VIEW:
        return None
    turned = poses.astype(np.float64) @ poses[0].astype(np.float64).T
    return np.asarray(np.arctan2(turned[:, 0, 1], turned[:, 0, 0]))


@torch.no_grad()
def leave(ended: Ended, beside: list[str]) -> dict[str, Any]:
    """Write poses, show views, and score where the truth is known."""
    assert isinstance(ended.method, SpatialVAE)
    found: dict[str, list[Doubles]] = {}
    for batch in _batches(ended):
        for key, value in _columns(ended.method, batch).items():
            found.setdefault(key, []).append(value)
    columns = {key: np.concatenate(parts) for key, parts in found.items()}
    results = ended.folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    _write(results / "poses.csv", columns, ended.data.pixel_size)
    views = _views(ended, columns["content"])
    note = f"bioreco {__version__}: method={ended.name}"
    write_stack(
        results / "views.mrc", views.reshape(-1, *views.shape[2:]), ended.data.pixel_size,
        label=note, overwrite=True,
    )  # fmt: skip
    log.info("Wrote %s and views.mrc", results / "poses.csv")
    _show(ended, views)
    return _scored(ended, columns, beside)


def _batches(ended: Ended) -> Iterator[dict[str, torch.Tensor]]:
    for start in range(0, len(ended.samples), TOGETHER):
        stop = min(start + TOGETHER, len(ended.samples))
        part = collate([ended.samples[k, 0] for k in range(start, stop)])
        yield tensors(part, ended.runtime.device)


def _columns(method: SpatialVAE, batch: Batch) -> dict[str, Doubles]:
    placed = method.placed(batch)
    found = {
        "psi": placed.psi,
        "psi_spread": placed.psi_spread,
        "origin": placed.origin,
        "content": placed.content,
        "axis": principal_axis(batch["y"]),
    }
    return {key: value.double().cpu().numpy() for key, value in found.items()}


def _write(path: Path, columns: Mapping[str, Doubles], pixel: float) -> None:
    """Write one line for each particle, with RELION's psi and origin."""
    codes = columns["content"].shape[1]
    header = ["particle", "rlnAnglePsi", "psi_spread_degrees"]
    header += ["rlnOriginXAngst", "rlnOriginYAngst", *(f"code_{k + 1}" for k in range(codes))]
    psi = np.rad2deg(np.stack([columns["psi"], columns["psi_spread"]], 1))
    rows = np.concatenate([psi, columns["origin"] * pixel, columns["content"]], 1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for k, row in enumerate(rows):
            writer.writerow([k + 1, *(f"{value:.6g}" for value in row)])


def _views(ended: Ended, content: Doubles) -> NDArray[np.float32]:
    """Return views (latent, SHOWN, y, x): one code changes, the others stay at their medians."""
    assert isinstance(ended.method, SpatialVAE)
    middle = np.median(content, 0)
    low, high = (np.quantile(content, share, axis=0) for share in ALONG)
    codes = np.repeat(np.repeat(middle[None, None], len(middle), 0), SHOWN, 1)
    for k in range(len(middle)):
        codes[k, :, k] = np.linspace(low[k], high[k], SHOWN)
    flat = torch.from_numpy(codes.reshape(-1, len(middle))).float().to(ended.runtime.device)
    views = ended.method.view(flat).cpu().numpy()
    return np.asarray(views.reshape(len(middle), SHOWN, *views.shape[2:]))


def _show(ended: Ended, views: NDArray[np.float32]) -> None:
    """Draw preview.png: particles, what is made of them, and views along each code."""
    batch = first(ended.samples, ended.runtime)
    batch = {key: value[:SHOWN] if value.dim() else value for key, value in batch.items()}
    particles = batch["y"][:, 0].cpu().numpy()
    found = ended.method.reconstruct(batch).mean[:, 0].cpu().numpy()
    names = [f"{k + 1}" for k in range(SHOWN)]
    maps = {"particles": particles, "reconstructed": found}
    maps |= {f"views along code {k + 1}": views[k] for k in range(len(views))}
    rows = [
        Row(
            name,
            dict(zip(names, images, strict=False)),
            (float(np.percentile(images, 1)), float(np.percentile(images, 99.5))),
        )
        for name, images in maps.items()
    ]
    gallery(ended.folder / "preview.png", names, rows, title=ended.data.particles.name)
    log.info("Picture: %s", ended.folder / "preview.png")


def _scored(ended: Ended, columns: Mapping[str, Doubles], beside: list[str]) -> dict[str, Any]:
    """Return what metrics.json says, where particles were seen from one known direction."""
    data, truth = ended.data, true_angles(ended.data)
    if truth is None:
        log.info("No scores: there are no true angles of particles seen from one direction.")
        return {}
    scores = {ended.name: _angles(columns["psi"], truth)}
    origins = data.particles.origins
    if origins is not None:
        away = columns["origin"] - origins / data.pixel_size
        there = np.einsum("nji,nj->ni", data.particles.poses[:, :2, :2], away)
        error = math.sqrt(float(((there - there.mean(0)) ** 2).sum(1).mean()))
        scores[ended.name]["shift_error_pixels"] = error
    codes = getattr(data, "codes", None)
    if codes is not None:
        scores[ended.name]["content_r2"] = _explained(columns["content"], codes)
    if "principal_axis" in beside:
        scores["principal_axis"] = _angles(columns["axis"], truth)
    keys = list(scores[ended.name])
    rows: list[list[tables.Cell]] = [
        [name, *[one.get(key) for key in keys]] for name, one in scores.items()
    ]
    log.info("\n%s", tables.text(["", *keys], rows))
    return {
        "test": scores.pop(ended.name),
        "baselines": scores,
        "conventions": {key: CONVENTIONS[key] for key in keys},
    }


def _angles(psi: Doubles, truth: Doubles) -> dict[str, float]:
    turn = circular_mean(psi - truth)
    return {
        "angle_correlation": circular_correlation(psi, truth),
        "angle_error_degrees": math.degrees(circular_error(psi - turn, truth)),
    }


def _explained(found: Doubles, truth: Doubles) -> float:
    """Return the share of the variance of true codes that a linear map of others explains."""
    known = np.column_stack([found, np.ones(len(found))])
    line = np.linalg.lstsq(known[::2], truth[::2], rcond=None)[0]
    left = truth[1::2] - known[1::2] @ line
    return float(1 - left.var(0).sum() / truth[1::2].var(0).sum())
