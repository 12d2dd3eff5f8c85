"""The chain of page entries in a TIFF file, walked once to see that it ends."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from bioreco.errors import UserError

_MOST_TAGS = 4096


def check_chain(path: Path) -> None:
    """Refuse a file whose pages lead back to an earlier one: readers would go on forever."""
    with path.open("rb") as file:
        head = file.read(16).ljust(16, b"\0")
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        offset = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
        size = file.seek(0, os.SEEK_END)
        seen: set[int] = set()
        while 0 < offset < size and offset not in seen:
            seen.add(offset)
            offset = _next(file, offset, order, big)
        if offset in seen:
            raise UserError(f"{path.name} is damaged: its pages run in a circle.")


def _next(file: BinaryIO, offset: int, order: str, big: bool) -> int:
    """Return where the page entry after this one lies, 0 if nowhere."""
    count, entry, link = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    file.seek(offset)
    raw = file.read(struct.calcsize(count))
    if len(raw) < struct.calcsize(count):
        return 0
    (tags,) = struct.unpack(count, raw)
    if tags > _MOST_TAGS:
        return 0
    file.seek(tags * entry, os.SEEK_CUR)
    raw = file.read(struct.calcsize(link))
    return int(struct.unpack(link, raw)[0]) if len(raw) == struct.calcsize(link) else 0
