"""Second measurements of the same: in files of their own, or every second frame of a series."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bioreco.data.alike import check
from bioreco.data.frames import Frames
from bioreco.data.matching import match
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

FRAMES = "frames"


@dataclass(frozen=True)
class Half(Frames):
    """Every second frame of a series, from the first or from the second on.

    Attributes
    ----------
    axis
        The axis of the series, T or I.
    first
        0 or 1. Where the number of frames is odd, the last one belongs to neither half.

    """

    axis: str = "T"
    first: int = 0

    @property
    def other(self) -> Half:
        """The half that this one is paired with."""
        return replace(self, first=1 - self.first)

    def _frame_axes(self) -> list[tuple[str, int]]:
        return [(a, n // 2 if a == self.axis else n) for a, n in super()._frame_axes()]

    def _index(self, frame: int, region: Sequence[slice]) -> tuple[slice, ...]:
        index = list(super()._index(frame, region))
        place = self.image.axes.index(self.axis)
        at = 2 * index[place].start + self.first
        index[place] = slice(at, at + 1)
        return tuple(index)


def pairs_of(
    images: Sequence[Frames],
    paths: Sequence[str],
    pairs: Sequence[str],
    read: Callable[[str], Frames],
) -> list[Frames]:
    """Return the second measurement of each image, matched by name.

    Parameters
    ----------
    images, paths
        The images and the files they were read from.
    pairs
        The files of the second measurements, in any order.
    read
        Opens one of them.

    Raises
    ------
    UserError
        If names don't tell which belong together, or two don't show the same; see `check`.

    """
    found = [read(path) for path in match(paths, pairs)]
    for image, other in zip(images, found, strict=True):
        log.info("%s is paired with %s", image.image.name, other.image.name)
        check(image, other)
    return found


def frame_pairs(images: Sequence[Frames]) -> list[Frames]:
    """Return the frames of each series that its even frames (0, 2, ...) are paired with.

    Raises
    ------
    UserError
        If an image is no series, or its frames don't show the same.

    """
    found: list[Frames] = []
    for frames in images:
        image = frames.image
        axis = next((a for a in "TI" if image.size(a) > 1), None)
        if axis is None:
            raise UserError(
                f"{image.name} has axes {image.axes} and is no series of frames, which pairs=frames"
                " is for: say data.axes= if the file is wrong about that"
            )
        half = Half(image, frames.dims, axis, 1)
        log.info(
            "%s: frame 0 is paired with 1, 2 with 3 and so on, as if nothing moved in between;"
            " each frame is denoised by itself",
            image.name,
        )
        check(half.other, half)
        found.append(half)
    return found
