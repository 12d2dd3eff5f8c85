"""What a run on particles leaves: the volume that they show, its scores and its picture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from bioreco import __version__
from bioreco.cli.particles import halves, scoring, showing
from bioreco.cli.particles.ending import Ended, first
from bioreco.cli.particles.scoring import Found
from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.maps import write_map
from bioreco.data.particles.values import Volume
from bioreco.methods.method import Method

log = logging.getLogger("bioreco")


def check(config: DictConfig, data: CryoEMData) -> list[str]:
    """Return what is compared with; see `scoring.compared`."""
    return scoring.compared(config, data)


def leave(ended: Ended, beside: list[str]) -> dict[str, Any]:
    """Write, score and show the volume; return what metrics.json says of it."""
    data: CryoEMData = ended.data
    found = Found(volume_of(ended.method), data.pixel_size)
    note = f"method={ended.name}"
    path = write(found, ended.folder / "results", "volume.mrc", note)
    log.info("Wrote %s", path)
    columns = {ended.name: found} | scoring.baselines(beside, data)
    chance = scoring.CHANCE in beside
    values = scoring.score(data, columns, chance=chance, seed=ended.seed)
    curves = []
    if ended.other is not None:
        agreed = halves.compare(found, ended.other, ended.seed)
        write(Found(agreed.mean, found.voxel), ended.folder / "results", "mean_of_halves.mrc", note)
        curves = agreed.curves()
        values["halves"] = agreed.scores()
        values["conventions"] = {**values.get("conventions", {}), **halves.CONVENTIONS}
    showing.show(data, columns, ended.folder, first(ended.samples, ended.runtime), curves)
    return values


@torch.no_grad()
def volume_of(method: Method) -> Any:
    """Return the volume (z, y, x) that a method learnt."""
    empty = {"y": torch.zeros(1, 1, 1, 1)}
    return method.reconstruct(empty).mean[0, 0].cpu().numpy()


def write(found: Found, folder: Path, name: str, note: str) -> Path:
    """Write a volume; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    volume = Volume(found.volume, found.voxel, path.name)
    write_map(path, volume, label=f"bioreco {__version__}: {note}", overwrite=True)
    return path
