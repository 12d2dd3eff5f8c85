"""Arrays put aside in a temporary file, to be looked at again without filling memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from bioreco.data.image import Array
from bioreco.data.raw import Raw
from bioreco.data.writing import remove


class Shelf:
    """A dictionary of arrays in one temporary file, which is deleted with it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._end = 0
        self._places: dict[Hashable, Raw] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._places

    def __setitem__(self, key: Hashable, values: Array) -> None:
        if key in self._places:
            return
        if self._path is None:
            with tempfile.NamedTemporaryFile(prefix="bioreco-", delete=False) as file:
                self._path = Path(file.name)
            weakref.finalize(self, remove, self._path)
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(values).data)
        self._places[key] = Raw(self._path, self._end, values.dtype, values.shape)
        self._end += values.nbytes

    def __getitem__(self, key: Hashable) -> Array:
        """Return a memory map: only what is then looked at is read."""
        return self._places[key].map("r")
