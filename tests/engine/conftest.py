"""Small images and methods that the tests of the engine share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioreco.data.frames import Frames
from bioreco.data.image import Image


class Held:
    """Pixels of an image that is in memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def read(self, index: tuple[slice, ...]) -> np.ndarray:
        return self.values[index].copy()


@pytest.fixture(scope="session")
def as_frames() -> Callable[..., Frames]:
    """Return a function that makes frames of an array."""

    def frames(values: np.ndarray, axes: str | None = None, dims: int | None = None) -> Frames:
        axes = axes or "ZYX"[3 - values.ndim :]
        image = Image(
            path=Path("image.tif"), name="image.tif", format="tiff", axes=axes,
            shape=values.shape, dtype=values.dtype, pixels=Held(values),
        )  # fmt: skip
        return Frames(image, dims or (3 if "Z" in axes else 2))

    return frames


@pytest.fixture(scope="session")
def run_whole() -> Callable[..., np.ndarray]:
    """Return a function that applies a predictor and puts the tiles together."""

    def run(predictor: Any, frames: Frames, **more: Any) -> np.ndarray:
        out = np.full((len(frames), frames.channels, *frames.shape), -9e9, dtype=np.float32)
        shares = []

        def write(frame: int, region: Any, values: np.ndarray, _: Any) -> None:
            assert values.dtype == np.float32
            out[(frame, slice(None), *region)] = values

        predictor.run(frames, write, shares.append, **more)
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0
        return out

    return run
