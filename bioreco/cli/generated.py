"""What a generator leaves: images that it draws, and how far they are from clean ones, as a set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco import __version__
from bioreco.cli import tables
from bioreco.cli.beside import wanted
from bioreco.data.formats import create
from bioreco.data.image import Image
from bioreco.data.raw import Memory
from bioreco.engine.galleries import Row, gallery
from bioreco.methods.ambientgan import AmbientGAN
from bioreco.metrics.distributions import sliced_wasserstein

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

BASELINES = ("input", "wiener", "clean")
COMPARED = 1000  # images of each set that distances are computed of
WRITTEN = 64
SHOWN = 8
CONVENTIONS = {
    "sliced_wasserstein": f"mean Wasserstein-1 distance to {COMPARED} clean images along 512 random"
    " directions of unit length, in grey levels; of clean images, that of two sets of them"
}


@dataclass(frozen=True)
class Sets:
    """Images of the same size (n, y, x), in grey levels.

    Attributes
    ----------
    measured
        As they were measured; of lines, smeared back over an image.
    clean, other
        Two sets of clean ones; None where there are none.
    handed
        Whether the hand of images is known. If not, drawn ones are told and shown in the better.
    level, unit
        Grey levels are values on the network's scale times `unit`, plus `level`.

    """

    measured: Array = field(repr=False)
    clean: Array | None = field(repr=False)
    other: Array | None = field(repr=False)
    level: float
    unit: float
    handed: bool = True


def compared(config: DictConfig, *, known: bool, names: Sequence[str] = BASELINES) -> list[str]:
    """Return what is compared with, of `names`: `known` says whether there are clean images.

    Raises
    ------
    UserError
        If a name is unknown, or there is nothing to compare with.

    """
    missing = "there are no clean images to compare with"
    return wanted(config, names, own=names, known=known, missing=missing)


@torch.no_grad()
def leave(
    method: AmbientGAN,
    sets: Sets,
    beside: list[str],
    folder: Path,
    *,
    ending: str,
    name: str,
    seed: int,
    count: int,
    spacing: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Draw images, write and show some, and tell how far all are from clean ones."""
    made = method.generate(max(count or WRITTEN, COMPARED), seed)
    grey = made[:, 0].cpu().numpy() * np.float32(sets.unit) + np.float32(sets.level)
    if sets.clean is not None and not sets.handed:
        grey = _of_the_better_hand(grey, sets.clean)
    path = folder / "results" / f"samples{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, grey[: count or WRITTEN], spacing, f"bioreco {__version__}: method={name}")
    log.info("Wrote %s", path)
    _show(sets, grey, folder, name)
    if sets.clean is None or sets.other is None:
        log.info("No scores: there are no clean images to compare with.")
        return {}
    columns = {name: grey[:COMPARED]}
    if "input" in beside:
        columns["input"] = sets.measured
    if "wiener" in beside:
        columns["wiener"] = deblurred(method, sets)
    if "clean" in beside:
        columns["clean"] = sets.other
    scores = {
        key: {"sliced_wasserstein": sliced_wasserstein(images, sets.clean)}
        for key, images in columns.items()
    }
    rows: list[list[tables.Cell]] = [[key, *one.values()] for key, one in scores.items()]
    log.info("\n%s", tables.text(["", *CONVENTIONS], rows))
    return {"test": scores.pop(name), "baselines": scores, "conventions": CONVENTIONS}


def _of_the_better_hand(images: Array, clean: Array) -> Array:
    """Return images (n, y, x) as they are or mirrored, whichever is closer to clean ones."""
    hands = (images, np.ascontiguousarray(images[..., ::-1]))
    return min(hands, key=lambda each: sliced_wasserstein(each[:COMPARED], clean))


@torch.no_grad()
def deblurred(method: AmbientGAN, sets: Sets) -> Array:
    """Return Wiener's estimate of each measurement, of the balance with the least distance."""
    scaled = (sets.measured - np.float32(sets.level)) / np.float32(sets.unit)
    paths = method.deblurred(torch.from_numpy(scaled)[:, None])
    found = [x[:, 0].numpy() * np.float32(sets.unit) + np.float32(sets.level) for x in paths]
    assert sets.clean is not None
    clean = sets.clean
    return min(found, key=lambda images: sliced_wasserstein(images, clean))


def _write(path: Path, images: Array, spacing: Mapping[str, float] | None, note: str) -> None:
    """Write a stack of images (n, y, x)."""
    image = Image(
        path=Path(),
        name=path.name,
        format="mrc" if path.suffix == ".mrc" else "tiff",
        axes="IYX",
        shape=images.shape,
        dtype=np.dtype(np.float32),
        pixels=Memory(np.empty(0, np.float32)),
        spacing=dict(spacing or {}),
        units=dict.fromkeys(spacing or {}, "angstrom"),
    )
    with create(path, image, dtype=image.dtype, overwrite=True, note=note) as writer:
        writer.write(tuple(slice(0, n) for n in images.shape), images)


def _show(sets: Sets, grey: Array, folder: Path, name: str) -> None:
    """Draw preview.png: what was measured, what is drawn, and clean images."""
    sets_shown = {"measured": sets.measured, f"drawn by {name}": grey}
    if sets.clean is not None:
        sets_shown["clean (others)"] = sets.clean
    names = [f"{k + 1}" for k in range(SHOWN)]
    like = sets.measured if sets.clean is None else sets.clean
    window = (float(np.percentile(like[:SHOWN], 1)), float(np.percentile(like[:SHOWN], 99.8)))
    rows = [
        Row(key, dict(zip(names, images, strict=False)), window)
        for key, images in sets_shown.items()
    ]
    gallery(folder / "preview.png", names, rows, title="no image belongs to one above it")
    log.info("Picture: %s", folder / "preview.png")
