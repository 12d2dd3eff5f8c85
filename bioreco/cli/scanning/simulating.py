"""`bioreco simulate` for k-space: files that the reader takes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from bioreco.data.kspace import store
from bioreco.data.scans import Scans
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


def simulate(data: Scans, folder: Path, *, overwrite: bool) -> Sequence[Path]:
    """Write every scan as NAME.h5; return the files."""
    paths = [folder / f"{Path(scan.name).stem}.h5" for scan in data.acquisitions]
    for path in paths:
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    folder.mkdir(parents=True, exist_ok=True)
    quiet = not sys.stderr.isatty()
    total = sum(scan.frames * scan.groups for scan in data.acquisitions)
    with tqdm(total=total, desc="writing", disable=quiet, leave=False) as bar:
        for scan, path in zip(data.acquisitions, paths, strict=True):
            store.write(scan, path, bar.update)
            log.info("Wrote %s", path)
    return paths
