"""Laying a volume on another: turned, moved and, where its hand is unknown, mirrored.

Nothing in images without poses fixes where a volume points, where it lies or which hand it has, so
no two reconstructions can be compared before they are aligned. All turns of a grid and both hands
are tried with all shifts at once, on coarse detail; the best are refined, with finer detail as far
as the volumes agree in it; then the volume itself is resampled once.

What is maximised is the mean over shells of the Fourier shell correlation, so every fineness of
detail that is asked counts alike, however little power it has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.aligning import Place, Spectrum, Target, refine, search, shell_scores
from bioreco.metrics.fsc import ShellCorrelation, fsc
from bioreco.operators.resample import mirror
from bioreco.operators.rotations import rotation_grid

Array = NDArray[Any]

STEP = 15.0  # degrees between the turns that are tried
COARSE = 0.25  # of Nyquist: the detail that the turns are tried on
LEAST, MOST = 4, 8  # shells of it
KEPT = 10  # of the turns that are refined on it,
FINALISTS = 2  # and of those, that are refined on finer detail
AGREE = 0.3  # correlation in a shell below which finer detail isn't asked
FINEST = 0.8  # of Nyquist, the finest that is
ROUNDS = 4


@dataclass(frozen=True)
class Alignment:
    """A volume laid on a reference.

    Attributes
    ----------
    volume
        (z, y, x), turned, moved and perhaps mirrored.
    rotation
        A (3, 3): the volume at r is that given, perhaps mirrored, at A^T (r - shift).
    shift
        (3,) along (x, y, z), in voxels.
    mirrored
        Whether z was taken for -z before turning.
    score
        Mean correlation over the shells that were refined on.

    """

    volume: Array
    rotation: Array
    shift: Array
    mirrored: bool
    score: float


def align(volume: ArrayLike, reference: ArrayLike, *, hands: int = 2) -> Alignment:
    """Lay a volume on a reference.

    Parameters
    ----------
    volume, reference
        (z, y, x), cubes of one size.
    hands
        2, or 1 where the hand is known.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError
        If the volumes are no cubes of one size, or one of them is constant or not finite.

    """
    moving, fixed = (_checked(v) for v in (volume, reference))
    if moving.shape != fixed.shape:
        raise ValueError(f"the volumes have shapes {moving.shape} and {fixed.shape}")
    size = len(fixed)
    coarse = int(np.clip(round(COARSE * size / 2), LEAST, MOST))
    target = Target.of(fixed, coarse)
    grid = rotation_grid(STEP)
    found = []
    for mirrored in range(hands):
        seen = Spectrum.of(mirror(moving) if mirrored else moving, coarse)
        found += [replace(place, mirrored=bool(mirrored)) for place in search(seen, target, grid)]
    best = sorted(found, key=lambda place: -place.score)[:KEPT]
    place = _refined(moving, fixed, best, coarse)
    turned = resample(
        mirror(moving) if place.mirrored else moving, place.rotation, np.asarray(place.shift)
    )
    return Alignment(turned, place.rotation, np.asarray(place.shift), place.mirrored, place.score)


def _refined(moving: torch.Tensor, fixed: torch.Tensor, best: list[Place], coarse: int) -> Place:
    """Refine places on coarse detail, then the best of them as far as the volumes agree."""
    size = len(fixed)
    shells, finest = coarse, max(coarse, round(FINEST * (size // 2)))
    hands = {place.mirrored: mirror(moving) if place.mirrored else moving for place in best}
    whole = Target.of(fixed, finest)
    for _ in range(ROUNDS):
        target = Target.of(fixed, shells)
        sides = {hand: Spectrum.of(volume, shells) for hand, volume in hands.items()}
        refined = [refine(sides[place.mirrored], target, place) for place in best]
        best = sorted(refined, key=lambda place: -place.score)[:FINALISTS]
        seen = Spectrum.of(hands[best[0].mirrored], finest)
        low = shell_scores(seen, whole, best[0]) < AGREE
        further = min(finest, int(low.int().argmax()) + 2 if bool(low.any()) else finest)
        if further <= shells:
            break
        shells = further
    return best[0]


def aligned_fsc(
    volume: ArrayLike,
    reference: ArrayLike,
    *,
    hands: int = 2,
    mask: ArrayLike | None = None,
    voxel: float | None = None,
) -> tuple[ShellCorrelation, Alignment]:
    """Lay a volume on a reference, then correlate them shell by shell; see `align` and `fsc`."""
    aligned = align(volume, reference, hands=hands)
    return fsc(aligned.volume, reference, mask=mask, voxel=voxel), aligned


def resample(volume: torch.Tensor, rotation: Array, shift: Array) -> Array:
    """Turn a volume (z, y, x) about its centre, then move it, with cubic splines.

    It is first drawn out to twice as many voxels by its Fourier transform, so that the splines
    follow detail up to Nyquist.

    Parameters
    ----------
    volume
        A cube; it is 0 outside.
    rotation
        A (3, 3): the result at r is that at A^T (r - shift).
    shift
        (3,) along (x, y, z), in voxels.

    """
    from scipy.ndimage import map_coordinates

    size = len(volume)
    axis = np.arange(size, dtype=np.float64) - size // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    r = np.stack([x, y, z], -1).reshape(-1, 3) - shift
    index = 2 * ((r @ rotation) + size // 2)
    values = map_coordinates(
        _finer(volume.double().numpy()), index[:, ::-1].T, order=3, mode="grid-constant"
    )
    turned: Array = values.reshape(volume.shape)
    return turned


def _finer(volume: Array) -> Array:
    """Return a volume at half voxels, (2 N) along each side."""
    size = len(volume)
    spectrum = np.fft.fftshift(np.fft.fftn(volume))
    before = size - size // 2
    wide = np.zeros([2 * size] * 3, dtype=complex)
    inside = slice(before, before + size)
    wide[inside, inside, inside] = spectrum
    finer: Array = 8 * np.fft.ifftn(np.fft.ifftshift(wide)).real
    return finer


def _checked(volume: ArrayLike) -> torch.Tensor:
    values = np.array(volume, dtype=np.float32)
    if values.ndim != 3 or len(set(values.shape)) > 1:
        raise ValueError(f"expected a cube of voxels, got {values.shape}")
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise ValueError("a volume that is constant or not finite can't be aligned")
    return torch.from_numpy(values)
