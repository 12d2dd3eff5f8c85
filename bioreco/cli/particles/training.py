"""`bioreco train` on particles: learn from them, then write, score and show what was learnt."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli.assembly import Shape, assemble, plain
from bioreco.cli.context import Context
from bioreco.cli.learning import names, recorded, summary_of
from bioreco.cli.particles.ending import Ended, ending, many
from bioreco.cli.particles.halves import other_half
from bioreco.data.particles.samples import ParticleData
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Facts

log = logging.getLogger("bioreco")


def train(
    config: DictConfig, context: Context, data: ParticleData, runtime: Runtime, folder: Path
) -> float | None:
    """Train a method on particles; return the loss of its validation."""
    options: Options = build(config.trainer, "trainer")
    shape = Shape(1, 2, joint=False, augment="none", box=data.box, pixel_size=data.pixel_size)
    method, factories = assemble(config, shape)
    ends = ending(method)
    samples = data.training(method.wants)
    beside, other = ends.check(config, data), other_half(config)
    log.info(
        "%d particles of %d x %d pixels, %.4g Angstrom each.",
        len(samples),
        data.box,
        data.box,
        data.pixel_size,
    )
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        runtime.place(method)
        method.prepare(Facts(batch=many(samples, runtime), patch=data.patch))
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
            name, seed = str(values["method"]), int(config.seed)
            count = int(config.output.samples)
            ended = Ended(method, data, samples, runtime, folder, name, seed, count, other)
            values |= ends.leave(ended, beside)
    return fitted.validation
