"""`bioreco train` on images with a generator: draw images such as may have been measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco.cli import generated
from bioreco.cli.context import Context
from bioreco.cli.imaging import summary
from bioreco.cli.learning import learn, look_at_noise, names, prepare, recorded, tell_noise
from bioreco.data.measurements import Measurements
from bioreco.engine.runtime import Runtime
from bioreco.methods.ambientgan import AmbientGAN

Array = NDArray[np.float32]

APART = 10**6  # seeds of the second clean set are so far from those of the first


def train(
    config: DictConfig, context: Context, data: Measurements, runtime: Runtime, folder: Path
) -> float | None:
    """Train a generator on images; return the loss of its validation."""
    parts = prepare(config, data)
    known = all(reference is not None for reference in data.references)
    beside = generated.compared(config, known=known)
    noise = look_at_noise(data.images)
    tell_noise(noise)
    with recorded(folder, names(config, context), writes=runtime.first) as values:
        learned = learn(parts, data, folder, runtime, noise)
        if runtime.first:
            method = learned.predictor.method
            assert isinstance(method, AmbientGAN)
            values |= summary(learned, runtime)
            values |= generated.leave(
                method,
                sets(data, known=known),
                beside,
                folder,
                ending=".tif",
                name=str(values["method"]),
                seed=int(config.seed),
                count=int(config.output.samples),
            )
    return learned.fitted.validation


def sets(data: Measurements, *, known: bool) -> generated.Sets:
    """Return patches as they were measured, and of clean images, from other places."""
    _, scale = data.training()
    level, unit = scale.mean[0], scale.std[0]
    measured = _patches(data, (), "y", 0)
    clean = _patches(data, ("x",), "x", APART) if known else None
    other = _patches(data, ("x",), "x", 2 * APART) if known else None
    grey = [
        None if one is None else one * np.float32(unit) + np.float32(level)
        for one in (clean, other)
    ]
    return generated.Sets(
        measured * np.float32(unit) + np.float32(level), grey[0], grey[1], level, unit
    )


def _patches(data: Measurements, wants: tuple[str, ...], key: str, seed: int) -> Array:
    samples, _ = data.training(wants)
    each = [samples[k % len(samples), seed + k][key][0] for k in range(generated.COMPARED)]
    return np.stack(each)
