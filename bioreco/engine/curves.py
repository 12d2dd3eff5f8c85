"""Spectra as lines, drawn to pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = (5.0, 3.4)  # inches


def drawn(lines: Mapping[str, NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Return a chart (y, x, 3) of powers at equal steps from the frequency 0 to Nyquist."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, values in lines.items():
        axes.semilogy(np.linspace(0, 1, len(values)), values, label=name)
    axes.set_xlabel("frequency, of Nyquist")
    axes.set_ylabel("power")
    axes.legend(frameon=False)
    canvas.draw()
    pixels: NDArray[np.uint8] = np.array(canvas.buffer_rgba())[..., :3]
    return pixels
