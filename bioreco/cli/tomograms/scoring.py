"""Scores of refractive indices against the truth, and the picture to look at first."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.cli import tables
from bioreco.cli.tomograms import doubting
from bioreco.cli.tomograms.applying import Found
from bioreco.data.odt import Views
from bioreco.data.tomograms.values import Array, Tomogram, cut
from bioreco.engine.galleries import Row, gallery
from bioreco.metrics import cone, fidelity

log = logging.getLogger("bioreco")

TOLD = (
    "psnr", "ssim_xy", "ssim_xz", "in_cone_correlation", "index_bias", *doubting.CONVENTIONS
)  # fmt: skip


def show(views: Views, columns: Mapping[str, Found], folder: Path, title: str) -> dict[str, Any]:
    """Score all columns, print the table, draw the picture; return what metrics.json says."""
    every = {name: _mean(views, found) for name, found in columns.items()}
    _draw(views, columns, folder, title)
    method, *others = every
    if not any(one.truth is not None for one in views.tomograms):
        log.info("No scores: there is no truth.")
    if not every[method]:
        return {}
    keys = list(every[method])
    shown = [key for key in keys if key in TOLD]
    rows: list[list[tables.Cell]] = [[k, *[v.get(key) for key in shown]] for k, v in every.items()]
    log.info("\n%s", tables.text(["", *shown], rows))
    told = {**fidelity.CONVENTIONS, **cone.CONVENTIONS, **doubting.CONVENTIONS}
    return {
        "test": every[method],
        "baselines": {name: every[name] for name in others},
        "conventions": {key: told[key] for key in keys if key in told},
    }


def _mean(views: Views, found: Found) -> dict[str, float]:
    """Return the mean scores over all tomograms with a truth, and what needs none."""
    each = [
        scores(one, index)
        for one, index in zip(views.tomograms, found.indices, strict=True)
        if one.truth is not None
    ]
    each += found.doubts
    keys = list(dict.fromkeys(key for one in each for key in one))
    return {key: float(np.mean([one[key] for one in each if key in one])) for key in keys}


def scores(tomogram: Tomogram, index: Array) -> dict[str, float]:
    """Score a volume of refractive indices (z, y, x)."""
    assert tomogram.truth is not None
    medium = tomogram.light.medium
    assert medium is not None
    side = len(index)
    truth = cut(tomogram.truth.index, side, (0, 1, 2))
    index = cut(index, len(truth), (0, 1, 2))
    found = {
        "psnr": fidelity.psnr(index, truth),
        "ssim_xy": _ssim(index, truth, 0),
        "ssim_xz": _ssim(index, truth, 1),
        "nrmse": fidelity.nrmse(index - medium, truth - medium),
    }
    angle = missing_angle(tomogram)
    if angle is not None:
        region = cone.cone(len(truth), angle, _limit(tomogram))
        mean, energy, _ = cone.correlations(index - medium, truth - medium, region)
        found |= {"in_cone_correlation": mean, "in_cone_energy_correlation": energy}
    labels = tomogram.truth.labels
    if labels is not None:
        labels = cut(labels, side, (0, 1, 2))
        found |= cone.index_bias(index, truth, labels, tomogram.truth.parts, medium)
    return found


def missing_angle(tomogram: Tomogram) -> float | None:
    """Return the half angle of the cone about z that no view reaches, degrees; None: there is none.

    A view measures frequencies across its light at first, so the most tilted one decides.
    """
    seen = np.einsum("vji,vj->vi", tomogram.rotations, tomogram.illumination)
    tilt = float(np.degrees(np.arccos(np.clip(np.abs(seen[:, 2]), 0, 1))).max())
    return 90 - tilt if tilt < 89 else None


def _limit(tomogram: Tomogram) -> float:
    """Return the largest |k| that counts, cycles per voxel."""
    wavelength, pixel, _, na = tomogram.light.values
    assert wavelength is not None
    assert pixel is not None
    assert na is not None
    return cone.LIMIT * min(2 * na * pixel / wavelength, 0.5)


def _ssim(index: Array, truth: Array, axis: int) -> float:
    """Return the mean SSIM of the planes across an axis that show anything, on one scale."""
    wide = float(np.ptp(truth))
    planes = zip(np.moveaxis(index, axis, 0), np.moveaxis(truth, axis, 0), strict=True)
    each = [fidelity.ssim(a, b, data_range=wide) for a, b in planes if np.ptp(b) > 0]
    return float(np.mean(each)) if each else math.nan


def _draw(views: Views, columns: Mapping[str, Found], folder: Path, title: str) -> None:
    """Draw the middle planes of the first tomogram, all on one scale."""
    one = views.tomograms[0]
    side = len(columns[next(iter(columns))].indices[0])
    _, *others = columns
    names = [*others, next(iter(columns))]
    volumes = {name: columns[name].indices[0] for name in names}
    if one.truth is not None:
        volumes["truth"] = cut(one.truth.index, side, (0, 1, 2))
    bright = volumes.get("truth", volumes[names[-1]])
    medium = float(one.light.medium or bright.min())
    window = (medium - 0.005, float(np.percentile(bright, 99.9)))
    rows = []
    for axis, plane in enumerate(("xy", "xz", "yz")):
        maps = {name: values.take(side // 2, axis) for name, values in volumes.items()}
        rows.append(Row(f"{plane}, refractive index", maps, window))
    path = folder / "preview.png"
    gallery(path, list(volumes), rows, title=f"{title}: {one.name}, planes through the middle")
    log.info("Picture: %s", path)
