"""Tables of scores: aligned for the terminal, Markdown and CSV for files.

What was not measured is an empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

DIGITS = {
    "psnr": 2,
    "psnr_255": 2,
    "si_psnr": 2,
    "psnr_heldout": 2,
    "ssim": 4,
    "nrmse": 4,
    "train_seconds": 1,
}

Cell = str | float | int | None


def show(value: Cell, name: str = "") -> str:
    """Return a cell as text; the column's name decides how many digits a number has."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else f"{value:.4g}"


def spread(mean: float, deviation: float | None, name: str = "") -> str:
    """Return a mean with its standard deviation, if there is one."""
    text = show(mean, name)
    return text if deviation is None else f"{text} ± {show(deviation, name)}"


def text(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table with aligned columns: the first to the left, the others to the right."""
    cells = [list(columns), *_cells(columns, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = []
    for row in cells:
        padded = [row[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return the table in Markdown."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in _cells(columns, rows)]
    rule = ["---"] + ["---:"] * (len(columns) - 1)
    return "".join(f"| {' | '.join(row)} |\n" for row in [list(columns), rule, *escaped])


def comma_separated(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return the table as CSV, numbers with ten digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_exact(cell) for cell in row])
    return stream.getvalue()


def save(path: Path, content: str) -> None:
    """Write a text file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _exact(cell: Cell) -> Cell:
    """Return a cell with all digits that mean something; not a number is nothing."""
    if not isinstance(cell, float):
        return cell
    return None if math.isnan(cell) else f"{cell:.10g}"


def _cells(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [[show(c, name) for c, name in zip(row, columns, strict=True)] for row in rows]
