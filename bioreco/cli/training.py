"""`bioreco train`: learn from measurements, then reconstruct them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import baselines
from bioreco.cli.applying import apply, compare, opened, show, targets
from bioreco.cli.context import Context
from bioreco.cli.learning import Learned, learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.data.measurements import Measurements
from bioreco.engine import report
from bioreco.engine.runtime import Runtime

Values = dict[str, object]


def run(config: DictConfig, context: Context) -> float | None:
    """Train a method on a data set; return the loss on pixels it was not trained on."""
    trusted = tuple(config.trust or ())
    runtime = Runtime(str(config.trainer.device), str(config.trainer.precision))
    folder = Path(runtime.share(str(context.folder.absolute())))
    try:
        data: Measurements = build(config.data, "data", trusted=trusted, seed=int(config.seed))
        parts = prepare(config, data)
        baselines.check(config, context, [data])
        paths = results(data, folder) if runtime.first else []
        noise = look_at_noise(data.images)
        tell_noise(noise)
        with recorded(folder, names(config, context), writes=runtime.first) as values:
            learned = learn(parts, data, folder, runtime, noise)
            if runtime.first:
                values |= summary(learned, runtime)
                note = f"method={values['method']}"
                values |= reconstruct(learned, data, paths, folder, note=note)
                beside = baselines.scored(config, context, [data], noise, runtime, folder)
                values["baselines"] = {**values.get("baselines", {}), **beside}
        return learned.fitted.validation
    finally:
        runtime.close()


def results(data: Measurements, folder: Path) -> list[Path]:
    """Return where the run keeps its reconstructions, under the names of the images."""
    return targets(
        data.images,
        output=f"{folder / 'results'}{os.sep}",
        dtype="float32",
        overwrite=True,
        fallback=folder,
        suffix="",
    )


def summary(learned: Learned, runtime: Runtime) -> Values:
    """Return what metrics.json says of the training."""
    fitted = learned.fitted
    return {
        "steps": fitted.step,
        "seconds": {"train": round(fitted.seconds, 2)},
        "selection": fitted.selection,
        "validation": fitted.validation,
        **report.machine(runtime.device, learned.parameters),
    }


def reconstruct(
    learned: Learned, data: Measurements, paths: Sequence[Path], folder: Path, *, note: str
) -> Values:
    """Write results, scores and the picture of a run; return what metrics.json says of them."""
    seconds = apply(
        learned.predictor, data.images, paths, dtype="float32", overwrite=True, note=note
    )
    values: Values = {
        "seconds": {"train": round(learned.fitted.seconds, 2), "infer": round(seconds, 2)}
    }
    found = opened(paths, data.images)
    show(folder / "preview.png", data.images[0], found[0], data.references[0], title=note)
    return values | compare(data.images, found, data.references)
