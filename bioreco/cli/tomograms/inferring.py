"""`bioreco infer run=RUN TOMOGRAM`: apply what was learnt from tomograms to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import doubting
from bioreco.cli.assembly import Kept
from bioreco.cli.context import Context
from bioreco.cli.learning import recorded
from bioreco.cli.tomograms.applying import apply, chosen_targets, targets
from bioreco.cli.tomograms.scoring import show
from bioreco.data.odt import ODTData
from bioreco.engine import report
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError


def infer(config: DictConfig, context: Context, runtime: Runtime, kept: Kept) -> None:
    """Reconstruct the tomograms given with a trained method."""
    trusted = tuple(config.trust or ())
    method, _ = kept.rebuild(trusted)
    node = dict(kept.state["config"]["data"])
    node |= {"paths": [str(path) for path in config.input], "root": None}
    data: ODTData = build(node, "data", trusted=trusted, seed=0)
    views = data.reconstructed()
    given = config.output.path
    paths = (
        chosen_targets(views, Path(given)) if given else targets(views, context.folder / "results")
    )
    for path in paths:
        if path.exists() and not config.overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    values: dict[str, Any] = {
        "command": context.command,
        "method": kept.names,
        "checkpoint": str(kept.path),
        "steps": int(kept.state["step"]),
    }
    wanted = doubting.alone(config).word != "false"
    with recorded(context.folder, values, writes=True):
        found = apply(method, views, runtime, paths, note=kept.names, doubt=wanted, apart=not given)
        values["results"] = [str(path) for path in found.paths]
        values["seconds"] = {"infer": round(found.seconds, 2)}
        values |= report.machine(runtime.device, sum(p.numel() for p in method.parameters()))
        values |= show(views, {kept.names: found}, context.folder, kept.names)
