"""`bioreco train` on tomograms: learn from some, reconstruct the others, score and show them."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import doubting
from bioreco.cli.assembly import Shape, assemble, plain
from bioreco.cli.beside import wanted
from bioreco.cli.context import Context
from bioreco.cli.learning import names, recorded, summary_of
from bioreco.cli.scanning.baselines import fitting
from bioreco.cli.tomograms.applying import apply, batch_of, targets
from bioreco.cli.tomograms.scoring import show
from bioreco.data.odt import ODTData
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.projections import Projections
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Samples
from bioreco.engine.training import Factory, Fitted
from bioreco.methods.method import Facts, Method
from bioreco.methods.projectiongan import ProjectionGAN

log = logging.getLogger("bioreco")

SHAPE = Shape(1, 2, joint=True, augment="none")


def train(
    config: DictConfig, context: Context, data: ODTData, runtime: Runtime, folder: Path
) -> float | None:
    """Train a method on tomograms; return the loss of its validation."""
    options: Options = build(config.trainer, "trainer")
    method, factories = assemble(config, SHAPE)
    beside = chosen(config, context, data)
    doubt = doubting.alone(config).word != "false"
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        extras = {"config": plain(config), "kind": data.kind, "shape": asdict(SHAPE)}
        fitted = learn(method, factories, data, options, runtime, folder, config.seed, extras)
        if runtime.first:
            values |= summary_of(fitted, method, runtime)
            views, name = data.reconstructed(), str(values["method"])
            results = targets(views, folder / "results")
            columns = {name: apply(method, views, runtime, results, note=name, doubt=doubt)}
            values["seconds"]["infer"] = round(columns[name].seconds, 2)
            for other, baseline in beside.items():
                paths = targets(views, folder / "baselines" / other)
                columns[other] = apply(baseline, views, runtime, paths, note=other, doubt=doubt)
                log.info("Baseline %s: %.1f s", other, columns[other].seconds)
            values |= show(views, columns, folder, f"method={name}")
    return fitted.validation


def chosen(config: DictConfig, context: Context, data: ODTData) -> dict[str, Method]:
    """Return the baselines that the user names, or those of the data.

    Raises
    ------
    UserError
        If a name is unknown, or doesn't go with tomograms.

    """
    own = [name for name in data.baselines if name != context.choices.get("method")]
    known = any(one.truth is not None for one in data.tests)
    allowed = fitting(config, context)
    given = wanted(config, allowed, own=own if known else own[:2])
    return {name: assemble(allowed[name], SHAPE)[0] for name in given}


def learn(
    method: Method,
    factories: dict[str, Factory],
    data: ODTData,
    options: Options,
    runtime: Runtime,
    folder: Path,
    seed: int,
    extras: dict[str, Any],
) -> Fitted:
    """Train a method, or go on from the folder's last checkpoint."""
    runtime.place(method)
    samples: Samples = data.training()
    if isinstance(method, ProjectionGAN):
        log.info("Projecting %d tomograms.", len(data.learnt))
        samples = Projections(
            [method.projections(batch_of(samples[k, k], runtime)) for k in range(len(samples))]
        )
        method.prepare(Facts(images=samples.clean))
        log.info(
            "Training %s: %d steps, %d of %d blurred projections in each, on %s.",
            type(method).__name__,
            options.steps,
            options.batch_size,
            len(samples),
            runtime.words(),
        )
    return fit(
        method,
        samples,
        factories,
        options=options,
        runtime=runtime,
        folder=folder,
        seed=seed,
        extras=extras,
    )
