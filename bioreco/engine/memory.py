"""Whether a frame that can't be cut fits into memory, before any of it is read."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from bioreco.errors import UserError

MEMINFO = Path("/proc/meminfo")


def available() -> float:
    """Return the bytes of memory that are free for a program; infinite if that isn't known."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        found = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
        if found:
            return 1024.0 * found[0]
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return math.inf


def check_whole(shape: Sequence[int], channels: int, footprint: int) -> None:
    """Refuse a frame that doesn't fit.

    Parameters
    ----------
    shape
        Pixels of the frame, ([z,] y, x).
    channels
        Its channels.
    footprint
        Bytes needed for each pixel of one channel.

    Raises
    ------
    UserError
        If more memory is needed than there is.

    """
    needed, free = float(math.prod(shape)) * channels * footprint, available()
    if needed > free:
        raise UserError(
            f"a frame of {' x '.join(map(str, shape))} pixels and {channels} channel(s) needs about"
            f" {needed / 2**30:.1f} GiB, {free / 2**30:.1f} are free: this method or network looks"
            " at the whole of it.\nCrop it, or choose one that works in tiles, such as"
            " method=gaussian, median, nlm or n2v."
        )
