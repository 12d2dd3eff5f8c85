"""What a series with a task shows: tSNR, response, detection, phase; in numbers and as maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bioreco.data.acquisition import Acquisition
from bioreco.engine.galleries import Row

CONVENTIONS: dict[str, str] = {}


def scores(scan: Acquisition, path: Path) -> dict[str, float]:
    return {}


def rows(scan: Acquisition, paths: Mapping[str, Path], z: int) -> list[Row]:
    return []
