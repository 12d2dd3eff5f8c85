"""Turning a particle: Euler angles, matrices and quaternions with the conventions of RELION.

A pose is a matrix A with x_image = A x_reference for vectors (x, y, z). RELION's angles give
A = Rz(psi) Ry(tilt) Rz(rot), with passive matrices such as Rz(a) = [[c, s, 0], [-s, c, 0],
[0, 0, 1]]. The third row of A is the direction of view in the frame of the reference.

References
----------
.. [1] J. B. Heymann, M. Chagoyen, D. M. Belnap, "Common conventions for interchange and archiving
   of three-dimensional electron microscopy information in structural biology", Journal of
   Structural Biology 151, 2005.
.. [2] K. Shoemake, "Uniform random rotations", Graphics Gems III, 1992.
.. [3] M. Alexa, "Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3)", CVPR 2022.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_PSI = 1.533751168755204288118041  # the root of psi^4 = psi + 4, Eq. (14) of [3]


def euler_to_matrix(angles: Tensor) -> Tensor:
    """Return the matrices of RELION's angles.

    Parameters
    ----------
    angles
        (..., 3): rot, tilt, psi in degrees.

    Returns
    -------
    Tensor
        (..., 3, 3).

    """
    rot, tilt, psi = torch.deg2rad(angles).unbind(-1)
    (ca, sa), (cb, sb), (cg, sg) = ((a.cos(), a.sin()) for a in (rot, tilt, psi))
    rows = [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def matrix_to_euler(matrix: Tensor) -> Tensor:
    """Return RELION's angles rot, tilt, psi in degrees (..., 3) of matrices (..., 3, 3).

    Where the tilt is 0 or 180 degrees only the sum or the difference of the others counts; rot is
    then 0.
    """
    sine = torch.hypot(matrix[..., 2, 0], matrix[..., 2, 1])
    cosine = matrix[..., 2, 2]
    flat = sine < 1e-6
    sign = torch.where(cosine > 0, 1.0, -1.0).to(matrix)
    rot = torch.atan2(matrix[..., 2, 1], matrix[..., 2, 0])
    psi = torch.atan2(matrix[..., 1, 2], -matrix[..., 0, 2])
    turned = torch.atan2(-sign * matrix[..., 1, 0], sign * matrix[..., 0, 0])
    rot, psi = torch.where(flat, torch.zeros_like(rot), rot), torch.where(flat, turned, psi)
    return torch.rad2deg(torch.stack([rot, torch.atan2(sine, cosine), psi], -1))


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Return the matrices (..., 3, 3) of quaternions (..., 4) = (w, x, y, z) of any length."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Return the unit quaternions (..., 4) = (w, x, y, z), w >= 0, of matrices (..., 3, 3)."""
    xx, yy, zz = matrix.diagonal(dim1=-2, dim2=-1).unbind(-1)
    m = matrix
    a, b, c = (m[..., i, j] - m[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    d, e, f = (m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    products = torch.stack(  # 4 q q^T
        [
            torch.stack([1 + xx + yy + zz, a, b, c], -1),
            torch.stack([a, 1 + xx - yy - zz, d, e], -1),
            torch.stack([b, d, 1 - xx + yy - zz, f], -1),
            torch.stack([c, e, f, 1 - xx - yy + zz], -1),
        ],
        -2,
    )
    largest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    row = products.take_along_dim(largest, -2).squeeze(-2)
    row = torch.nn.functional.normalize(row, dim=-1)
    return torch.where(row[..., :1] < 0, -row, row)


def vector_to_matrix(vector: Tensor) -> Tensor:
    """Return the rotations (..., 3, 3) about axes (x, y, z) (..., 3) by their length in radians."""
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    rows = [[o, -z, y], [z, o, -x], [-y, x, o]]
    matrix: Tensor = torch.linalg.matrix_exp(
        torch.stack([torch.stack(row, -1) for row in rows], -2)
    )
    return matrix


def uniform_rotations(draws: Tensor) -> Tensor:
    """Return rotations without a preferred direction, after Shoemake [2].

    Parameters
    ----------
    draws
        (b, 3), uniform in [0, 1), for example from `bioreco.methods.draws.uniform(seeds, 3)`.

    Returns
    -------
    Tensor
        (b, 3, 3), of the type of the draws.

    """
    u, a, b = draws[:, 0], 2 * math.pi * draws[:, 1], 2 * math.pi * draws[:, 2]
    inner, outer = (1 - u).sqrt(), u.sqrt()
    return quaternion_to_matrix(
        torch.stack([outer * b.cos(), inner * a.sin(), inner * a.cos(), outer * b.sin()], -1)
    )


def random_rotations(count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw `count` uniform rotations (count, 3, 3), float32, from a generator of torch's."""
    device = None if generator is None else generator.device
    draws = torch.rand(count, 3, generator=generator, device=device, dtype=torch.float64)
    return uniform_rotations(draws).float()


def rotation_grid(step: float) -> Tensor:
    """Return rotations (n, 3, 3), float64, that cover all evenly, about `step` degrees apart.

    The super-Fibonacci spiral of Alexa [3], with as many points as cubes of that side fit in.
    """
    count = max(1, round(8 * math.pi**2 / math.radians(step) ** 3))
    s = torch.arange(count, dtype=torch.float64) + 0.5
    r, inverse = (s / count).sqrt(), (1 - s / count).sqrt()
    a, b = 2 * math.pi * s / math.sqrt(2), 2 * math.pi * s / _PSI
    return quaternion_to_matrix(
        torch.stack([r * a.sin(), r * a.cos(), inverse * b.sin(), inverse * b.cos()], -1)
    )


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """Return the angles in degrees (...) that turn matrices (..., 3, 3) into others."""
    chord = torch.linalg.matrix_norm((one - other).double()) / math.sqrt(8)
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1)))
