"""Coil maps that were given: normalised, and their holes filled."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from bioreco.data.acquisition import Acquisition, Complex, Mask
from bioreco.data.image import times
from bioreco.errors import UserError

_LARGEST_HOLE = 0.1


def without_holes(there: Mask) -> Mask:
    """Return a support without holes: air in the object and faint tissue belong to it."""
    return np.asarray(ndimage.binary_fill_holes(there), dtype=bool)


def in_order(maps: Complex, what: str) -> tuple[Complex, int]:
    """Return maps (coils, y, x) normalised and without holes, and how many pixels were filled.

    A hole is a region of zeros that the object encloses. It is filled with the normalised mean of
    what surrounds it, weighted by distance.

    Raises
    ------
    UserError
        If the maps are 0 everywhere, or holes make up more than a tenth of the object.

    """
    energy = np.sqrt((np.abs(maps) ** 2).sum(0))
    there = energy > 1e-6 * energy.max(initial=0)
    if not there.any():
        raise UserError(f"{what}: the coil maps are 0 everywhere.")
    maps = np.where(there, maps / np.where(there, energy, 1), 0).astype(np.complex64)
    holes = without_holes(there) & ~there
    share = holes.sum() / without_holes(there).sum()
    if share > _LARGEST_HOLE:
        raise UserError(
            f"{what}: {100 * share:.0f} % of the object is a hole in the coil maps; up to"
            f" {100 * _LARGEST_HOLE:.0f} % are filled. Say data.maps=espirit to estimate them."
        )
    return (_filled(maps, there, holes) if holes.any() else maps), int(holes.sum())


def _filled(maps: Complex, there: Mask, holes: Mask) -> Complex:
    result, todo, width = maps.copy(), holes.copy(), 1.0
    while todo.any():
        weight = ndimage.gaussian_filter(there.astype(float), width)
        parts = [
            ndimage.gaussian_filter(coil.real, width)
            + 1j * ndimage.gaussian_filter(coil.imag, width)
            for coil in maps
        ]
        reached = todo & (weight > 1e-3)
        result[:, reached] = np.stack(parts)[:, reached]
        todo &= ~reached
        width *= 2
    size = np.sqrt((np.abs(result) ** 2).sum(0))
    return np.where(holes, result / np.maximum(size, 1e-30), result).astype(np.complex64)


def order_notes(base: Acquisition) -> list[str]:
    """Say what putting the first slice's maps in order changes."""
    maps = base.maps(0)
    if maps.shape[2:] != base.size:
        raise UserError(
            f"{base.name}: its coil maps are {times(maps.shape[2:])}, but k-space is"
            f" {times(base.size)} (y x)."
        )
    if maps.shape[1] != base.coils:
        raise UserError(
            f"{base.name}: its coil maps are of {maps.shape[1]} coils, but k-space has"
            f" {base.coils}."
        )
    energy = np.sqrt((np.abs(maps) ** 2).sum(1))
    filled = sum(in_order(band, base.name)[1] for band in maps)
    inside = energy[energy > 1e-6 * energy.max(initial=0)]
    notes = ["coil maps of the file"]
    if inside.size and np.ptp(inside) > 1e-3:
        notes.append("the coil maps are normalised, so that their squares sum to 1")
    if filled:
        notes.append(f"{filled} pixels of holes in the coil maps of slice 0 are filled")
    return notes
