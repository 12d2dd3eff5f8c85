"""`bioreco simulate data=cryoem`: a STAR file, a stack, and the true map or conformations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bioreco import __version__
from bioreco.cli.particles import conformations
from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.maps import write_map
from bioreco.data.particles.values import Volume
from bioreco.data.particles.writer import write_particles

log = logging.getLogger("bioreco")


def simulate(data: CryoEMData, folder: Path, *, overwrite: bool) -> Sequence[Path]:
    """Write the particles; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    label = f"bioreco {__version__}: simulated particles"
    written = write_particles(
        data.particles, folder, truth=data.truth, label=label, overwrite=overwrite
    )
    for k, values in enumerate(conformations.truths(data)):
        path = folder / f"truth_{k + 1}.mrc"
        volume = Volume(values, data.pixel_size, path.name)
        write_map(path, volume, label=label, overwrite=overwrite)
        written.append(path)
    return written
