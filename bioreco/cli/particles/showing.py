"""The picture of a volume: slices, projections, particles beside simulated ones, and the FSC."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from bioreco.cli.particles.scoring import Array, Found
from bioreco.data.cryoem import CryoEMData
from bioreco.engine.correlations import Band, Curve, correlations
from bioreco.engine.galleries import Row, gallery

log = logging.getLogger("bioreco")


def show(
    data: CryoEMData,
    columns: Mapping[str, Found],
    folder: Path,
    batch: Mapping[str, Tensor],
    others: Sequence[Curve],
) -> None:
    """Draw preview.png, and fsc.png of the correlations with the truth and of others."""
    volumes = {
        name: found.volume if found.aligned is None else found.aligned
        for name, found in columns.items()
    }
    if data.truth is not None:
        volumes["truth"] = data.truth.values
    rows = [
        *(_row(f"slice {axis}", volumes, k, projected=False) for k, axis in enumerate("zyx")),
        *(_row(f"projection {axis}", volumes, k, projected=True) for k, axis in enumerate("zyx")),
    ]
    images = batch["y"][: len(volumes), 0].cpu().numpy()
    ends = (float(np.percentile(images, 1)), float(np.percentile(images, 99)))
    particles = dict(zip(volumes, images, strict=False))
    rows.append(Row("particles (the first ones)", particles, ends))
    gallery(folder / "preview.png", list(volumes), rows, title=data.particles.name)
    log.info("Picture: %s", folder / "preview.png")
    curves = [
        Curve(name, found.curve.frequency, found.curve.correlation)
        for name, found in columns.items()
        if found.curve is not None
    ] + [*others]
    null = next(iter(columns.values())).null
    if curves:
        chance = None
        if null is not None:
            chance = Band(null.frequency, null.mean, null.deviation)
        correlations(folder / "fsc.png", curves, chance, voxel=data.pixel_size)
        log.info("Fourier shell correlation: %s", folder / "fsc.png")


def _row(name: str, volumes: Mapping[str, Array], axis: int, *, projected: bool) -> Row:
    """Return one row, each map scaled to its own 99.8th percentile: volumes have no common unit."""
    maps = {}
    for column, volume in volumes.items():
        plane = volume.sum(axis=axis) if projected else volume.take(len(volume) // 2, axis=axis)
        maps[column] = plane / max(float(np.percentile(plane, 99.8)), 1e-12)
    return Row(name, maps, (0.0, 1.0))
