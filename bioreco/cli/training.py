"""`bioreco train`: learn from measurements, then reconstruct them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build, find
from bioreco.cli.context import Context
from bioreco.cli.kinds import flow
from bioreco.engine.runtime import Runtime


def run(config: DictConfig, context: Context) -> float | None:
    """Train a method on a data set; return the loss on what it was not trained on."""
    trusted = tuple(config.trust or ())
    runtime = Runtime(str(config.trainer.device), str(config.trainer.precision))
    folder = Path(runtime.share(str(context.folder.absolute())))
    try:
        made = find(str(config.method.get("_target_")), "method", trusted)
        makes = str(getattr(made, "makes", "reconstructions"))
        data: Any = build(config.data, "data", trusted=trusted, seed=int(config.seed))
        train = flow(data.kind, "train", makes)
        loss: float | None = train(config, context, data, runtime, folder)
        return loss
    finally:
        runtime.close()
