"""The picture a person wants to see first: input, result and what was taken away, side by side.

All panels share one grey window, that of the input, so that nothing looks better only because it
is stretched; the difference is drawn about its zero. A crop with much structure stands beneath,
pixel by pixel, so that noise and fine detail can be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
Window = tuple[float, float]

PERCENTILES = (0.5, 99.7)  # of the input, the ends of the grey window
DIFFERENCE = "difference"  # the panel drawn about zero
DEVIATION = "standard deviation"  # the panel drawn from zero up
LARGEST = 1024  # pixels along one side of a drawn panel
CROP = 64  # pixels along one side of the crop
WIDTH = 3.4  # inches of one panel


def preview(path: Path, panels: Sequence[tuple[str, Array]], *, title: str) -> None:
    """Draw panels side by side, with an enlarged crop beneath, and save them as a PNG file.

    Parameters
    ----------
    path : Path
        The picture; written under a temporary name and renamed.
    panels : sequence of (name, ndarray (y, x) or (y, x, 3))
        All of one size; the first is the input and decides the grey window. The panel called
        "difference" is drawn about zero, "standard deviation" from zero up.
    title : str
        Stands above the panels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = window(panels[0][1])
    rows, columns = busy_crop(panels[min(1, len(panels) - 1)][1], shown)
    height, width = panels[0][1].shape[:2]
    tall = float(np.clip(height / width, 0.3, 2.0))
    zoomed = _length(rows) / _length(columns)
    zoomed = float(np.clip(zoomed, 0.3, 2.0))
    size = (WIDTH * len(panels), WIDTH * (tall + zoomed) + 1.0)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(panels), squeeze=False, height_ratios=[tall, zoomed])
    for (name, values), whole, crop in zip(panels, grid[0], grid[1], strict=True):
        ends, label = _ends(name, values, shown)
        _draw(whole, _reduced(values), ends)
        _draw(crop, values[rows, columns], ends)
        _mark(whole, rows, columns, step=_step(values))
        whole.set_title(label, fontsize=11)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", wrap=True)
    figure.supxlabel(
        f"one grey window: {shown[0]:.4g} (black) to {shown[1]:.4g} (white); "
        f"beneath: the marked square, {_length(columns)} x {_length(rows)} pixels",
        fontsize=9,
    )
    temporary = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(temporary, format="png")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def picture(y: Array, x_hat: Array) -> Array:
    """Return measurement and reconstruction side by side for TensorBoard.

    Parameters
    ----------
    y, x_hat : ndarray (y, x) or (y, x, 3)

    Returns
    -------
    ndarray (h, w, 3) of uint8
        In the grey window of `y`, a white line between them.
    """
    ends = window(y)
    left, right = (_rgb(_unit(_reduced(values), ends)) for values in (y, x_hat))
    line = np.ones((left.shape[0], 2, 3))
    joined = np.concatenate([left, line, right], axis=1)
    return np.asarray((np.nan_to_num(joined) * 255).round().astype(np.uint8))


def central_slices(volume: Array, *, stretch: float = 1.0) -> Array:
    """Return the three planes through the middle of a volume as one picture.

    Parameters
    ----------
    volume : ndarray (z, y, x)
    stretch : float
        Distance between slices over the distance between pixels.

    Returns
    -------
    ndarray (y + gap + z, x + gap + z)
        XY with ZY on its right and ZX beneath; NaN (drawn white) between them.
    """
    depth, height, width = volume.shape
    middle = tuple(n // 2 for n in volume.shape)
    index = np.clip((np.arange(max(1, round(depth * stretch))) / stretch), 0, depth - 1).astype(int)
    xy = np.asarray(volume[middle[0]], dtype=np.float64)
    zx, zy = volume[index][:, middle[1], :], volume[index][:, :, middle[2]].T
    gap = max(2, width // 64)
    result = np.full((height + gap + len(index), width + gap + len(index)), np.nan)
    result[:height, :width] = xy
    result[height + gap :, :width] = zx
    result[:height, width + gap :] = zy
    return result


def window(values: Array) -> Window:
    """Return the grey levels drawn black and white."""
    finite = np.asarray(values[np.isfinite(values)], dtype=np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, PERCENTILES)
    if high <= low:
        low, high = finite.min(), finite.max()
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def busy_crop(values: Array, ends: Window) -> tuple[slice, slice]:
    """Return the square with the most structure inside the grey window."""
    grey = _unit(values, ends)
    grey = grey.mean(axis=-1) if grey.ndim == 3 else grey
    sides = [min(CROP, n) for n in grey.shape]
    missing = ndimage.uniform_filter(np.isnan(grey).astype(np.float64), sides)
    grey = np.nan_to_num(grey)
    detail = ndimage.gaussian_filter(grey, 1.5) - ndimage.gaussian_filter(grey, 5.0)
    busy = ndimage.uniform_filter(detail**2, sides) - 10 * missing
    inner = tuple(slice(s // 2, n - s + s // 2 + 1) for s, n in zip(sides, grey.shape, strict=True))
    top, left = np.unravel_index(int(np.argmax(busy[inner])), busy[inner].shape)
    return slice(int(top), int(top) + sides[0]), slice(int(left), int(left) + sides[1])


def _draw(axes: Axes, values: Array, ends: Window) -> None:
    axes.imshow(
        np.nan_to_num(_rgb(_unit(values, ends)), nan=1.0), interpolation="nearest", aspect="equal"
    )
    axes.set_xticks([])
    axes.set_yticks([])


def _mark(axes: Axes, rows: slice, columns: slice, *, step: int) -> None:
    from matplotlib.patches import Rectangle

    corner = (columns.start / step - 0.5, rows.start / step - 0.5)
    size = (_length(columns) / step, _length(rows) / step)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#ffb000", linewidth=1.2))


def _ends(name: str, values: Array, shown: Window) -> tuple[Window, str]:
    """Return the grey window of a panel, and what stands above it."""
    if name not in (DIFFERENCE, DEVIATION):
        return shown, name
    low, high = _about_zero(values)
    if name == DIFFERENCE:
        return (low, high), f"{name} (within ±{high:.3g})"
    return (0.0, high), f"{name} (0 to {high:.3g})"


def _about_zero(values: Array) -> Window:
    finite = values[np.isfinite(values)]
    limit = float(np.percentile(np.abs(finite), 99.5)) if finite.size else 0.0
    return (-limit, limit) if limit > 0 else (-1.0, 1.0)


def _unit(values: Array, ends: Window) -> Array:
    """Return the values with the window mapped to 0..1 and the rest cut off."""
    low, high = ends
    return np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)


def _rgb(values: Array) -> Array:
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def _step(values: Array) -> int:
    return int(max(1, -(-max(values.shape[:2]) // LARGEST)))


def _reduced(values: Array) -> Array:
    """Return a large panel averaged over small squares of pixels."""
    step = _step(values)
    if step == 1:
        return values
    h, w = (max(1, n // step) for n in values.shape[:2])
    cut = values[: h * step, : w * step].astype(np.float64)
    return np.asarray(cut.reshape(h, -1, w, cut.shape[1] // w, *cut.shape[2:]).mean(axis=(1, 3)))


def _length(part: slice) -> int:
    return len(range(part.start, part.stop))
