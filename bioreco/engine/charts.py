"""A leaderboard as a picture: a bar and the single runs for each entry, small previews beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 60  # letters of a label
MOST = 25  # entries drawn
WIDTH = 11.0  # inches
OURS, BASELINE = "#3b6ea5", "#b9b9b9"


@dataclass(frozen=True)
class Bar:
    """One entry: its name, the PSNR of each run, and whether it is a baseline."""

    label: str
    values: Sequence[float]
    baseline: bool = False


def leaderboard(path: Path, bars: Sequence[Bar], previews: Sequence[tuple[str, Path]]) -> None:
    """Draw the PSNR of every entry, best on top, and the previews of the best beneath.

    Parameters
    ----------
    path : Path
        The PNG file; written under a temporary name and renamed.
    bars : sequence of Bar
        In the order of the ranking.
    previews : sequence of (label, Path)
        Pictures that runs left.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    drawn = bars[:MOST]
    pictures = [(label, imread(preview)) for label, preview in previews]
    pairs = [pictures[n : n + 2] for n in range(0, len(pictures), 2)]
    heights = [0.9 + 0.34 * len(drawn)] if drawn else []
    heights += [0.35 + WIDTH / 2 * max(p.shape[0] / p.shape[1] for _, p in pair) for pair in pairs]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    parts = np.atleast_1d(np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights)))
    if drawn:
        _chart(parts[0].subplots(), drawn)
    for part, pair in zip(parts[len(heights) - len(pairs) :], pairs, strict=True):
        cells = part.subplots(1, 2)
        for axes in cells:
            axes.set_axis_off()
        for axes, (label, values) in zip(cells, pair, strict=False):
            axes.imshow(values)
            axes.set_title(_short(label), fontsize=9, loc="left")
    temporary = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(temporary, format="png", dpi=130)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _chart(axes: Axes, bars: Sequence[Bar]) -> None:
    """Draw horizontal bars from just below the worst run, every run as a dot."""
    means = [float(np.mean(bar.values)) for bar in bars]
    lowest = min(float(np.min(bar.values)) for bar in bars)
    highest = max(float(np.max(bar.values)) for bar in bars)
    left = lowest - 0.15 * max(highest - lowest, 1.0)
    right = highest + 0.15 * max(highest - lowest, 1.0)
    for row, (bar, mean) in enumerate(zip(bars, means, strict=True)):
        colour = BASELINE if bar.baseline else OURS
        axes.barh(row, mean - left, left=left, height=0.62, color=colour, alpha=0.85)
        if len(bar.values) > 1 and not bar.baseline:
            axes.plot(bar.values, [row] * len(bar.values), "o", color="black", markersize=3.5)
        axes.annotate(
            f"{mean:.2f}",
            (max(mean, *bar.values, mean), row),
            xytext=(5, 0),
            fontsize=9,
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(bars)), [_short(bar.label) for bar in bars], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(left, right)
    axes.set_xlabel("PSNR in dB against the reference (bars start above 0)", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."
