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
from bioreco.data.odt import Views
from bioreco.data.tomograms.values import Array
from bioreco.data.tomograms.writer import write_index
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Sample, collate, tensors
from bioreco.methods.method import Method

log = logging.getLogger("bioreco")


@dataclass(frozen=True)
class Found:
    """Refractive indices (z, y, x) of each tomogram, their files, and the seconds they took."""

    indices: Sequence[Array] = field(repr=False)
    paths: Sequence[Path]
    seconds: float


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
) -> Found:
    """Reconstruct every tomogram into its file."""
    began = time.monotonic()
    runtime.place(method)
    method.eval()
    indices = []
    for number, (one, path) in enumerate(zip(views.tomograms, paths, strict=True)):
        batch = batch_of(views[number, number], runtime)
        index = method.reconstruct(batch).mean[0, 0].cpu().numpy()
        voxel = one.light.pixel_size
        assert voxel is not None  # checked when it was opened
        label = f"bioreco {__version__}: {note}, refractive index"
        write_index(path, index, voxel, note=label, overwrite=overwrite)
        log.info("Wrote %s", path)
        indices.append(index)
    return Found(indices, paths, time.monotonic() - began)


def targets(views: Views, folder: Path) -> list[Path]:
    """Return the files in a folder that results are written to."""
    return [folder / f"{Path(one.name).stem}.tif" for one in views.tomograms]
