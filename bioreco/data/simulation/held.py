"""Simulated images that aren't in a file, read as those of files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.frames import Frames
from bioreco.data.image import Image, Index


@dataclass(frozen=True)
class InMemory:
    """Pixels that are not in a file."""

    values: NDArray[Any]

    def read(self, index: Index) -> NDArray[Any]:
        """Return a copy of a region."""
        return np.ascontiguousarray(self.values[index])


def frames(name: str, values: NDArray[Any], spacing: Sequence[float] = ()) -> Frames:
    """Return pixels ([z,] y, x) under the name of a file, with their sizes in nanometres."""
    axes = "ZYX"[3 - values.ndim :]
    sizes = dict(zip(axes, spacing, strict=True)) if spacing else {}
    image = Image(
        path=Path(name),
        name=name,
        format="tiff",
        axes=axes,
        shape=values.shape,
        dtype=values.dtype,
        pixels=InMemory(values),
        spacing={a: size / 1000 for a, size in sizes.items()},
        units=dict.fromkeys(sizes, "um"),
    )
    return Frames(image, values.ndim)
