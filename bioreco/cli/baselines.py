"""`baselines=[gaussian,nlm]`: filters that aren't trained, run and scored beside a method.

They are the methods of those names, with their defaults, on the same images, through the same
tiles; their results are kept in the run folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from bioreco.build import build, check_suits
from bioreco.cli import consistency
from bioreco.cli.applying import apply, targets
from bioreco.cli.assembly import Shape, assemble
from bioreco.cli.beside import wanted
from bioreco.cli.context import Context
from bioreco.cli.learning import facts
from bioreco.cli.listing import config_dir, groups
from bioreco.cli.outputs import Beside
from bioreco.cli.showing import opened, score
from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Method
from bioreco.metrics.noise import Noise

log = logging.getLogger("bioreco")


def known() -> dict[str, Path]:
    """Return the methods that aren't trained, and their files."""
    files = groups([config_dir()]).get("method", {})
    return {name: path for name, path in files.items() if "optim" not in OmegaConf.load(path)}


def check(config: DictConfig, context: Context, parts: Sequence[Measurements]) -> None:
    """Refuse what can't be run or scored, before anything is trained.

    Raises
    ------
    UserError
        If a name is unknown, or there is no reference to score against.

    """
    if not config.get("baselines"):
        return
    names = wanted(
        config,
        known(),
        known=any(clean is not None for part in parts for clean in part.references),
        missing="they are scored against a clean reference, and there is none: say"
        " data.reference=[FILE,...]",
    )
    for name in names:
        for part in parts:
            _method(config, context, name, Shape.of(part))


def scored(
    config: DictConfig,
    context: Context,
    parts: Mapping[Measurements, Mapping[str, list[Noise]]],
    runtime: Runtime,
    folder: Path,
    values: Mapping[str, Any],
) -> dict[str, dict[str, dict[str, float]]]:
    """Run every baseline on the images that have a reference.

    Returns what metrics.json then says of all baselines, those in `values` included.
    """
    found = dict(values.get("baselines", {}))
    for name in wanted(config, known()):
        results: list[Frames] = []
        more: dict[str, float] = {}
        references: list[Frames | None] = []
        images = [frames for part in parts for frames, _ in _scorable(part)]
        paths = targets(
            images,
            output=f"{folder / 'baselines' / name}{os.sep}",
            dtype="float32",
            overwrite=True,
            fallback=folder,
            suffix="",
        )
        for part, noise in parts.items():
            here = _scorable(part)
            mine, paths = paths[: len(here)], paths[len(here) :]
            predictor = _predictor(config, context, name, part, noise, runtime)
            noisy = [frames for frames, _ in here]
            apply(
                predictor,
                noisy,
                mine,
                noise,
                dtype="float32",
                overwrite=True,
                note=f"baseline method={name}",
                extras=[Beside()] * len(mine),
            )
            results += opened(mine, noisy)
            more = consistency.measure(predictor, noisy, opened(mine, noisy), noise)
            references += [clean for _, clean in here]
        found[name] = score(results, references) | more
        told = found[name].get("psnr")
        log.info("Baseline %s: %s", name, "no PSNR" if told is None else f"{told:.2f} dB (PSNR)")
    return {"baselines": found} if found else {}


def _scorable(part: Measurements) -> list[tuple[Frames, Frames]]:
    pairs = zip(part.images, part.references, strict=True)
    return [(frames, clean) for frames, clean in pairs if clean is not None]


def _predictor(
    config: DictConfig,
    context: Context,
    name: str,
    part: Measurements,
    noise: Mapping[str, list[Noise]],
    runtime: Runtime,
) -> Predictor:
    shape = Shape.of(part)
    method = _method(config, context, name, shape)
    samples, scale = part.training(method.wants)
    method.prepare(facts(samples, part, dict(noise)))
    inference = build(config.inference, "inference")
    return Predictor(
        method, scale, runtime, inference=inference, allowed=shape.augment, joint=shape.joint
    )


def _method(config: DictConfig, context: Context, name: str, shape: Shape) -> Method:
    node = OmegaConf.load(known()[name])
    own = config.copy()
    with open_dict(own):
        own.method = node
    check_suits(own, {**context.choices, "method": name})
    return assemble(own, shape)[0]
