"""What the axes of an array of k-space mean, and how one frame is cut out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bioreco.data.image import Pixels, times
from bioreco.errors import UserError, nearest

WORDS = ("frame", "slice", "band", "coil", "y", "x")
_SAME = {"group": "slice", "ky": "y", "kx": "x", "time": "frame", "contrast": "frame", "t": "frame"}

Axes = tuple[str, ...]


def named_axes(axes: str | Sequence[str], shape: Sequence[int], name: str) -> Axes:
    """Return the words that a user, or a file, gave for the axes of an array.

    Parameters
    ----------
    axes
        Words from `WORDS`, slowest axis first, in a list or in one text.
    shape
        Of the array.
    name
        What messages call the array.

    Raises
    ------
    UserError
        If a word isn't known, comes twice, or their number doesn't fit the array.

    """
    given = axes.replace(",", " ").split() if isinstance(axes, str) else list(axes)
    words = tuple(_SAME.get(word, word) for word in given)
    for word in words:
        if word not in WORDS:
            raise UserError(
                f"axes={' '.join(given)}: '{word}' is no axis of k-space; choose from"
                f" {', '.join(WORDS)}." + nearest(word, WORDS)
            )
    if len(words) != len(shape) or len(set(words)) != len(words) or not {"y", "x"} <= set(words):
        raise UserError(
            f"axes={' '.join(given)} doesn't fit: {name} is {times(shape)}, which takes"
            f" {len(shape)} different words from {', '.join(WORDS)}, y and x among them."
        )
    return words


class Cut(Protocol):
    """An array with named axes, wherever it is."""

    def size(self, axis: str) -> int:
        """Return the length of an axis, 1 if the array doesn't have it."""
        ...

    def cut(self, wanted: Axes, **at: int) -> np.ndarray[Any, Any]:
        """Return one piece."""
        ...


@dataclass(frozen=True)
class Named:
    """An array with named axes, read piece by piece.

    Attributes
    ----------
    pixels
        Where the values are.
    shape, axes
        Sizes, and what they mean.

    """

    pixels: Pixels
    shape: tuple[int, ...]
    axes: Axes

    def size(self, axis: str) -> int:
        """Return the length of an axis, 1 if the array doesn't have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def cut(self, wanted: Axes, **at: int) -> np.ndarray[Any, Any]:
        """Return one piece.

        Parameters
        ----------
        wanted
            The axes of the result, in order; one that the array doesn't have gets length 1.
        at
            Where the other axes are cut. An axis of length 1 holds for every place.

        """
        index = []
        for axis, size in zip(self.axes, self.shape, strict=True):
            place = min(at.get(axis, 0), size - 1) if size == 1 else at.get(axis, 0)
            index.append(slice(None) if axis in wanted else slice(place, place + 1))
        bounds = tuple(
            slice(*part.indices(size)[:2]) for part, size in zip(index, self.shape, strict=True)
        )
        values = self.pixels.read(bounds)
        there = [axis for axis in wanted if axis in self.axes]
        kept = [self.axes.index(axis) for axis in there]
        gone = [i for i in range(len(self.axes)) if i not in kept]
        values = values.transpose(*kept, *gone).reshape([self.shape[i] for i in kept])
        for place, axis in enumerate(wanted):
            if axis not in there:
                values = np.expand_dims(values, place)
        return values
