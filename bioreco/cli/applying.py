"""Apply a trained method to image files: results, scores, and the picture to look at first."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bioreco import __version__
from bioreco.cli import outputs
from bioreco.cli.outputs import Beside
from bioreco.data.formats import check_distinct, create, result_path
from bioreco.data.frames import Frames
from bioreco.data.paths import MARK, split_dataset
from bioreco.data.writing import Together
from bioreco.engine.predict import Predictor
from bioreco.engine.wiener import noise_variance
from bioreco.errors import UserError, nearest
from bioreco.metrics.noise import Noise

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

DTYPES = ("float32", "same")


def result_dtype(frames: Frames, wanted: str) -> np.dtype[Any]:
    """Return the type of a result: "float32", or "same" as the input.

    Raises
    ------
    UserError
        If it is another word.

    """
    if wanted not in DTYPES:
        raise UserError(
            f"output.dtype={wanted}: choose one of {', '.join(DTYPES)}." + nearest(wanted, DTYPES)
        )
    return frames.image.dtype if wanted == "same" else np.dtype(np.float32)


def targets(
    images: Sequence[Frames],
    *,
    output: str | None,
    dtype: str,
    overwrite: bool,
    fallback: Path,
    suffix: str = MARK,
    beside: Sequence[Mapping[str, Frames]] = (),
) -> list[Path]:
    """Return where each result goes, before any work is done.

    Raises
    ------
    UserError
        If a result is there already, two results would have one name, or one would replace a file
        that an image is seen `beside`.

    """
    sources = [frames.image for frames in images]
    found = [
        result_path(
            frames.image,
            output,
            several=len(images) > 1,
            fallback=fallback,
            suffix=suffix,
            dtype=result_dtype(frames, dtype),
        )
        for frames in images
    ]
    check_distinct(sources, found)
    for other in (one.image.path for seen in beside for one in seen.values()):
        if any(split_dataset(path)[0].resolve() == other.resolve() for path in found):
            raise UserError(f"{other} is an input, and inputs are never changed.")
    for path in found:
        file, dataset = split_dataset(path)
        if file.exists() and dataset is None and not overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    for frames, path in zip(images, found, strict=True):
        _try(path, frames, result_dtype(frames, dtype), overwrite=overwrite)
    return found


class _Enough(Exception):
    """Leaves a trial before anything is written."""


def _try(path: Path, frames: Frames, dtype: np.dtype[Any], *, overwrite: bool) -> None:
    """Begin a result and take it back, to know before training that it can be written."""
    with (
        contextlib.suppress(_Enough),
        create(path, frames.image, dtype=dtype, overwrite=overwrite),
    ):
        raise _Enough


def apply(
    predictor: Predictor,
    images: Sequence[Frames],
    paths: Sequence[Path],
    noise: Mapping[str, Sequence[Noise]],
    *,
    dtype: str,
    overwrite: bool,
    note: str,
    extras: Sequence[Beside],
    seen: Sequence[Mapping[str, Frames]] = (),
) -> float:
    """Write the reconstruction of each image and what is asked for beside it.

    `noise` holds the noise estimated in each image, channel by channel; `seen` is for each image
    what the method sees beside it, by its name in a batch. Returns the seconds it took.
    """
    began = time.monotonic()
    together = list(seen) or [{}] * len(images)
    quiet = not sys.stderr.isatty()
    total = sum(1 + one.count for one in extras)
    with tqdm(total=total, desc="denoising", disable=quiet, leave=False) as bar:
        for frames, path, one, more in zip(images, paths, extras, together, strict=True):
            known = noise_variance(noise[frames.image.name])
            run = partial(predictor.run, frames, tick=bar.update, variance=known, beside=more)
            _reconstruct(run, frames, path, dtype, overwrite, note, one)
            for written in (path, one.std, one.samples):
                if written is not None:
                    log.info("Wrote %s", written)
    return time.monotonic() - began


def _reconstruct(
    run: Callable[..., None],
    frames: Frames,
    path: Path,
    dtype: str,
    overwrite: bool,
    note: str,
    one: Beside,
) -> None:
    kind = result_dtype(frames, dtype)
    said = f"bioreco {__version__}: {note}"
    missing = 0
    with Together() as group:
        writer = group.add(create(path, frames.image, dtype=kind, overwrite=overwrite, note=said))
        deviation, stack = outputs.files(group, frames, one, writer, overwrite=overwrite, note=said)

        def write(frame: int, region: Sequence[slice], values: Array, std: Array | None) -> None:
            nonlocal missing
            missing += int(np.count_nonzero(~np.isfinite(values)))
            frames.write(writer, frame, region, values)
            if deviation is not None:
                outputs.put_std(deviation, frames, frame, region, std, one.scale)

        run(write=write)
        if stack is not None:
            outputs.draw(run, frames, stack, one.count)
    if missing:
        kept = "as they were" if kind.kind == "f" else "0, or the limits of the type"
        log.warning("%s: %d pixels are NaN or infinite; they are %s in the result.",
                    frames.image.name, missing, kept)  # fmt: skip
