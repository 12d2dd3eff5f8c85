"""Arrays put aside in a temporary file, to be looked at again without filling memory."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from bioreco.data.image import Array
from bioreco.data.raw import Raw
from bioreco.data.scratch import scratch_file


class Shelf:
    """A dictionary of arrays in one temporary file, which is deleted with it.

    A process that was forked off goes on reading that file but writes to one of its own.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._process = os.getpid()
        self._places: dict[Hashable, Raw] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._places

    def __setitem__(self, key: Hashable, values: Array) -> None:
        if key in self._places:
            return
        if self._path is None or self._process != os.getpid():
            self._path, self._process = scratch_file(self), os.getpid()
        with self._path.open("ab") as file:
            place = file.tell()
            file.write(np.ascontiguousarray(values).data)
        self._places[key] = Raw(self._path, place, values.dtype, values.shape)

    def __getitem__(self, key: Hashable) -> Array:
        """Return a memory map: only what is then looked at is read."""
        return self._places[key].map("r")
