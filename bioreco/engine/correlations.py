"""A picture of Fourier shell correlations, with the band of what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

WIDE = 3.0  # standard deviations that the band is drawn to


@dataclass(frozen=True)
class Curve:
    """Correlation (n,) at frequencies (n,), fractions of Nyquist."""

    name: str
    frequency: Array
    correlation: Array


@dataclass(frozen=True)
class Band:
    """Mean and standard deviation (n,) of unrelated volumes at frequencies (n,)."""

    frequency: Array
    mean: Array
    deviation: Array


def correlations(path: Path, curves: Sequence[Curve], chance: Band | None, *, voxel: float) -> None:
    """Draw curves over frequency, and save them as a PNG file.

    Parameters
    ----------
    path
        The picture; written under a temporary name and renamed.
    curves
        One for each volume.
    chance
        What unrelated volumes give; None leaves it out.
    voxel
        Side of a voxel in Angstrom, for the upper axis.

    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 4.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if chance is not None:
        high = chance.mean + WIDE * chance.deviation
        axes.fill_between(
            chance.frequency, chance.mean, high, color="0.85",
            label=f"unrelated volumes, mean to + {WIDE:g} standard deviations",
        )  # fmt: skip
    for curve in curves:
        axes.plot(curve.frequency, curve.correlation, label=curve.name)
    axes.axhline(0.5, color="0.4", linewidth=0.8, linestyle="--")
    axes.axhline(0.143, color="0.4", linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.1, 1.02)
    axes.set_xlabel("frequency, fraction of Nyquist")
    axes.set_ylabel("Fourier shell correlation with the truth")
    ticks = [0.2, 0.4, 0.6, 0.8, 1.0]
    above = axes.secondary_xaxis("top")
    above.set_xticks(ticks, [f"{2 * voxel / tick:.3g}" for tick in ticks])
    above.set_xlabel("Angstrom")
    axes.legend(fontsize=8)
    temporary = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
