"""`bioreco train` on particles: learn a volume, then write and score it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from bioreco import __version__
from bioreco.build import build
from bioreco.cli.assembly import Shape, assemble, plain
from bioreco.cli.context import Context
from bioreco.cli.learning import names, recorded, summary_of
from bioreco.cli.particles import scoring, showing
from bioreco.cli.particles.scoring import Found
from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.maps import write_map
from bioreco.data.particles.values import Volume
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Samples, collate, tensors
from bioreco.methods.method import Facts, Method

log = logging.getLogger("bioreco")

LOOKED_AT = 512  # particles that a method may look at before training


def train(
    config: DictConfig, context: Context, data: CryoEMData, runtime: Runtime, folder: Path
) -> float | None:
    """Train a method on particles; return the loss of its validation."""
    options: Options = build(config.trainer, "trainer")
    shape = Shape(1, 2, joint=False, augment="none", box=data.box, pixel_size=data.pixel_size)
    method, factories = assemble(config, shape)
    samples = data.training(method.wants)
    beside = scoring.wanted(config, data)
    log.info(
        "%d particles of %d x %d pixels, %.4g Angstrom each.",
        len(samples),
        data.box,
        data.box,
        data.pixel_size,
    )
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        runtime.place(method)
        method.prepare(Facts(batch=first(samples, runtime), patch=data.patch))
        fitted = fit(
            method,
            samples,
            factories,
            options=options,
            runtime=runtime,
            folder=folder,
            seed=int(config.seed),
            extras={"config": plain(config), "kind": data.kind, "shape": asdict(shape)},
        )
        if runtime.first:
            values |= summary_of(fitted, method, runtime)
            found = Found(volume_of(method), data.pixel_size)
            path = write(found, folder / "results", note=f"method={values['method']}")
            log.info("Wrote %s", path)
            columns = {str(values["method"]): found} | scoring.baselines(beside, data)
            chance = scoring.CHANCE in beside
            values |= scoring.score(data, columns, chance=chance, seed=int(config.seed))
            showing.show(data, columns, folder, first(samples, runtime))
    return fitted.validation


def first(samples: Samples, runtime: Runtime) -> dict[str, Tensor]:
    """Return some particles, spread over all, as one batch."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).round().astype(int))
    return tensors(collate([samples[int(k), int(k)] for k in chosen]), runtime.device)


@torch.no_grad()
def volume_of(method: Method) -> Any:
    """Return the volume (z, y, x) that a method learnt."""
    empty = {"y": torch.zeros(1, 1, 1, 1)}
    return method.reconstruct(empty).mean[0, 0].cpu().numpy()


def write(found: Found, folder: Path, *, note: str) -> Path:
    """Write results/volume.mrc."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "volume.mrc"
    volume = Volume(found.volume, found.voxel, path.name)
    write_map(path, volume, label=f"bioreco {__version__}: {note}", overwrite=True)
    return path
