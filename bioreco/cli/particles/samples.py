"""What a generator leaves that learnt from particles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from omegaconf import DictConfig

from bioreco.cli import generated
from bioreco.cli.particles.ending import Ended
from bioreco.data.particles.samples import ParticleData
from bioreco.data.projected_sprites import ProjectedSprites
from bioreco.methods.ambientgan import AmbientGAN


def check(config: DictConfig, data: ParticleData) -> list[str]:
    """Return what is compared with, where the data can draw clean images."""
    lines = isinstance(data, ProjectedSprites)
    names = [name for name in generated.BASELINES if not lines or name != "wiener"]
    return generated.compared(config, known=hasattr(data, "clean"), names=names)


def leave(ended: Ended, beside: list[str]) -> dict[str, Any]:
    """Write, show and score what is drawn; return what metrics.json says of it."""
    assert isinstance(ended.method, AmbientGAN)
    data, samples = ended.data, ended.samples
    chosen = range(min(len(samples), generated.COMPARED))
    unit = float(getattr(data, "unit", 1.0))
    clean = other = None
    if hasattr(data, "clean"):
        clean, other = np.split(data.clean(2 * generated.COMPARED), 2)
    measured = np.stack([samples[k, 0]["y"][0] for k in chosen]) * np.float32(unit)
    rows, columns = measured.shape[1:]
    if rows != columns:  # of lines
        measured = np.repeat(measured, columns, 1) / np.float32(math.sqrt(columns))
    return generated.leave(
        ended.method,
        generated.Sets(measured, clean, other, 0.0, unit, handed=rows == columns),
        beside,
        ended.folder,
        ending=".mrc",
        name=ended.name,
        seed=ended.seed,
        count=ended.samples_wanted,
        spacing=dict.fromkeys("YX", float(data.pixel_size)),
    )
