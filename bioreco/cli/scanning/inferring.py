"""`bioreco infer run=RUN SCAN`: apply what was learnt from scans to others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build, find
from bioreco.cli import doubting
from bioreco.cli.assembly import Kept
from bioreco.cli.context import Context
from bioreco.cli.learning import recorded
from bioreco.cli.scanning.applying import apply, target
from bioreco.cli.scanning.showing import show
from bioreco.data.kspace.series import phase_path
from bioreco.data.scans import Scans
from bioreco.engine import report
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


def infer(config: DictConfig, context: Context, runtime: Runtime, kept: Kept) -> None:
    """Reconstruct the scans given with a trained method, prepared as those it learnt from."""
    doubting.alone(config)
    trusted = tuple(config.trust or ())
    method, shape = kept.rebuild(trusted)
    data = _opened(config, kept, trusted)
    if data.bands != shape.inputs:
        raise UserError(
            f"{data.acquisitions[0].name} excites {data.bands} slices together, but the run learnt"
            f" from {shape.inputs}"
        )
    folder = Path(config.output.path) if config.output.path else context.folder / "results"
    for scan in data.acquisitions:
        path = target(folder, scan.name)
        for one in (path, phase_path(path)):
            if one.exists() and not config.overwrite:
                raise UserError(f"{one} exists already; say overwrite=true to replace it.")
    values: dict[str, Any] = {
        "command": context.command,
        "method": kept.names,
        "checkpoint": str(kept.path),
        "steps": int(kept.state["step"]),
    }
    with recorded(context.folder, values, writes=True):
        found = apply(method, data, runtime, folder)
        values["results"] = [str(path) for path in found.paths]
        values["seconds"] = {"infer": round(found.seconds, 2)}
        values |= report.machine(runtime.device, sum(p.numel() for p in method.parameters()))
        values |= show(data, {kept.names: found}, context.folder)


def _opened(config: DictConfig, kept: Kept, trusted: tuple[str, ...]) -> Scans:
    """Build the run's own data set, with the files given in place of what it learnt from."""
    node = dict(kept.state["config"]["data"])
    node |= {"paths": [str(path) for path in config.input], "root": None}
    made: Any = find(str(node["_target_"]), "data", trusted)
    node |= dict.fromkeys(made.retrospective)
    data: Scans = build(node, "data", trusted=trusted, seed=0)
    return data
