"""`bioreco evaluate` of a standard deviation: whether it means what it says."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco.cli import tables
from bioreco.cli.runs import images_in
from bioreco.data.beside import std_path
from bioreco.data.formats import open_image
from bioreco.data.image import Image
from bioreco.data.paths import MARK, STD, split_dataset
from bioreco.engine import certainty
from bioreco.engine.glance import Place
from bioreco.engine.scoring import FrameScores, matched
from bioreco.errors import UserError, nearest
from bioreco.metrics.coverage import Calibration

Found = list[tuple[Place, Calibration]]


@dataclass(frozen=True)
class Held:
    """A standard deviation held against something: the files, and what was counted."""

    std: str
    other: str
    noise: str
    found: Found


def held(
    cfg: DictConfig, path: str, image: Image, reference: str | None, measured: str | None
) -> Held | None:
    """Hold the deviation of one result against its reference or a second frame, if it has both.

    Raises
    ------
    UserError
        If what was asked for is not there, or doesn't fit.

    """
    second = partner(path, cfg.second, "second")
    if second is not None and reference is not None:
        raise UserError("give reference=FILE (the truth) or second=FILE (as noisy), not both.")
    std = partner(path, cfg.std, "std") or _beside(path)
    if second is not None and std is None:
        raise UserError(
            f"second={second} tells whether a standard deviation is right, but there is none:"
            f" say std=FILE ({std_path(Path(path)).name} is not there)."
        )
    if reference is None and second is None:
        if cfg.std is not None:
            raise UserError("std=FILE is held against reference=FILE or second=FILE: give one.")
        return None
    if std is None:
        return None
    sure = open_image(std, axes=cfg.axes)
    if cfg.std is None and not _fits(image, sure):
        print(f"{std} is of another size than {path} and left aside.")
        return None
    if reference is not None:
        truth = open_image(reference, axes=cfg.axes)
        return Held(std, reference, "", certainty.against_truth(image, sure, truth))
    return _by_second(cfg, (path, image), (std, sure), str(second), measured)


def _by_second(
    cfg: DictConfig,
    result: tuple[str, Image],
    std: tuple[str, Image],
    second: str,
    measured: str | None,
) -> Held:
    for other, what in ((result[0], "the result itself"), (measured, "what it was made from")):
        if other is not None and os.path.realpath(other) == os.path.realpath(second):
            raise UserError(
                f"second={second} is {what}: it takes another measurement of the same scene."
            )
    original = None if measured is None else open_image(measured, axes=cfg.axes)
    frame = open_image(second, axes=cfg.axes)
    found = certainty.against_second(result[1], std[1], frame, original)
    noise = f"estimated in {second}" if measured is None else f"from its difference to {measured}"
    return Held(std[0], second, noise, found)


def joined(found: Sequence[FrameScores], sure: Held | None) -> list[FrameScores]:
    """Return the scores of each frame with those of its standard deviation."""
    if sure is None:
        return list(found)
    more = certainty.frame_scores(sure.found)
    return [
        FrameScores(one.place, {**one.scores, **other.scores})
        for one, other in zip(found, more, strict=True)
    ]


def told(sure: Held | None) -> dict[str, Any]:
    """Print the calibration table and return what the record of the file says more."""
    if sure is None:
        return {}
    whole = certainty.total(sure.found)
    columns = ["predicted", "observed", "coverage_90", "pixels"]
    rows = whole.rows()
    noise = f"; its noise {sure.noise}, taken out of what was observed" if sure.noise else ""
    print(
        f"spread of {sure.std} against {sure.other}, grey levels, in bins of the predicted{noise}"
    )
    print(tables.text(["", *columns], [["", *[asdict(row)[c] for c in columns]] for row in rows]))
    scores = whole.scores()
    if "std_scale" in scores:
        print(_advice(scores["std_scale"], whole.scale_error))
    else:
        print("std_scale can't be told: the noise of the second frame hides the errors.")
    print()
    kept = [{k: v for k, v in asdict(row).items() if math.isfinite(v)} for row in rows]
    said = {"std": sure.std, "held_against": sure.other, "calibration": kept, "all": scores}
    return {"certainty": said | ({"noise": sure.noise} if sure.noise else {})}


def _advice(scale: float, error: float) -> str:
    sure = f" ± {error:.2g}" if math.isfinite(error) else ""
    return (
        f"over all pixels std_scale={scale:.4g}{sure}: bioreco infer run=RUN FILE"
        f" output.std_scale={scale:.3g} writes the standard deviation recalibrated"
    )


def partner(path: str, other: str | None, key: str) -> str | None:
    """Return the file that belongs to a path: the one given, or of that name in the folder."""
    if other is None or not Path(other).is_dir() or Path(other).suffix == ".zarr":
        return other
    candidates = images_in(Path(other))
    wanted = _bare(path, "")
    fits = [c for c in candidates if _bare(c, STD if key == "std" else "") == wanted]
    if not fits:
        names = [Path(c).name for c in candidates]
        raise UserError(
            f"there is no {key} for {Path(path).name} in {other}: it should be called "
            f"{wanted}.*.{nearest(Path(path).name, names)}"
        )
    return fits[0]


def _bare(path: str, more: str) -> str:
    return Path(path).name.split(".")[0].removesuffix(more).removesuffix(MARK)


def _beside(path: str) -> str | None:
    """Return the standard deviation written with a result: NAME_std, or std/NAME in a run."""
    for apart in (False, True):
        found = std_path(Path(path), apart=apart)
        file, dataset = split_dataset(found)
        if file.exists() and (dataset is None or _holds(file, dataset)):
            return str(found)
    return None


def _fits(image: Image, std: Image) -> bool:
    try:
        matched(image, std)
    except UserError:
        return False
    return True


def _holds(file: Path, dataset: str) -> bool:
    import h5py

    with h5py.File(file, "r") as opened:
        return dataset in opened
