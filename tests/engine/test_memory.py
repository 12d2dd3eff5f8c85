"""A frame that can't be cut is refused before it is read, if it doesn't fit."""

from __future__ import annotations

import math

import pytest

from bioreco.engine import memory
from bioreco.errors import UserError


def test_what_fits_passes_and_what_does_not_is_told(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2.0**30)
    memory.check_whole((1024, 1024), 1, 512)
    with pytest.raises(UserError) as said:
        memory.check_whole((40, 1024, 1024), 2, 64)
    assert str(said.value) == (
        "a frame of 40 x 1024 x 1024 pixels and 2 channel(s) needs about 5.0 GiB, 1.0 are free:"
        " this method or network looks at the whole of it.\n"
        "Crop it, or choose one that works in tiles, such as method=gaussian, median, nlm or n2v."
    )


def test_free_memory_is_read_where_it_can_be(monkeypatch, tmp_path):
    told = tmp_path / "meminfo"
    told.write_text("MemTotal: 9 kB\nMemAvailable:       5 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", told)
    assert memory.available() == 5 * 1024
    told.write_text("MemTotal: 9 kB\n")
    assert memory.available() > 2**20
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.available() == math.inf
