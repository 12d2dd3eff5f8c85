"""Reconstruct tomograms with a method, and write their refractive indices."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bioreco import __version__
from bioreco.cli.tomograms.doubting import told
from bioreco.data.beside import doubt_path
from bioreco.data.odt import Views
from bioreco.data.paths import format_of
from bioreco.data.tomograms.values import Array
from bioreco.data.tomograms.writer import write_index
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Sample, collate, tensors
from bioreco.errors import UserError
from bioreco.methods.method import Method
from bioreco.methods.tomography import Tomography

log = logging.getLogger("bioreco")


@dataclass(frozen=True)
class Found:
    """Refractive indices (z, y, x) of each tomogram, their files, and the seconds they took.

    `doubts` are numbers of each that need no truth; none where they weren't asked for.
    """

    indices: Sequence[Array] = field(repr=False)
    paths: Sequence[Path]
    seconds: float
    doubts: Sequence[dict[str, float]] = ()


def batch_of(sample: Sample, runtime: Runtime) -> dict[str, Tensor]:
    """Return one tomogram as a batch."""
    return tensors(collate([sample]), runtime.device)


@torch.inference_mode()
def apply(
    method: Method,
    views: Views,
    runtime: Runtime,
    paths: Sequence[Path],
    *,
    note: str,
    overwrite: bool = True,
    doubt: bool = True,
    apart: bool = True,
) -> Found:
    """Reconstruct every tomogram into its file; with `doubt` look at it, see `doubting`.

    `apart` writes maps into a folder of their own.
    """
    runtime.place(method)
    method.eval()
    indices, doubts, seconds = [], [], 0.0
    for number, (one, path) in enumerate(zip(views.tomograms, paths, strict=True)):
        began = time.monotonic()
        batch = batch_of(views[number, number], runtime)
        index = method.reconstruct(batch).mean[0, 0].cpu().numpy()
        seconds += time.monotonic() - began
        voxel = one.light.pixel_size
        assert voxel is not None  # checked when it was opened
        label = f"bioreco {__version__}: {note}, refractive index"
        write_index(path, index, voxel, note=label, overwrite=overwrite)
        log.info("Wrote %s", path)
        indices.append(index)
        if doubt and isinstance(method, Tomography):
            found, differing = told(method, batch, index)
            doubts.append(found)
            if differing is not None:
                place = doubt_path(path, apart=apart)
                write_index(place, differing, voxel, note=f"{label}, doubt", overwrite=True)
                log.info("Wrote %s", place)
    return Found(indices, paths, seconds, doubts)


def targets(views: Views, folder: Path) -> list[Path]:
    """Return the files in a folder that results are written to."""
    return [folder / f"{Path(one.name).stem}.tif" for one in views.tomograms]


def chosen_targets(views: Views, given: Path) -> list[Path]:
    """Return the files that the user names: one of a known format, or a folder.

    Raises
    ------
    UserError
        If one file is named for several tomograms.

    """
    if given.is_dir() or format_of(given) is None:
        return targets(views, given)
    if len(views) > 1:
        raise UserError(f"output.path={given}: one file for {len(views)} tomograms; say a folder")
    return [given]
