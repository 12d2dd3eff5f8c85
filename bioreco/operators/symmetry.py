"""Point groups of particles: turns that leave a particle as it is.

The axes are those of RELION: Cn about z; Dn with a two-fold axis along x as well; T with a
three-fold axis along z; O with four-fold axes along x, y, z; I (RELION's I2) with two-fold axes
along x, y, z and a five-fold axis in the plane of x and z.
"""

from __future__ import annotations

import math
import re
from functools import cache

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.operators.rotations import vector_to_matrix

Axis = tuple[int, float, float, float]  # fold, x, y, z

_GOLDEN = (1 + math.sqrt(5)) / 2
_CUBIC: dict[str, list[Axis]] = {
    "T": [(3, 0, 0, 1), (2, 0, math.sqrt(2), 1)],
    "O": [(3, 1, 1, 1), (4, 0, 0, 1)],
    "I": [(2, 0, 0, 1), (5, 1, 0, _GOLDEN), (3, 0, 1, _GOLDEN**2)],
}


@cache
def symmetry_group(name: str) -> Tensor:
    """Return all turns of a point group as matrices.

    Parameters
    ----------
    name
        C1, C2, ...; D1, D2, ...; T, O or I.

    Returns
    -------
    Tensor
        (n, 3, 3), float64; the first is the identity. A particle has V(g r) = V(r) for each g, so
        A and A g are poses that give the same image.

    Raises
    ------
    UserError
        If there is no such group.

    """
    return _closure([_turn(*axis) for axis in _axes(name)])


def _axes(name: str) -> list[Axis]:
    given = name.strip().upper()
    if given in _CUBIC:
        return _CUBIC[given]
    found = re.fullmatch(r"([CD])([1-9][0-9]?)", given)
    if not found:
        raise UserError(f"symmetry={name}: expected C1, C2, ..., D1, D2, ..., T, O or I")
    about_z: Axis = (int(found[2]), 0, 0, 1)
    return [about_z] if found[1] == "C" else [about_z, (2, 1, 0, 0)]


def _turn(fold: int, *axis: float) -> Tensor:
    direction = torch.nn.functional.normalize(torch.tensor(axis, dtype=torch.float64), dim=0)
    return vector_to_matrix(2 * math.pi / fold * direction)


def _closure(generators: list[Tensor]) -> Tensor:
    """Return everything that products of some turns give."""
    with torch.inference_mode(mode=False):
        group = [torch.eye(3, dtype=torch.float64)]
        for element in group:  # grows on the way
            for generator in generators:
                product = element @ generator
                if min(float((product - known).abs().max()) for known in group) > 1e-6:
                    group.append(product)
        return torch.stack(group)
