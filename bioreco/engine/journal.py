"""What training says while it runs: metrics.csv, TensorBoard, and a bar on a terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Row = dict[str, float]


class Journal:
    """The record of one run.

    Parameters
    ----------
    folder
        The run folder, or None for a process that says nothing.
    steps
        Steps in all, for the bar.
    start
        The step that training starts from; rows of later steps are dropped.

    """

    def __init__(self, folder: Path | None, *, steps: int, start: int = 0) -> None:
        self._path = folder / "metrics.csv" if folder else None
        self._rows: list[Row] = []
        if self._path and self._path.exists():
            with self._path.open(newline="") as file:
                rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
            self._rows = [row for row in rows if row["step"] <= start]
        self._board: Any = None
        if folder:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(folder / "tensorboard", purge_step=start + 1)
        quiet = folder is None or not sys.stderr.isatty()
        self._bar = tqdm(
            total=steps, initial=start, desc="training", unit="step", disable=quiet, leave=False
        )

    def advance(self, done: float, step: int) -> None:
        """Move the bar to `done`, the share of training that is over."""
        if not self._bar.disable:
            total = step / done if done else self._bar.total
            self._bar.total = max(step, round(total))
            self._bar.update(step - self._bar.n)

    def row(self, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Add a row of numbers."""
        if self._path is None:
            return
        row = {"step": float(step), "seconds": round(seconds, 3), **values}
        self._rows.append(row)
        for key, value in values.items():
            self._board.add_scalar(key, value, step)
        known = list(dict.fromkeys(key for r in self._rows for key in r))
        if self._path.exists() and set(row) <= set(self._header) and self._complete:
            with self._path.open("a", newline="") as file:
                csv.DictWriter(file, self._header).writerow(_written(row))
        else:
            self._rewrite(known)
        if "val/mse" in values:
            self._bar.set_postfix(val=f"{values['val/mse']:.4g}")

    _header: tuple[str, ...] = ()
    _complete = False

    def _rewrite(self, header: list[str]) -> None:
        """Write all rows anew, whole or not at all: a column was added, or a run is resumed."""
        assert self._path is not None
        self._header, self._complete = tuple(header), True
        temporary = self._path.with_name(".metrics.csv.tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(_written(row) for row in self._rows)
        temporary.replace(self._path)

    def picture(self, name: str, step: int, pixels: NDArray[np.uint8]) -> None:
        """Add a picture (y, x, 3)."""
        if self._board is not None:
            self._board.add_image(name, pixels, step, dataformats="HWC")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        if self._board is not None:
            self._board.close()


def _written(row: Row) -> dict[str, str]:
    return {key: f"{value:.9g}" for key, value in row.items()}
