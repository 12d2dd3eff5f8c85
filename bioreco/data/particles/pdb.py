"""The density of a molecule from the atoms of a PDB file, packed or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bioreco.data.packed import open_stream
from bioreco.data.particles.blobs import Blobs
from bioreco.data.paths import missing
from bioreco.errors import UserError

# Electrons of the elements that biological molecules are made of.
_ELECTRONS = {
    **{"H": 1, "D": 1, "C": 6, "N": 7, "O": 8, "F": 9, "NA": 11, "MG": 12, "P": 15, "S": 16},
    **{"CL": 17, "K": 19, "CA": 20, "MN": 25, "FE": 26, "CO": 27, "NI": 28, "CU": 29, "ZN": 30},
    **{"SE": 34, "BR": 35, "MO": 42, "I": 53},
}
_WIDTH = 0.225  # standard deviation of an atom, as a share of the resolution


def read_pdb(path: Path, *, resolution: float) -> Blobs:
    """Return the atoms of the first model as Gaussian blobs about their centre of mass.

    Parameters
    ----------
    path
        A PDB file, maybe inside gzip or bzip2. Water is left out, and of alternative places of an
        atom all but the first.
    resolution
        In Angstrom; an atom is a Gaussian with 0.225 of it as its standard deviation.

    Raises
    ------
    UserError
        If there are no atoms, or a line can't be read.

    """
    if not path.is_file():
        raise missing(path)
    places, weights = [], []
    with open_stream(path) as file:
        for number, raw in enumerate(file, 1):
            line = raw.decode("ascii", "replace")
            if line.startswith("ENDMDL"):
                break
            if not line.startswith(("ATOM  ", "HETATM")) or line[17:20] == "HOH":
                continue
            if line[16] not in " A1":
                continue
            try:
                places.append([float(line[k : k + 8]) for k in (30, 38, 46)])
            except ValueError:
                raise UserError(f"{path.name}, line {number}: an atom without x, y, z.") from None
            weights.append(_electrons(line))
    if not places:
        raise UserError(f"{path.name} holds no atoms (ATOM, HETATM), so it isn't a PDB file.")
    centres, mass = np.array(places), np.array(weights, dtype=np.float64)
    centres -= np.average(centres, axis=0, weights=mass)
    return Blobs(centres, mass, _WIDTH * resolution, path.name)


def _electrons(line: str) -> int:
    """Return the electrons of an atom, by its element or else by its name."""
    element = line[76:78].strip().upper()
    if element in _ELECTRONS:
        return _ELECTRONS[element]
    name = line[12:14].strip().lstrip("0123456789").upper()
    return _ELECTRONS.get(name, _ELECTRONS.get(name[:1], 6))
