"""The score without a truth of a run that has none yet: from its own data and weights."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from bioreco.build import build
from bioreco.cli.assembly import keep, restore
from bioreco.cli.learning import look_at_noise
from bioreco.cli.runs import NOTES, Run, started_in
from bioreco.cli.scored import score, scored
from bioreco.data.measurements import Measurements
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError


def rescore(run: Run) -> dict[str, Any]:
    """Return what metrics.json would say of the score of a run.

    Raises
    ------
    UserError
        If its data or its weights are no longer there.

    """
    if "data" not in run.config:
        raise UserError(f"{run.folder}/{NOTES} doesn't say which data it was trained on")
    config = OmegaConf.create(run.config)
    trusted = tuple(config.get("trust") or ())
    trained = restore(keep(run.folder.absolute()), trust=trusted)
    with chdir(started_in(run.folder) or Path.cwd()):
        data: Measurements = build(config.data, "data", trusted=trusted, seed=int(config.seed))
        predictor = Predictor(
            trained.method,
            trained.scale,
            Runtime("auto", "32-true"),
            inference=Inference(),
            allowed=trained.shape.augment,
            joint=trained.shape.joint,
        )
        return scored([score(predictor, data, look_at_noise(data.images))], {})
