"""Pictures of several reconstructions: columns are methods, rows what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 2.3  # inches of one panel


@dataclass(frozen=True)
class Row:
    """One row of a gallery: the same kind of map for every column.

    Attributes
    ----------
    name
        What is shown, with its unit.
    maps
        By column; a column without one stays empty. (y, x), NaN is drawn as background.
    window
        Values drawn darkest and brightest, the same for the whole row.
    colours
        Name of the colour map.
    notes
        By column, written beneath.

    """

    name: str
    maps: Mapping[str, NDArray[Any]]
    window: tuple[float, float]
    colours: str = "gray"
    notes: Mapping[str, str] | None = None


def gallery(path: Path, columns: Sequence[str], rows: Sequence[Row], *, title: str) -> None:
    """Draw a grid of maps with one scale for each row, and save it as a PNG file.

    Parameters
    ----------
    path
        The picture; written under a temporary name and renamed.
    columns
        Names of the columns, from left to right.
    rows
        What is drawn.
    title
        Stands above all.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (SIDE * len(columns) + 1.2, SIDE * len(rows) + 0.8)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, places in zip(rows, grid, strict=True):
        drawn = None
        for column, place in zip(columns, places, strict=True):
            drawn = _panel(place, row, column) or drawn
        if row is rows[0]:
            for column, place in zip(columns, places, strict=True):
                place.set_title(column, fontsize=10)
        places[0].set_ylabel(row.name, fontsize=9)
        if drawn is not None:
            figure.colorbar(drawn, ax=list(places), fraction=0.03, pad=0.01)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", wrap=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(temporary, format="png", dpi=110)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _panel(place: Axes, row: Row, column: str) -> Any:
    place.set_xticks([])
    place.set_yticks([])
    place.set_facecolor("black")
    if column not in row.maps:
        place.axis("off")
        return None
    if row.notes and column in row.notes:
        place.set_xlabel(row.notes[column], fontsize=8)
    low, high = row.window
    values = np.ma.masked_invalid(row.maps[column])
    return place.imshow(values, cmap=row.colours, vmin=low, vmax=high, interpolation="nearest")
