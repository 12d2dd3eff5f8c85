"""`bioreco infer run=RUN FILE ...`: apply a finished run to new measurements."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli import consistency, doubting
from bioreco.cli.applying import apply, targets
from bioreco.cli.assembly import Kept, Trained, keep, restore
from bioreco.cli.context import Context
from bioreco.cli.doubting import Doubt
from bioreco.cli.kinds import flow
from bioreco.cli.learning import look_at_noise, recorded
from bioreco.cli.outputs import beside, stds, told
from bioreco.cli.showing import opened, show
from bioreco.data.formats import find_images, open_image
from bioreco.data.frames import Frames, choose_dims
from bioreco.data.pairs import FRAMES, pairs_of
from bioreco.engine import report
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError
from bioreco.metrics.noise import Noise

log = logging.getLogger("bioreco")

FAR = 3.0  # standard deviations between the brightness of training and of new images


def run(config: DictConfig, context: Context) -> None:
    """Apply a run to the files given."""
    if not config.input:
        raise UserError("which files? bioreco infer run=RUN FILE [FILE ...]")
    runtime = Runtime(str(config.device), str(config.precision))
    kept = keep(Path(str(config.run)).expanduser())
    if kept.kind == "images":
        _infer(config, context, runtime, kept, config.axes, config.pairs)
    else:
        flow(kept.kind, "infer")(config, context, runtime, kept)


def denoise(config: DictConfig, context: Context) -> None:
    """Do the same for `bioreco denoise FILE run=RUN` or `checkpoint=FILE`."""
    runtime = Runtime(str(config.trainer.device), str(config.trainer.precision))
    path = Path(str(config.run if config.run is not None else config.checkpoint))
    data = config.data
    kept = keep(path.expanduser())
    _infer(config, context, runtime, kept, data.get("axes"), data.get("pairs"))


def _infer(
    config: DictConfig,
    context: Context,
    runtime: Runtime,
    kept: Kept,
    axes: str | None,
    pairs: Any,
) -> None:
    trained = restore(kept, trust=tuple(config.trust or ()))
    inference: Inference = build(config.inference, "inference")
    files = find_images(list(config.input))
    images = [_opened(file, axes, trained) for file in files]
    seen = _seen(images, files, pairs, axes, trained)
    written: Any = {"dtype": str(config.output.dtype), "overwrite": bool(config.overwrite)}
    fallback = context.folder / "results"
    results = targets(images, output=config.output.path, fallback=fallback, beside=seen, **written)
    extras = beside(config, trained.method, images, results, overwrite=written["overwrite"])
    doubt = doubting.asked(config)
    for frames in images:
        _compare_brightness(frames, trained)
    predictor = trained.predictor(runtime, inference)
    parameters = sum(p.numel() for p in trained.method.parameters())
    values = {
        "command": context.command,
        "method": trained.names,
        "checkpoint": str(trained.path),
        "steps": trained.step,
        "results": [str(path) for path in results],
        **told(extras),
    }
    with recorded(context.folder, values, writes=True):
        noise = look_at_noise(images)
        seconds = apply(
            predictor,
            images,
            results,
            noise,
            note=f"{trained.names} of {trained.path}, {trained.step} steps",
            extras=extras,
            seen=seen,
            **written,
        )
        values |= {"seconds": {"infer": round(seconds, 2)}}
        values |= report.machine(runtime.device, parameters)
        values |= consistency.added(values, _doubted(doubt, predictor, images, results, noise))
        _show(context.folder, images, results, stds(extras))


def _doubted(
    doubt: Doubt,
    predictor: Predictor,
    images: Sequence[Frames],
    results: Sequence[Path],
    noise: Mapping[str, Sequence[Noise]],
) -> dict[str, float]:
    """Measure results against what they were made from, and write the maps that are asked for."""
    found = opened(results, images)
    more = consistency.measure(predictor, images, found, noise)
    return more | doubt.told(predictor, images, found, noise, apart=False)


def _seen(
    images: Sequence[Frames], files: Sequence[str], pairs: Any, axes: str | None, trained: Trained
) -> list[dict[str, Frames]]:
    """Return the second measurement of each image, for a method that has a use for it."""
    wanted = "pair" in trained.method.wants
    if not pairs or pairs == FRAMES:
        if wanted:
            log.info(
                "%s is applied to each image alone; with a second measurement of each"
                " (pairs=[FILE,...]) it averages over both, which leaves less noise.",
                trained.names,
            )
        return [{} for _ in images]
    if not wanted:
        raise UserError(f"{trained.names} has no use for pairs: leave them out")
    given = [pairs] if isinstance(pairs, str) else list(pairs)
    others = pairs_of(images, files, find_images(given), lambda file: _opened(file, axes, trained))
    return [{"pair": other} for other in others]


def _show(
    folder: Path, images: Sequence[Frames], results: Sequence[Path], std: Sequence[Path]
) -> None:
    found, sure = opened(results[:1], images[:1]), opened(std[:1], images[:1])
    show(folder / "preview.png", images[0], found[0], None, title="bioreco infer", std=sure)


def _opened(path: str, axes: str | None, trained: Trained) -> Frames:
    image = open_image(path, axes=axes)
    for note in image.notes:
        log.info("%s: %s", image.name, note)
    shape = trained.shape
    frames = Frames(image, choose_dims(image, str(shape.dims)))
    expected = len(trained.scale.mean)
    if frames.channels != expected:
        raise UserError(
            f"{image.name} has {frames.channels} channels, but the run was trained on images"
            f" with {expected}"
        )
    return frames


def _compare_brightness(frames: Frames, trained: Trained) -> None:
    """Say so if an image is far brighter or darker than what was trained on."""
    region = [
        slice(n // 2 - min(n, 256) // 2, n // 2 + (min(n, 256) + 1) // 2) for n in frames.shape
    ]
    scaled = trained.scale.apply(frames.read(0, region))
    level = float(abs(scaled).mean())
    if math.isfinite(level) and level > FAR:
        log.warning(
            "%s is unlike what this run was trained on (%.1f standard deviations from its mean):"
            " check the result, or train on this file.",
            frames.image.name,
            level,
        )
