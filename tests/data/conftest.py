"""What the tests of reading and writing share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioreco.data.formats import create, open_image
from bioreco.data.image import Image


@pytest.fixture(scope="session")
def copied() -> Callable[..., Image]:
    """Return a function that copies an image into another file, plane by plane, and opens it."""

    def copy(source: Image, target: Path, dtype: np.dtype[Any] | None = None) -> Image:
        dtype = source.dtype if dtype is None else dtype
        with create(target, source, dtype=dtype, overwrite=False, note="a test") as writer:
            for plane in range(source.shape[0]):
                index = (slice(plane, plane + 1),)
                writer.write(index, source.read(index).astype(dtype))
        return open_image(target)

    return copy
