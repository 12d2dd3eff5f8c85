"""`bioreco simulate data=D output=FOLDER`: write a simulated data set in its field's own format."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from bioreco.build import build
from bioreco.cli.context import Context
from bioreco.cli.kinds import flow
from bioreco.data.formats import create
from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


def run(config: DictConfig, _context: Context) -> None:
    """Build the data set and write it."""
    data: Any = build(config.data, "data", trusted=tuple(config.trust or ()), seed=int(config.seed))
    folder = Path(str(config.output))
    paths = flow(data.kind, "simulate")(data, folder, overwrite=bool(config.overwrite))
    print(f"wrote {len(paths)} files to {folder}")


def images(data: Measurements, folder: Path, *, overwrite: bool) -> Sequence[Path]:
    """Write images as NAME.tif, and their truth as truth/NAME.tif."""
    jobs: list[tuple[Path, Frames]] = []
    for frames, clean in zip(data.images, data.references, strict=True):
        name = f"{Path(frames.image.name).stem}.tif"
        jobs.append((folder / name, frames))
        if clean is not None:
            jobs.append((folder / "truth" / name, clean))
    for path, _ in jobs:
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    for path, frames in jobs:
        path.parent.mkdir(parents=True, exist_ok=True)
        with create(path, frames.image, dtype=np.dtype(np.float32), overwrite=True) as writer:
            for frame in range(len(frames)):
                whole = [slice(0, n) for n in frames.shape]
                frames.write(writer, frame, whole, frames.read(frame))
    return [path for path, _ in jobs]
