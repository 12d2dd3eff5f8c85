"""Files inside gzip or bzip2: unpacked once, to a temporary file, at the first read."""

from __future__ import annotations

import bz2
import gzip
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from bioreco.data.image import Array, Index
from bioreco.data.raw import Raw
from bioreco.data.scratch import scratch_file
from bioreco.errors import UserError


def open_stream(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacking it on the way if it is packed."""
    with path.open("rb") as file:
        head = file.read(3)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if head == b"BZh":
        return bz2.open(path, "rb")
    return path.open("rb")


def is_packed(path: Path) -> bool:
    """Tell whether a file is inside gzip or bzip2."""
    with path.open("rb") as file:
        return file.read(3)[:2] in (b"\x1f\x8b", b"BZ")


def raw_or_packed(raw: Raw) -> Raw | Packed:
    """Return the pixels of a file, which may be packed; a short plain file is refused."""
    if is_packed(raw.path):
        return Packed(raw)
    check_end(raw.path.name, raw, raw.path.stat().st_size)
    return raw


def check_end(name: str, raw: Raw, size: int) -> None:
    """Refuse a file that ends before its pixels do."""
    if raw.end > size:
        raise UserError(
            f"{name} is cut short: it ends at byte {size}, its pixels at byte {raw.end}."
        )


@dataclass
class Packed:
    """An array in a packed file; ``raw`` says where it lies in the unpacked one."""

    raw: Raw
    _unpacked: Raw | None = field(default=None, repr=False)

    def __getstate__(self) -> Raw:
        """Pickle without the temporary file, which belongs to one process."""
        return self.raw

    def __setstate__(self, state: Raw) -> None:
        """Unpickle; the file is unpacked anew when asked for."""
        self.raw, self._unpacked = state, None

    def read(self, index: Index) -> Array:
        """Return a copy of one region."""
        if self._unpacked is None:
            self._unpacked = self._unpack()
        return self._unpacked.read(index)

    def _unpack(self) -> Raw:
        temporary = scratch_file(self)
        with open_stream(self.raw.path) as packed, temporary.open("wb") as file:
            shutil.copyfileobj(packed, file, 2**20)
        check_end(self.raw.path.name, self.raw, temporary.stat().st_size)
        return replace(self.raw, path=temporary)
