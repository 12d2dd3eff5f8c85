"""Apply a trained method to image files: results, scores, and the picture to look at first."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bioreco import __version__
from bioreco.data.formats import check_distinct, create, open_image, result_path
from bioreco.data.frames import Frames
from bioreco.data.paths import split_dataset
from bioreco.engine.pictures import central_slices, preview
from bioreco.engine.predict import Predictor
from bioreco.errors import UserError, nearest
from bioreco.metrics.fidelity import CONVENTIONS, scores

log = logging.getLogger("bioreco")

DTYPES = ("float32", "same")
TRANSDUCTIVE = (
    "the method learnt from the very references it is scored against; for a fair score apply the"
    " run to other images (bioreco infer) and evaluate those"
)
SHOWN = 2048  # pixels along y and x of a frame that a picture shows at most


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
    suffix: str = "_denoised",
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
    *,
    dtype: str,
    overwrite: bool,
    note: str,
    beside: Sequence[Mapping[str, Frames]] = (),
) -> float:
    """Write the reconstruction of each image; return the seconds it took.

    `beside` is for each image what the method sees beside it, by its name in a batch.
    """
    began = time.monotonic()
    together = list(beside) or [{}] * len(images)
    quiet = not sys.stderr.isatty()
    with tqdm(total=len(images), desc="denoising", disable=quiet, leave=False) as bar:
        for frames, path, seen in zip(images, paths, together, strict=True):
            _reconstruct(predictor, frames, path, dtype, overwrite, note, bar, seen)
            log.info("Wrote %s", path)
    return time.monotonic() - began


def _reconstruct(
    predictor: Predictor,
    frames: Frames,
    path: Path,
    dtype: str,
    overwrite: bool,
    note: str,
    bar: Any,
    beside: Mapping[str, Frames],
) -> None:
    kind = result_dtype(frames, dtype)
    said = f"bioreco {__version__}: {note}"
    missing = 0
    with create(path, frames.image, dtype=kind, overwrite=overwrite, note=said) as writer:

        def write(
            frame: int, region: Sequence[slice], values: NDArray[np.float32], _: object
        ) -> None:
            nonlocal missing
            missing += int(np.count_nonzero(~np.isfinite(values)))
            frames.write(writer, frame, region, values)

        predictor.run(frames, write, bar.update, beside=beside)
    if missing:
        kept = "as they were" if kind.kind == "f" else "0, or the limits of the type"
        log.warning("%s: %d pixels are NaN or infinite; they are %s in the result.",
                    frames.image.name, missing, kept)  # fmt: skip


def compare(
    noisy: Sequence[Frames],
    found: Sequence[Frames],
    references: Sequence[Frames | None],
    *,
    wants: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what metrics.json says of results whose truth is known; nothing where none is.

    `wants` is what the method learnt from beside the measurements.
    """
    test = score(found, references)
    if not test:
        return {}
    conventions = {key: CONVENTIONS[key] for key in test if key in CONVENTIONS}
    if "x" in wants:
        log.warning("These scores are transductive: %s.", TRANSDUCTIVE)
        conventions["test"] = f"transductive: {TRANSDUCTIVE}"
    return {
        "test": test,
        "baselines": {"input": score(noisy, references)},
        "conventions": conventions,
    }


def score(images: Sequence[Frames], references: Sequence[Frames | None]) -> dict[str, float]:
    """Return the mean scores over all images, frames and channels that have a reference."""
    found: list[dict[str, float]] = []
    for image, clean in zip(images, references, strict=True):
        if clean is None:
            continue
        for k in range(len(image)):
            truth = clean.read(k)
            if clean.image.dtype == np.uint8:
                truth = truth.astype(np.uint8)
            found += [scores(x, t) for x, t in zip(image.read(k), truth, strict=True)]
    keys = [key for key in (found[0] if found else {}) if all(key in one for one in found)]
    return {key: float(np.mean([one[key] for one in found])) for key in keys}


def opened(paths: Sequence[Path], like: Sequence[Frames]) -> list[Frames]:
    """Open results again, seen as the images they were made from."""
    return [
        Frames(open_image(path, axes=source.image.axes), source.dims)
        for path, source in zip(paths, like, strict=True)
    ]


def show(path: Path, noisy: Frames, result: Frames, clean: Frames | None, *, title: str) -> None:
    """Draw preview.png: input, result, difference, and the reference where there is one."""
    panels = [("input", _plane(noisy)), ("result", _plane(result))]
    with np.errstate(invalid="ignore"):  # infinite pixels stay what they are
        panels.append(("difference", panels[0][1] - panels[1][1]))
    if clean is not None:
        panels.append(("reference", _plane(clean)))
    preview(path, panels, title=title)
    log.info("Picture: %s", path)


def _plane(frames: Frames) -> NDArray[Any]:
    """Return the middle of the first frame as something to draw."""
    region = [slice(0, n) for n in frames.shape[:-2]] + [
        slice(max(0, (n - SHOWN) // 2), min(n, (n + SHOWN) // 2)) for n in frames.shape[-2:]
    ]
    values = frames.read(0, region).astype(np.float64)
    if frames.dims == 3:
        spacing = frames.image.spacing
        stretch = spacing.get("Z", 1.0) / spacing.get("Y", 1.0) if spacing.get("Y") else 1.0
        return central_slices(values[0], stretch=min(max(stretch, 0.2), 5.0))
    if frames.image.size("S") == 3 and frames.image.size("C") == 1:
        return np.moveaxis(values, 0, -1)
    plane: NDArray[Any] = values[0]
    return plane
