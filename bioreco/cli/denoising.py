"""`bioreco denoise FILE ...`: train on the images given, write a denoised copy of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import inferring
from bioreco.cli.applying import apply, compare, opened, show, targets
from bioreco.cli.context import Context
from bioreco.cli.learning import learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.cli.training import Values, summary
from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


def run(config: DictConfig, context: Context) -> float | None:
    """Denoise files, training on them unless a finished run or a checkpoint is given."""
    if config.run is not None and config.checkpoint is not None:
        raise UserError("give run=RUN or checkpoint=FILE, not both")
    if config.run is not None or config.checkpoint is not None:
        inferring.denoise(config, context)
        return None
    runtime = Runtime(str(config.trainer.device), str(config.trainer.precision))
    try:
        return _denoise(config, context, runtime)
    finally:
        runtime.close()


def _denoise(config: DictConfig, context: Context, runtime: Runtime) -> float | None:
    folder = Path(runtime.share(str(context.folder.absolute())))
    data: Measurements = build(
        config.data, "data", trusted=tuple(config.trust or ()), seed=int(config.seed)
    )
    paths = _targets(config, data.images, folder, resumed=context.resumed)
    prepare(config, data)
    noise = look_at_noise(data.images)
    tell_noise(noise)
    values = names(config, context)
    with recorded(folder, values, writes=runtime.first):
        groups = [[k] for k in range(len(paths))] if config.per_file else [list(range(len(paths)))]
        losses: list[float | None] = []
        for number, group in enumerate(groups):
            part = _part(data, group)
            within = folder / "files" / f"{number:03d}" if len(groups) > 1 else folder
            heard = {frames.image.name: noise[frames.image.name] for frames in part.images}
            learned = learn(prepare(config, part), part, within, runtime, heard)
            losses.append(learned.fitted.validation)
            if not runtime.first:
                continue
            seconds = apply(
                learned.predictor,
                part.images,
                [paths[k] for k in group],
                dtype=str(config.output.dtype),
                overwrite=bool(config.overwrite) or context.resumed,
                note=f"denoise method={values['method']} steps={learned.fitted.step}",
            )
            values |= _added(values, summary(learned, runtime), seconds)
        if runtime.first:
            values |= _shown(data, paths, folder, title=f"bioreco denoise, {values['method']}")
    return losses[0]


def _targets(
    config: DictConfig, images: Sequence[Frames], folder: Path, *, resumed: bool
) -> list[Path]:
    return targets(
        images,
        output=config.output.path,
        dtype=str(config.output.dtype),
        overwrite=bool(config.overwrite) or resumed,
        fallback=folder / "results",
    )


def _part(data: Measurements, group: Sequence[int]) -> Measurements:
    """Return some of the images as a data set of their own."""
    if len(group) == len(data.images):
        return data
    return Measurements(
        [data.images[k] for k in group],
        [data.references[k] for k in group],
        channels=data.channels,
        patch=data.wanted,
        augment=data.augment,
        seed=data.seed,
    )


def _added(values: dict[str, Any], new: Values, infer: float) -> Values:
    """Add up the seconds and steps of the files that were learnt one by one."""
    before = values.get("seconds", {"train": 0.0, "infer": 0.0})
    train: Any = new["seconds"]
    seconds = {
        "train": round(before["train"] + train["train"], 2),
        "infer": round(before["infer"] + infer, 2),
    }
    steps: Any = new["steps"]
    return new | {"seconds": seconds, "steps": values.get("steps", 0) + steps}


def _shown(data: Measurements, paths: Sequence[Path], folder: Path, *, title: str) -> Values:
    found = opened(paths, data.images)
    show(folder / "preview.png", data.images[0], found[0], data.references[0], title=title)
    log.info("Run: %s", folder)
    values: Values = {"results": [str(path) for path in paths]}
    return values | compare(data.images, found, data.references)
