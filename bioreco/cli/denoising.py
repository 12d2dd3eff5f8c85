"""`bioreco denoise FILE ...`: train on the images given, write a denoised copy of each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import baselines, inferring
from bioreco.cli.applying import apply, compare, opened, show, targets
from bioreco.cli.assembly import plain
from bioreco.cli.context import Context
from bioreco.cli.learning import learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.cli.training import Values, summary
from bioreco.data.formats import find_images
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
    parts = _data_sets(config)
    images = [frames for part in parts for frames in part.images]
    paths = _targets(config, images, folder, resumed=context.resumed)
    for part in parts:
        prepare(config, part)
    baselines.check(config, context, parts)
    noise = look_at_noise(images)
    tell_noise(noise)
    values = names(config, context)
    with recorded(folder, values, writes=runtime.first):
        losses: list[float | None] = []
        done = 0
        for number, part in enumerate(parts):
            within = folder / "files" / f"{number:03d}" if len(parts) > 1 else folder
            heard = {frames.image.name: noise[frames.image.name] for frames in part.images}
            learned = learn(prepare(config, part), part, within, runtime, heard)
            losses.append(learned.fitted.validation)
            mine, done = paths[done : done + len(part.images)], done + len(part.images)
            if not runtime.first:
                continue
            seconds = apply(
                learned.predictor,
                part.images,
                mine,
                dtype=str(config.output.dtype),
                overwrite=bool(config.overwrite) or context.resumed,
                note=f"denoise method={values['method']} steps={learned.fitted.step}",
            )
            values |= _added(values, summary(learned, runtime), seconds)
        if runtime.first:
            references = [clean for part in parts for clean in part.references]
            title = f"bioreco denoise, {values['method']}"
            values |= _shown(images, references, paths, folder, title=title)
            beside = baselines.scored(config, context, parts, noise, runtime, folder)
            values["baselines"] = {**values.get("baselines", {}), **beside}
    return losses[0]


def _data_sets(config: DictConfig) -> list[Measurements]:
    """Return one data set of all the files, or one for each."""
    trusted = tuple(config.trust or ())
    seed = int(config.seed)
    if not config.per_file:
        return [build(config.data, "data", trusted=trusted, seed=seed)]
    files = find_images(list(config.input))
    node = plain(config.data)
    each = [{**node, "paths": [file]} for file in files]
    if node.get("reference"):
        clean = find_images(list(node["reference"]))
        if len(clean) != len(files):
            raise UserError(
                f"{len(files)} images, but {len(clean)} references: they are matched in order"
            )
        each = [{**one, "reference": [file]} for one, file in zip(each, clean, strict=True)]
    return [build(one, "data", trusted=trusted, seed=seed) for one in each]


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


def _shown(
    images: Sequence[Frames],
    references: Sequence[Frames | None],
    paths: Sequence[Path],
    folder: Path,
    *,
    title: str,
) -> Values:
    found = opened(paths, images)
    show(folder / "preview.png", images[0], found[0], references[0], title=title)
    log.info("Run: %s", folder)
    return {"results": [str(path) for path in paths], **compare(images, found, references)}
