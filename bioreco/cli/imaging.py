"""`bioreco train` on images: learn from them, then denoise them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.cli import baselines, consistency, doubting
from bioreco.cli.applying import apply, targets
from bioreco.cli.context import Context
from bioreco.cli.learning import (
    Learned,
    learn,
    look_at_noise,
    names,
    prepare,
    recorded,
    summary_of,
    tell_noise,
)
from bioreco.cli.outputs import Beside, beside, stds, told
from bioreco.cli.scored import score, scored
from bioreco.cli.showing import compare, opened, show
from bioreco.data.measurements import Measurements
from bioreco.engine.runtime import Runtime
from bioreco.metrics.noise import Noise

Values = dict[str, object]


def train(
    config: DictConfig, context: Context, data: Measurements, runtime: Runtime, folder: Path
) -> float | None:
    """Train a method on images; return the loss on pixels it was not trained on."""
    parts = prepare(config, data)
    baselines.check(config, context, [data])
    paths = results(data, folder) if runtime.first else []
    images = data.images if runtime.first else []
    extras = beside(config, parts.method, images, paths, overwrite=True, apart=True)
    doubt = doubting.asked(config)
    noise = look_at_noise(data.images)
    tell_noise(noise)
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        learned = learn(parts, data, folder, runtime, noise)
        if runtime.first:
            values |= summary(learned, runtime)
            note = f"method={values['method']}"
            values |= reconstruct(learned, data, paths, noise, extras, folder, note=note)
            found = opened(paths, data.images)
            more = doubt.told(learned.predictor, data.images, found, noise, apart=True)
            values |= consistency.added(values, more)
            values |= baselines.scored(config, context, {data: noise}, runtime, folder, values)
    return learned.fitted.validation


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
    """Return what metrics.json says of the training of a method on images."""
    return summary_of(learned.fitted, learned.predictor.method, runtime)


def reconstruct(
    learned: Learned,
    data: Measurements,
    paths: Sequence[Path],
    noise: Mapping[str, Sequence[Noise]],
    extras: Sequence[Beside],
    folder: Path,
    *,
    note: str,
) -> Values:
    """Write results, scores and the picture of a run; return what metrics.json says of them."""
    wants = learned.predictor.method.wants
    options: Any = {"dtype": "float32", "overwrite": True, "note": note, "extras": extras}
    seen = data.beside(wants)
    seconds = apply(learned.predictor, data.images, paths, noise, seen=seen, **options)
    values: Values = {
        "seconds": {"train": round(learned.fitted.seconds, 2), "infer": round(seconds, 2)}
    }
    found, std = opened(paths, data.images), opened(stds(extras), data.images)
    show(folder / "preview.png", data.images[0], found[0], data.references[0], title=note, std=std)
    values |= told(extras) | compare(data.images, found, data.references, std, wants=wants)
    more = consistency.told(learned.predictor, data, found, noise, folder)
    values = consistency.added(values, more)
    return values | scored([score(learned.predictor, data, noise)], values)
