"""What simulated particles show: a chain of blobs, a density map, or a molecule."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from bioreco.data.particles.blobs import Blobs, chain
from bioreco.data.particles.hinge import Hinged
from bioreco.data.particles.maps import on_grid, radius
from bioreco.data.particles.pdb import read_pdb
from bioreco.data.particles.values import Volume
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

BOX, PIXEL = 48, 5.0
HINGE = "hinge:"
COUNT = 60  # blobs of the chain
REACH = 0.3  # radius of the chain's centres, as a share of the box
WIDTH = 1.2  # standard deviation of its blobs in pixels
_FEW = 2000  # blobs that are projected one by one
_ROOM = 1.5  # box over the diameter of a molecule whose pixel size is left open
_EDGE = 0.95


def matter_of(
    path: str | None, *, box: int | None, pixel: float | None, resolution: float | None, seed: int
) -> tuple[Blobs | Hinged | Volume, Volume, float]:
    """Return what is simulated: the matter, its density on the grid, its radius in Angstrom.

    Parameters
    ----------
    path
        A density map (MRC) or a molecule (PDB, maybe packed); None: a chain of 60 blobs that winds
        to the right, drawn from the seed; "hinge:DEGREES": the same, half of which turns, and the
        density is that of the middle.
    box, pixel
        Voxels along an axis, 48 if left open; their size in Angstrom, if left open 5 for a chain,
        for a map so that its longest side fits, for a molecule so that it fills two thirds.
    resolution
        Of the density of a molecule, in Angstrom; left open: 4 pixels.

    Raises
    ------
    UserError
        If it can't be read, or doesn't fit in the box.

    """
    box = BOX if box is None else box
    if box < 16 or box % 2:
        raise UserError(f"data.box={box}: an even number of pixels, at least 16")
    if pixel is not None and not 0.1 <= pixel <= 50:
        raise UserError(f"data.pixel_size={pixel:g}: in Angstrom, 0.1 to 50")
    if path is None or path.startswith(HINGE):
        side = PIXEL if pixel is None else pixel
        found = chain(seed, count=COUNT, radius=REACH * box * side, width=WIDTH * side)
        truth = Volume(found.volume(box, side), side, found.name)
        moving = None if path is None else Hinged(found, _degrees(path))
        return (found, truth, found.radius) if moving is None else (moving, truth, moving.radius)
    file = Path(path).expanduser()
    if _is_molecule(file):
        return _molecule(file, box, pixel, resolution)
    return _map(file, box, pixel)


def truth_of(path: str, *, box: int, pixel: float, resolution: float | None) -> Volume:
    """Return the density of a map or a molecule on a grid, to score against."""
    file = Path(path).expanduser()
    if _is_molecule(file):
        return _molecule(file, box, pixel, resolution)[1]
    return on_grid(file, box=box, voxel=pixel)


def _degrees(path: str) -> float:
    try:
        return float(path.removeprefix(HINGE))
    except ValueError:
        raise UserError(f"data.volume={path}: degrees are a number, as in {HINGE}60") from None


def _is_molecule(file: Path) -> bool:
    return bool({".pdb", ".ent"} & {suffix.lower() for suffix in file.suffixes})


def _molecule(
    file: Path, box: int, pixel: float | None, resolution: float | None
) -> tuple[Blobs | Volume, Volume, float]:
    sharp = read_pdb(file, resolution=0.0)
    if pixel is None:
        pixel = float(f"{_ROOM * 2 * sharp.radius / box:.3g}")
    if resolution is not None and resolution < 2 * pixel:
        raise UserError(
            f"data.resolution={resolution:g}: pixels of {pixel:g} Angstrom hold {2 * pixel:g} at"
            " best"
        )
    blobs = read_pdb(file, resolution=4 * pixel if resolution is None else resolution)
    if blobs.radius > _EDGE * box * pixel / 2:
        raise UserError(
            f"{file.name} reaches {blobs.radius:.0f} Angstrom from its centre, the box"
            f" {box * pixel / 2:.0f}; say a larger data.box or data.pixel_size"
        )
    truth = Volume(blobs.volume(box, pixel), pixel, file.name)
    return (blobs if len(blobs.weights) <= _FEW else truth), truth, blobs.radius


def _map(file: Path, box: int, pixel: float | None) -> tuple[Volume, Volume, float]:
    volume = on_grid(file, box=box, voxel=pixel)
    at = (np.arange(box) - box // 2) ** 2
    distance = np.sqrt(at[:, None, None] + at[:, None] + at) / (box / 2)
    soft = np.clip((1 - distance) / (1 - 0.85), 0, 1).astype(np.float32)
    kept = volume.values * soft
    lost = 1 - np.abs(kept).sum() / max(np.abs(volume.values).sum(), 1e-30)
    if lost > 0.01:
        log.info("%s: %.0f %% of it lies outside of the sphere in the box.", file.name, 100 * lost)
    volume = Volume(kept, volume.voxel, volume.name)
    return volume, volume, radius(volume)
