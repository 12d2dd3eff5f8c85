"""A tomogram: complex fields behind an object, one for each direction it was looked at from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Light:
    """What is known of the microscope; None where a file doesn't say.

    Attributes
    ----------
    wavelength
        In vacuum, nanometres.
    pixel_size
        In the plane of the object, nanometres.
    medium
        Refractive index around the object.
    na
        Numerical aperture of the objective.

    """

    wavelength: float | None = None
    pixel_size: float | None = None
    medium: float | None = None
    na: float | None = None

    def completed(self, other: Light) -> Light:
        """Return what is known here, and of the rest what is known there."""
        return Light(
            *(
                mine if mine is not None else theirs
                for mine, theirs in zip(self.values, other.values, strict=True)
            )
        )

    @property
    def values(self) -> tuple[float | None, ...]:
        """All four, in the order of `OPTICS`."""
        return self.wavelength, self.pixel_size, self.medium, self.na


@dataclass(frozen=True)
class Truth:
    """What the object is, where that is known.

    Attributes
    ----------
    index
        Refractive index (z, y, x).
    labels
        What each voxel belongs to (z, y, x), numbers into `parts`; None where nobody said.
    parts
        Names; 0 is the medium.

    """

    index: Array = field(repr=False)
    labels: Array | None = field(default=None, repr=False)
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tomogram:
    """Fields behind an object.

    Attributes
    ----------
    name
        Of the file, or of what was simulated.
    fields
        ln(u / u_0) (v, y, x), complex64: the logarithm of the amplitude and the unwrapped phase,
        which grows with the refractive index.
    illumination
        Directions of the light (v, 3) = (x, y, z), unit vectors.
    rotations
        (v, 3, 3): how the object was turned, r = A r_object.
    light
        The microscope.
    truth
        The object, or None.
    notes
        What was done to the fields, in words.

    """

    name: str
    fields: Array = field(repr=False)
    illumination: Array = field(repr=False)
    rotations: Array = field(repr=False)
    light: Light
    truth: Truth | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.fields)

    @property
    def tilted(self) -> bool:
        """Whether the light was tilted; otherwise the object was turned."""
        return bool(np.ptp(self.illumination, axis=0).max() > 1e-6)

    def taken(self, chosen: Array) -> Tomogram:
        """Return the tomogram of some views only."""
        return replace(
            self,
            fields=self.fields[chosen],
            illumination=self.illumination[chosen],
            rotations=self.rotations[chosen],
        )

    def batch(self, box: int, pad: int = 2) -> Mapping[str, Array]:
        """Return the tomogram as a sample of a batch, for a volume of `box` voxels."""
        y = cut(self.fields, pad * box, (1, 2))
        optics = [np.nan if value is None else value for value in self.light.values]
        return {
            "y": np.ascontiguousarray(y, dtype=np.complex64),
            "illumination": self.illumination.astype(np.float64),
            "rotation": self.rotations.astype(np.float64),
            "optics": np.array(optics, dtype=np.float64),
            "box": np.array(box, dtype=np.int64),
        }


def cut(values: Array, size: int, axes: tuple[int, ...]) -> Array:
    """Return at most `size` pixels along some axes, about the centre n // 2."""
    for axis in axes:
        n = values.shape[axis]
        if n > size:
            first = n // 2 - size // 2
            values = np.take(values, range(first, first + size), axis=axis)
    return values


def turns(angles: Array) -> Array:
    """Return the rotations (v, 3, 3) of an object that is turned about y, angles in radians."""
    c, s, o, e = np.cos(angles), np.sin(angles), np.zeros(len(angles)), np.ones(len(angles))
    rows = [[c, o, s], [o, e, o], [-s, o, c]]
    return np.stack([np.stack(row, -1) for row in rows], -2)
