"""What a run writes beside its results when asked: standard deviations and samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco.build import find
from bioreco.cli.listing import config_dir, groups
from bioreco.data.beside import Sample, samples_path, stacked, std_path
from bioreco.data.formats import check_distinct, create
from bioreco.data.frames import Frames
from bioreco.data.paths import split_dataset
from bioreco.data.writing import Together, Writer
from bioreco.errors import UserError, nearest
from bioreco.hints import fit
from bioreco.methods.method import Method
from bioreco.metrics.coverage import Calibration, calibrate

STD = ("auto", "true", "false")
F4 = np.dtype(np.float32)

Array = NDArray[np.float32]
Run = Callable[..., None]  # Predictor.run, but for `write` and `number`


@dataclass(frozen=True)
class Beside:
    """What is written beside one result.

    Attributes
    ----------
    std, samples
        Where; None: it is not written.
    count
        How many samples.
    scale
        What the standard deviation is multiplied by.

    """

    std: Path | None = None
    samples: Path | None = None
    count: int = 0
    scale: float = 1.0


def beside(
    config: DictConfig,
    method: Method,
    images: Sequence[Frames],
    results: Sequence[Path],
    *,
    overwrite: bool,
    apart: bool = False,
) -> list[Beside]:
    """Return what is written beside each result, before any work is done.

    Parameters
    ----------
    config
        Its `output` has std, std_scale and samples.
    method
        What the results are made by.
    images, results
        What it is applied to, and where that goes.
    overwrite
        Replace what is there.
    apart
        Use folders of their own, as run folders do, instead of longer names.

    Raises
    ------
    UserError
        If an option is wrong, the method can't do what is asked, or something is in the way.

    """
    std, scale, count = _options(config.get("output") or {}, method)
    found = [
        Beside(
            std_path(path, apart=apart) if std else None,
            samples_path(path, apart=apart) if count else None,
            count,
            scale,
        )
        for path in results
    ]
    _check_free(images, results, found, overwrite=overwrite)
    return found


def told(found: Sequence[Beside]) -> dict[str, Any]:
    """Return what metrics.json says was written beside the results."""
    lists = {
        "std": [str(one.std) for one in found if one.std is not None],
        "samples": [str(one.samples) for one in found if one.samples is not None],
    }
    return {key: paths for key, paths in lists.items() if paths}


def stds(found: Sequence[Beside]) -> list[Path]:
    """Return the files of the standard deviations, none if they are not written."""
    return [one.std for one in found if one.std is not None]


def _options(output: Mapping[str, Any] | DictConfig, method: Method) -> tuple[bool, float, int]:
    word = str(output.get("std", "auto")).lower()
    if word not in STD:
        raise UserError(f"output.std={word}: choose one of {', '.join(STD)}." + nearest(word, STD))
    scale = fit(output.get("std_scale", 1.0), float, "output.std_scale")
    count = fit(output.get("samples", 0), int, "output.samples")
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(f"output.std_scale={scale:g}: a number above 0")
    if count < 0:
        raise UserError(f"output.samples={count}: 0 or more")
    name = type(method).__name__
    if word == "true" and not method.uncertain:
        raise UserError(
            f"output.std=true: {name} has no standard deviation; {_those_with('uncertain')}"
        )
    std = method.uncertain and word != "false"
    if scale != 1 and not std:
        why = "with output.std=false" if method.uncertain else f"by {name}"
        raise UserError(f"output.std_scale={scale:g}: no standard deviation is written {why}")
    if count and not method.posterior:
        raise UserError(
            f"output.samples={count}: {name} knows one reconstruction only;"
            f" {_those_with('posterior')}"
        )
    return std, scale, count


def _those_with(ability: str) -> str:
    """Name the methods that have a standard deviation or a posterior."""
    targets = {
        name: str((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("_target_", ""))
        for name, path in groups([config_dir()])["method"].items()
    }
    able = [name for name, target in targets.items() if getattr(find(target, "method"), ability)]
    return f"these do: {', '.join(able)}" if able else "no method here does"


def _check_free(
    images: Sequence[Frames], results: Sequence[Path], found: Sequence[Beside], *, overwrite: bool
) -> None:
    """Refuse what would replace something, or could not be written."""
    parts = [
        (frames, path)
        for frames, one in zip(images, found, strict=True)
        for path in (one.std, one.samples)
        if path is not None
    ]
    every = [*zip(images, results, strict=True), *parts]
    check_distinct([frames.image for frames, _ in every], [path for _, path in every])
    for _, path in parts:
        file, dataset = split_dataset(path)
        if file.exists() and dataset is None and not overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    for frames, one in zip(images, found, strict=True):
        group = Together()
        try:
            files(group, frames, one, None, overwrite=overwrite, note="")
        finally:
            group.discard()


def files(
    group: Together,
    frames: Frames,
    one: Beside,
    result: Writer | None,
    *,
    overwrite: bool,
    note: str,
) -> tuple[Writer | None, Writer | None]:
    """Create the files of the deviation and of the samples of one image, if they are asked for."""
    std = samples = None
    options: dict[str, Any] = {"dtype": F4, "overwrite": overwrite}
    if one.std is not None:
        said = note if one.scale == 1 else f"{note} std_scale={one.scale:g}"
        std = group.add(create(one.std, frames.image, note=said, within=result, **options))
    if one.samples is not None:
        like = stacked(frames.image, one.count)
        samples = group.add(create(one.samples, like, note=note, **options))
    return std, samples


def put_std(
    writer: Writer,
    frames: Frames,
    frame: int,
    region: Sequence[slice],
    std: Array | None,
    scale: float,
) -> None:
    """Write a region of a standard deviation; NaN where the pixel itself is missing."""
    if std is None:
        raise ValueError("a method that is uncertain returns a standard deviation")
    frames.write(writer, frame, region, np.where(np.isfinite(std), std * F4.type(scale), np.nan))


def draw(run: Run, frames: Frames, stack: Writer, count: int) -> None:
    """Draw samples one after the other, region by region, into a stack of them.

    Parameters
    ----------
    run
        Reconstructs the frames, told `write` and the `number` of the sample.
    """
    for number in range(count):
        sample = Sample(stack, number)

        def write(
            frame: int,
            region: Sequence[slice],
            values: Array,
            _: Array | None,
            sample: Sample = sample,
        ) -> None:
            frames.write(sample, frame, region, values)

        run(write=write, number=number)


def score(
    found: Sequence[Frames], std: Sequence[Frames], references: Sequence[Frames | None]
) -> dict[str, float]:
    """Return coverage_90 and std_scale over all pixels whose truth is known."""
    total: Calibration | None = None
    for image, sure, clean in zip(found, std, references, strict=False):
        if clean is None:
            continue
        for k in range(len(image)):
            one = calibrate(image.read(k), sure.read(k), clean.read(k))
            total = one if total is None else total + one
    scores = {} if total is None else total.scores()
    return {key: scores[key] for key in ("coverage_90", "std_scale") if key in scores}
