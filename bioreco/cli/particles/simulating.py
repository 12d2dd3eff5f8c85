"""`bioreco simulate data=cryoem`: a STAR file, a stack, and the true map."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bioreco import __version__
from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.writer import write_particles

log = logging.getLogger("bioreco")


def simulate(data: CryoEMData, folder: Path, *, overwrite: bool) -> Sequence[Path]:
    """Write the particles; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_particles(
        data.particles,
        folder,
        truth=data.truth,
        label=f"bioreco {__version__}: simulated particles",
        overwrite=overwrite,
    )
