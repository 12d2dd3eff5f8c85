"""Temporary files that go when the object they serve goes."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path


def scratch_file(owner: object) -> Path:
    """Create an empty temporary file that is deleted with its owner.

    A process that was forked off shares the file but doesn't delete it.
    """
    with tempfile.NamedTemporaryFile(prefix="bioreco-", delete=False) as file:
        path = Path(file.name)
    weakref.finalize(owner, _discard, path, os.getpid())
    return path


def _discard(path: Path, process: int) -> None:
    if os.getpid() == process:
        path.unlink(missing_ok=True)
