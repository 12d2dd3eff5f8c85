"""`bioreco simulate data=odt`: a series of phase images for each cell, with its true index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bioreco.data.odt import ODTData
from bioreco.data.tomograms.writer import write_tomogram
from bioreco.errors import UserError

log = logging.getLogger("bioreco")


def simulate(data: ODTData, folder: Path, *, overwrite: bool) -> Sequence[Path]:
    """Write every tomogram as NAME.h5; return the files."""
    every = {id(one): one for one in (*data.learnt, *data.tests)}.values()
    paths = [folder / f"{Path(one.name).stem}.h5" for one in every]
    for path in paths:
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already; say overwrite=true to replace it.")
    for one, path in zip(every, paths, strict=True):
        write_tomogram(path, one)
        log.info("Wrote %s", path)
    return paths
