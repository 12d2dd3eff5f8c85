"""`bioreco train` on k-space: learn from scans, then reconstruct them."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import doubting
from bioreco.cli.assembly import Shape, assemble, plain
from bioreco.cli.context import Context
from bioreco.cli.learning import names, recorded, summary_of
from bioreco.cli.scanning import baselines
from bioreco.cli.scanning.applying import apply
from bioreco.cli.scanning.showing import show
from bioreco.data.scans import Problems, Scans
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import collate
from bioreco.engine.training import Factory, Fitted
from bioreco.methods.method import Facts, Method
from bioreco.operators.models import ForwardModel

log = logging.getLogger("bioreco")


def train(
    config: DictConfig, context: Context, data: Scans, runtime: Runtime, folder: Path
) -> float | None:
    """Train a method on scans; return the loss of its validation."""
    options: Options = build(config.trainer, "trainer")
    doubting.alone(config)
    shape = Shape(data.bands, 2, joint=True, augment="none", complex=True)
    method, factories = assemble(config, shape)
    problems = data.training(method.wants)
    fits(method, problems)
    beside = baselines.chosen(config, context, data)
    for scan in data.acquisitions:
        for note in scan.notes:
            log.info("%s: %s", scan.name, note)
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        extras = {"config": plain(config), "kind": data.kind, "shape": asdict(shape)}
        fitted = learn(method, factories, problems, options, runtime, folder, config.seed, extras)
        if runtime.first:
            values |= summary_of(fitted, method, runtime)
            found = apply(method, data, runtime, folder / "results")
            values["seconds"]["infer"] = round(found.seconds, 2)
            columns = {str(values["method"]): found}
            columns |= baselines.applied(beside, data, runtime, folder)
            values |= show(data, columns, folder)
    return fitted.validation


def fits(method: Method, problems: Problems) -> None:
    """Let the forward model refuse what it isn't for, before any work is done.

    Raises
    ------
    UserError
        If the first problem isn't one that it describes.

    """
    model: ForwardModel | None = getattr(method, "forward_model", None)
    if model is not None:
        model.operator(collate([problems[0, 0]]))


def learn(
    method: Method,
    factories: dict[str, Factory],
    problems: Problems,
    options: Options,
    runtime: Runtime,
    folder: Path,
    seed: int,
    extras: dict[str, Any],
) -> Fitted:
    """Train a method, or go on from the folder's last checkpoint."""
    bands, *size = problems[0, 0]["maps"].shape[:1] + problems[0, 0]["y"].shape[-2:]
    frames = max(scan.frames for scan in problems.acquisitions)
    method.prepare(Facts(channels=bands, frames=frames))
    runtime.place(method)
    if method.players():
        limit = f", {options.time_limit:g} s at most" if options.time_limit else ""
        log.info(
            "Training %s: %d steps%s, %d of %d problems in each (%d slices of %s pixels), on %s.",
            type(method).__name__,
            options.steps,
            limit,
            options.batch_size,
            len(problems),
            bands,
            " x ".join(map(str, size)),
            runtime.words(),
        )
    fitted = fit(
        method,
        problems,
        factories,
        options=options,
        runtime=runtime,
        folder=folder,
        seed=seed,
        extras=extras,
    )
    if method.players():
        log.info("Trained for %d steps in %.0f s.", fitted.step, fitted.seconds)
    return fitted
