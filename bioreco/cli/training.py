"""`bioreco train`: learn from measurements, then reconstruct them."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli.applying import apply, opened, score, show
from bioreco.cli.context import Context
from bioreco.cli.learning import Learned, learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.data.measurements import Measurements
from bioreco.data.paths import check_distinct
from bioreco.engine import report
from bioreco.engine.runtime import Runtime
from bioreco.metrics.fidelity import CONVENTIONS

Values = dict[str, object]


def run(config: DictConfig, context: Context) -> float | None:
    """Train a method on a data set; return the loss on pixels it was not trained on."""
    trusted = tuple(config.trust or ())
    runtime = Runtime(str(config.trainer.device), str(config.trainer.precision))
    folder = Path(runtime.share(str(context.folder.absolute())))
    try:
        data: Measurements = build(config.data, "data", trusted=trusted, seed=int(config.seed))
        parts = prepare(config, data)
        noise = look_at_noise(data.images)
        tell_noise(noise)
        with recorded(folder, names(config, context), writes=runtime.first) as values:
            learned = learn(parts, data, folder, runtime, noise)
            if runtime.first:
                values |= summary(learned, runtime)
                values |= reconstruct(learned, data, folder, note=f"method={values['method']}")
        return learned.fitted.validation
    finally:
        runtime.close()


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


def reconstruct(learned: Learned, data: Measurements, folder: Path, *, note: str) -> Values:
    """Write results, scores and the picture of a run; return what metrics.json says of them."""
    results = folder / "results"
    paths = [results / f"{frames.image.path.name}" for frames in data.images]
    paths = [path.with_suffix(".tif") if path.suffix.lower() == ".png" else path for path in paths]
    check_distinct([frames.image for frames in data.images], paths)
    seconds = apply(
        learned.predictor, data.images, paths, dtype="float32", overwrite=True, note=note
    )
    values: Values = {
        "seconds": {"train": round(learned.fitted.seconds, 2), "infer": round(seconds, 2)}
    }
    found = opened(paths, data.images)
    show(folder / "preview.png", data.images[0], found[0], data.references[0], title=note)
    test = score(found, data.references)
    if test:
        values["test"] = test
        values["baselines"] = {"input": score(data.images, data.references)}
        values["conventions"] = {key: CONVENTIONS[key] for key in test if key in CONVENTIONS}
    return values
