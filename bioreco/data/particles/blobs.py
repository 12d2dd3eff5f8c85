"""Matter as Gaussian blobs: its density and its projections are known in closed form.

V(r) = sum_i w_i exp(-|r - c_i|^2 / 2 s^2), so that a projection along z is
s sqrt(2 pi) sum_i w_i exp(-|(x, y) - (A c_i)_xy|^2 / 2 s^2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Blobs:
    """Gaussian blobs of one width.

    Attributes
    ----------
    centres
        (m, 3), vectors (x, y, z) in Angstrom; to be projected only, also (b, m, 3), one set for
        each image.
    weights
        The density at the centre of each (m,).
    width
        Standard deviation in Angstrom.
    name
        Where they come from.

    """

    centres: Doubles = field(repr=False)
    weights: Doubles = field(repr=False)
    width: float
    name: str = ""

    @property
    def radius(self) -> float:
        """The distance from the origin that holds all of it, in Angstrom."""
        return float(np.linalg.norm(self.centres, axis=1).max() + 2 * self.width)

    def volume(self, box: int, voxel: float) -> NDArray[np.float32]:
        """Return the density (z, y, x) at the voxels of a cube."""
        out = np.zeros((box, box * box))
        for start in range(0, len(self.centres), 2000):
            part = slice(start, start + 2000)
            x, y, z = (self._along(self.centres[part, k], box, voxel) for k in range(3))
            plane = (y[:, :, None] * x[:, None]).reshape(len(x), -1)
            out += (self.weights[part, None] * z).T @ plane
        return out.reshape(box, box, box).astype(np.float32)

    def project(
        self, rotations: NDArray[np.float32], shifts: Doubles, box: int, pixel: float
    ) -> NDArray[np.float32]:
        """Return projections along z.

        Parameters
        ----------
        rotations
            A (b, 3, 3) with r_image = A r.
        shifts
            (b, 2): how far each image moves along (x, y), in Angstrom.
        box, pixel
            Pixels along y and x; their size in Angstrom.

        Returns
        -------
        ndarray
            (b, y, x): the sum over z of the density at voxels of that size.

        """
        at = self.centres @ rotations[:, :2].astype(np.float64).swapaxes(1, 2)
        at += shifts[:, None]
        x, y = (self._along(at[..., k], box, pixel).astype(np.float32) for k in range(2))
        depth = self.width * np.sqrt(2 * np.pi) / pixel
        y *= (self.weights * depth).astype(np.float32)[None, :, None]
        return np.asarray(np.matmul(y.swapaxes(1, 2), x))

    def _along(self, at: Doubles, box: int, pixel: float) -> Doubles:
        """Return the profile of each blob along one axis (..., box)."""
        grid = (np.arange(box) - box // 2) * pixel
        return np.asarray(np.exp(-((grid - at[..., None]) ** 2) / (2 * self.width**2)))


def chain(seed: int, *, count: int, radius: float, width: float) -> Blobs:
    """Draw a chain that winds to the right within a sphere and keeps off itself.

    Parameters
    ----------
    seed
        Decides its shape.
    count
        Blobs.
    radius
        Of the sphere that holds their centres, in Angstrom.
    width
        Standard deviation of a blob in Angstrom.

    Notes
    -----
    A walk with a curvature and a torsion of one sign: it differs from its mirror image and has no
    symmetry. Weights between 0.6 and 1.4.

    """
    rng = np.random.default_rng([23, seed])
    step = 2.2 * radius / count ** (1 / 2)
    while True:
        points = _walk(rng, count, radius, min(step, radius / 5))
        if points is not None:
            break
    points -= points.mean(0)
    points *= min(1.0, radius / np.linalg.norm(points, axis=1).max())
    return Blobs(points, rng.uniform(0.6, 1.4, count), width, f"chain of {count} blobs")


def _walk(rng: np.random.Generator, count: int, radius: float, step: float) -> Doubles | None:
    """Walk until the chain is long enough, or return None where it ran into itself."""
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    frame *= np.sign(np.linalg.det(frame))
    points = [np.zeros(3)]
    for _ in range(60 * count):
        turned = frame @ _turn(rng.uniform(0.3, 1.1), rng.uniform(0.5, 0.9))
        new = points[-1] + step * turned[:, 0]
        far = np.linalg.norm(np.array(points[:-1]).reshape(-1, 3) - new, axis=1)
        if np.linalg.norm(new) < radius and not np.any(far < 0.9 * step):
            frame = turned
            points.append(new)
            if len(points) == count:
                return np.array(points)
        else:
            frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
            frame *= np.sign(np.linalg.det(frame))
    return None


def _turn(curvature: float, torsion: float) -> Doubles:
    """Return the change of the frame (tangent, normal, binormal) along one step, in radians."""
    (c, s), (p, q) = ((np.cos(a), np.sin(a)) for a in (curvature, torsion))
    bend = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    twist = np.array([[1, 0, 0], [0, p, -q], [0, q, p]])
    return np.asarray(bend @ twist)
