"""Train a method on a data set, and keep the record of the run."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli.assembly import Shape, assemble, plain
from bioreco.cli.context import Context
from bioreco.cli.patching import check_patch
from bioreco.cli.scored import judge
from bioreco.data.cells import each_once, noise_type
from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.data.normalisation import Normalisation
from bioreco.data.patches import AUGMENTATIONS, Patches
from bioreco.engine import report
from bioreco.engine.fit import fit
from bioreco.engine.inference import Inference
from bioreco.engine.memory import check_whole
from bioreco.engine.options import Options
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.engine.training import Factory, Fitted
from bioreco.errors import UserError
from bioreco.methods.method import Facts, Method
from bioreco.metrics.noise import Noise, estimate_noise

log = logging.getLogger("bioreco")

LOOKED_AT = 1536  # pixels along y and x that noise is estimated from
CHANNELS_TOLD = 4


@dataclass(frozen=True)
class Learned:
    """A trained method, ready to be applied, and what training it took."""

    predictor: Predictor
    fitted: Fitted
    parameters: int


@dataclass(frozen=True)
class Parts:
    """What a configuration describes, built and checked before any work is done."""

    options: Options
    inference: Inference
    shape: Shape
    method: Method
    factories: dict[str, Factory]
    config: dict[str, Any]
    seed: int


def prepare(config: DictConfig, data: Measurements) -> Parts:
    """Build all that training and inference need, so that a wrong option is told at once."""
    options: Options = build(config.trainer, "trainer")
    inference: Inference = build(config.inference, "inference")
    shape = Shape.of(data)
    method, factories = assemble(config, shape)
    check_patch(data, method)
    blended = shape.dims if inference.blends(method.blends) else None
    inference.check(shape.dims, inference.halo(method.halo, blended), method.stride)
    for frames in data.images if method.halo is None else ():
        check_whole(frames.shape, frames.channels, method.footprint)
    return Parts(options, inference, shape, method, factories, plain(config), int(config.seed))


def learn(
    parts: Parts,
    data: Measurements,
    folder: Path,
    runtime: Runtime,
    noise: dict[str, list[Noise]],
) -> Learned:
    """Train the configured method, or go on from the folder's last checkpoint."""
    samples, scale = data.training(parts.method.wants)
    if not any(np.ptp(block) > 0 for block in samples.blocks):
        raise UserError(
            "there is nothing to learn from: all pixels have the same value, or none is a number"
        )
    parts.method.prepare(facts(samples, data, noise))
    samples.augment = turning(parts)
    extras = {
        "config": parts.config,
        "normalisation": scale.state(),
        "shape": asdict(replace(parts.shape, augment=samples.augment)),
    }
    tell_plan(parts, data, runtime)
    predictor = Predictor(
        parts.method,
        scale,
        runtime,
        inference=parts.inference,
        allowed=samples.augment,
        joint=parts.shape.joint,
    )
    fitted = fit(
        parts.method,
        samples,
        parts.factories,
        options=parts.options,
        runtime=runtime,
        folder=folder,
        seed=parts.seed,
        extras=extras,
        floor=noise_floor(noise, scale),
        judge=judge(predictor, data, noise) if parts.options.select == "heldout" else None,
    )
    if parts.method.players():
        log.info("Trained for %d steps in %.0f s.", fitted.step, fitted.seconds)
    return Learned(predictor, fitted, sum(p.numel() for p in parts.method.parameters()))


def facts(samples: Patches, data: Measurements, noise: dict[str, list[Noise]]) -> Facts:
    """Return what a method may look at before it is trained."""
    return Facts(
        images=[torch.from_numpy(block) for block in samples.blocks],
        scales=[
            (torch.from_numpy(shift), torch.from_numpy(unit)) for shift, unit in samples.scales
        ],
        noise=[noise[frames.image.name] for frames in data.images],
        channels=data.inputs,
        dims=data.dims,
        patch=data.patch,
        validation=[
            (torch.from_numpy(seen.read(0)), torch.from_numpy(clean.read(0)))
            for seen, clean in data.validation
        ],
        sharp=[torch.from_numpy(x) for other in samples.apart.values() for x in other.blocks],
    )


