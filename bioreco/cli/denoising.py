"""`bioreco denoise FILE ...`: train on the images given, write a denoised copy of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import baselines, consistency, doubting, inferring
from bioreco.cli.applying import apply, targets
from bioreco.cli.assembly import plain
from bioreco.cli.context import Context
from bioreco.cli.imaging import Values, summary
from bioreco.cli.learning import learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.cli.outputs import Beside, beside, stds, told
from bioreco.cli.scored import Found, score, scored
from bioreco.cli.showing import compare, opened, show
from bioreco.data.formats import find_images
from bioreco.data.frames import Frames
from bioreco.data.matching import match
from bioreco.data.measurements import Measurements
from bioreco.data.pairs import FRAMES
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError
from bioreco.metrics.noise import Noise

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


@dataclass(frozen=True)
class _Job:
    """What one model learns from, and where its results go."""

    data: Measurements
    folder: Path
    paths: Sequence[Path]
    extras: Sequence[Beside]
    noise: dict[str, list[Noise]]


def _denoise(config: DictConfig, context: Context, runtime: Runtime) -> float | None:
    folder = Path(runtime.share(str(context.folder.absolute())))
    replaced = bool(config.overwrite) or context.resumed
    jobs = _jobs(config, context, folder)
    values = names(config, context)
    doubt = doubting.asked(config)
    with recorded(folder, values, writes=runtime.first):
        losses: list[float | None] = []
        found: list[Found] = []
        for job in jobs:
            learned = learn(prepare(config, job.data), job.data, job.folder, runtime, job.noise)
            wants = learned.predictor.method.wants
            losses.append(learned.fitted.validation)
            if not runtime.first:
                continue
            seconds = apply(
                learned.predictor,
                job.data.images,
                job.paths,
                job.noise,
                dtype=str(config.output.dtype),
                overwrite=replaced,
                note=f"denoise method={values['method']} steps={learned.fitted.step}",
                extras=job.extras,
                seen=job.data.beside(wants),
            )
            values |= _added(values, summary(learned, runtime), seconds)
            results = opened(job.paths, job.data.images)
            more = consistency.told(learned.predictor, job.data, results, job.noise, job.folder)
            images = job.data.images
            more |= doubt.told(learned.predictor, images, results, job.noise, apart=False)
            found.append(score(learned.predictor, job.data, job.noise))
        if runtime.first:
            title = f"bioreco denoise, {values['method']}"
            values |= consistency.added(_shown(jobs, folder, title=title, wants=wants), more)
            values |= scored(found, values)
            filtered = {job.data: job.noise for job in jobs}
            values |= baselines.scored(config, context, filtered, runtime, folder, values)
    return losses[0]


def _jobs(config: DictConfig, context: Context, folder: Path) -> list[_Job]:
    """Check all that is asked for and look at the noise, before anything is learnt."""
    parts = _data_sets(config)
    images = [frames for part in parts for frames in part.images]
    inputs = [seen for part in parts for seen in part.beside(("pair",))]
    paths = _targets(config, images, inputs, folder, resumed=context.resumed)
    method, *_ = [prepare(config, part).method for part in parts]
    baselines.check(config, context, parts)
    replaced = bool(config.overwrite) or context.resumed
    extras = beside(config, method, images, paths, overwrite=replaced)
    noise = look_at_noise(images)
    tell_noise(noise)
    jobs: list[_Job] = []
    done = 0
    for number, part in enumerate(parts):
        within = folder / "files" / f"{number:03d}" if len(parts) > 1 else folder
        mine = slice(done, done + len(part.images))
        heard = {frames.image.name: noise[frames.image.name] for frames in part.images}
        jobs.append(_Job(part, within, paths[mine], extras[mine], heard))
        done += len(part.images)
    return jobs


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
    if node.get("pairs") and node["pairs"] != FRAMES:
        given = [node["pairs"]] if isinstance(node["pairs"], str) else list(node["pairs"])
        others = match(files, find_images(given))
        each = [{**one, "pairs": [file]} for one, file in zip(each, others, strict=True)]
    return [build(one, "data", trusted=trusted, seed=seed) for one in each]


def _targets(
    config: DictConfig,
    images: Sequence[Frames],
    beside: Sequence[Mapping[str, Frames]],
    folder: Path,
    *,
    resumed: bool,
) -> list[Path]:
    return targets(
        images,
        output=config.output.path,
        dtype=str(config.output.dtype),
        overwrite=bool(config.overwrite) or resumed,
        fallback=folder / "results",
        beside=beside,
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


def _shown(jobs: Sequence[_Job], folder: Path, *, title: str, wants: Sequence[str]) -> Values:
    images = [frames for job in jobs for frames in job.data.images]
    references = [clean for job in jobs for clean in job.data.references]
    paths = [path for job in jobs for path in job.paths]
    extras = [one for job in jobs for one in job.extras]
    found, std = opened(paths, images), opened(stds(extras), images)
    show(folder / "preview.png", images[0], found[0], references[0], title=title, std=std)
    log.info("Run: %s", folder)
    results = {"results": [str(path) for path in paths], **told(extras)}
    return results | compare(images, found, references, std, wants=wants)