def turning(parts: Parts) -> str:
    """Return how patches are turned: as the data say, or less where the method can't bear it."""
    wanted = parts.shape.augment
    augment = max(wanted, parts.method.augment, key=AUGMENTATIONS.index)
    if augment != wanted and parts.method.players():
        log.info(
            "The mask or the PSF has a direction, so patches are turned less: data.augment=%s"
            " instead of %s.",
            augment,
            wanted,
        )
    return augment


def tell_plan(parts: Parts, data: Measurements, runtime: Runtime) -> None:
    """Say how long training will be, of what and where."""
    options = parts.options
    if parts.config["data"].get("pairs") and "pair" not in parts.method.wants:
        log.info("%s has no use for data.pairs.", type(parts.method).__name__)
    if not parts.method.players():
        log.info("%s is not trained.", type(parts.method).__name__)
        return
    limit = f", {options.time_limit:g} s at most" if options.time_limit else ""
    log.info(
        "Training %s: %d steps%s, %d patches of %s pixels in each, on %s.",
        type(parts.method).__name__,
        options.steps,
        limit,
        options.batch_size,
        " x ".join(map(str, data.patch)),
        runtime.words(),
    )


def look_at_noise(images: list[Frames]) -> dict[str, list[Noise]]:
    """Estimate the noise of each image, channel by channel, from the middle of its first frame."""
    found: dict[str, list[Noise]] = {}
    for frames in images:
        region = [
            slice(max(0, (n - LOOKED_AT) // 2), min(n, (n + LOOKED_AT) // 2)) for n in frames.shape
        ]
        values = frames.read(0, region).astype(noise_type(frames.image.dtype), copy=False)
        found[frames.image.name] = [estimate_noise(each_once(one)) for one in values]
    return found


def tell_noise(noise: dict[str, list[Noise]]) -> None:
    """Say in plain words what noise the images have."""
    for name, channels in noise.items():
        for number, channel in enumerate(channels[:CHANNELS_TOLD]):
            which = f"{name}, channel {number}" if len(channels) > 1 else name
            for sentence in channel.describe():
                log.info("%s: %s", which, sentence)


def noise_floor(noise: dict[str, list[Noise]], scale: Normalisation) -> float | None:
    """Return the variance of the noise on the network's scale, if it could be estimated."""
    shares = [
        (channel.sigma / std) ** 2
        for channels in noise.values()
        for channel, std in zip(channels, scale.std, strict=False)
    ]
    floor = sum(shares) / len(shares) if shares else math.nan
    return floor if math.isfinite(floor) else None


def summary_of(fitted: Fitted, method: Method, runtime: Runtime) -> dict[str, Any]:
    """Return what metrics.json says of a training."""
    return {
        "steps": fitted.step,
        "seconds": {"train": round(fitted.seconds, 2)},
        "selection": fitted.selection,
        "validation": fitted.validation,
        **report.machine(runtime.device, sum(p.numel() for p in method.parameters())),
    }


def names(config: DictConfig, context: Context) -> dict[str, Any]:
    """Return what a run is called in metrics.json."""
    chosen = {key: context.choices.get(key) for key in ("method", "data", "forward", "network")}
    return {"command": context.command, **chosen, "seed": int(config.seed)}


@contextmanager
def recorded(folder: Path, values: dict[str, Any], *, writes: bool) -> Iterator[dict[str, Any]]:
    """Keep metrics.json up to date: running, then finished, failed or interrupted."""

    def note(status: str) -> None:
        if writes:
            report.write(folder, {"status": status, **values})

    note("running")
    try:
        yield values
    except KeyboardInterrupt:
        note("interrupted")
        raise
    except BaseException:
        note("failed")
        raise
    note("finished")
