"""Set the noise estimated from single images beside the truth from repeated exposures.

    python scripts/noise_table.py DATA_FOLDER

DATA_FOLDER holds `fluorescence/fmd/raw/NAME_1..4.png`, `fluorescence/fmd2`,
`fluorescence/stuck_beads_5repeats.tif` and `em/haadf_2frames_001.mrc`. The truth: the differences
of the exposures, less what is still alike five to seven pixels on (drift, bleaching).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bioreco.cli import tables
from bioreco.data.formats import open_image
from bioreco.metrics.noise import estimate_noise
from bioreco.metrics.noise_curve import ALIKE

FAR = (5, 6, 7)
SIDE = 16


def main(folder: Path) -> None:
    """Print the table."""
    columns = ["image", "frame", "sigma true", "estimated", "error %", "gain true", "estimated"]
    columns += ["Y true", "Y", "X true", "X", "shared true", "shared", "seconds"]
    rows: list[list[tables.Cell]] = []
    for name, frames, residuals in measured(folder):
        true = truth(residuals)
        for number, frame in enumerate(frames, 1):
            start = time.perf_counter()
            noise = estimate_noise(frame)
            seconds = time.perf_counter() - start
            y, x = noise.correlation["Y"][0], noise.correlation["X"][0]
            flags = [a for a, rho in zip("YX", true[1:], strict=True) if rho > ALIKE]
            error = f"{100 * (noise.sigma / true[0] - 1):+.0f}"
            gain = slope(frames, residuals)
            row: list[tables.Cell] = [name, number, true[0], noise.sigma, error, gain, noise.gain]
            row += [f"{rho:.2f}" for rho in (true[1], y, true[2], x)]
            rows.append([*row, "".join(flags), "".join(noise.shared_axes()), f"{seconds:.2f}"])
    print(tables.text(columns, rows))
    errors = np.array([float(str(row[4])) for row in rows])
    wrong = sum(row[11] != row[12] for row in rows)
    print(
        f"\n{len(rows)} images: error of sigma {np.abs(errors).mean():.1f} % on average, ", end=""
    )
    print(f"{np.abs(errors).max():.0f} % at most; shared noise told wrongly for {wrong}")


def measured(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, frames (n, y, x) and their noise (n, y, x) for every set of repeats."""
    raw = folder / "fluorescence" / "fmd" / "raw"
    for name in sorted({path.stem[:-2] for path in raw.glob("*_1.png")}):
        frames = np.stack([open_image(path).read() for path in sorted(raw.glob(f"{name}_*.png"))])
        yield name, frames, repeats(frames)
    for path in ("fluorescence/stuck_beads_5repeats.tif", "em/haadf_2frames_001.mrc"):
        frames = open_image(folder / path).read()
        yield Path(path).stem, frames, repeats(frames)
    pair = [
        open_image(folder / "fluorescence" / "fmd2" / kind / "mice.tif") for kind in ("raw", "gt")
    ]
    noisy, clean = (image.read() for image in pair)
    yield "fmd2 mice", noisy[None], (noisy.astype(float) - clean)[None]


def repeats(frames: np.ndarray) -> np.ndarray:
    """Return the noise of repeated exposures: what each has more than their mean."""
    difference = frames - frames.mean(axis=0)
    difference -= difference.mean(axis=(1, 2), keepdims=True)
    return np.asarray(difference * np.sqrt(len(frames) / (len(frames) - 1)))


def truth(residuals: np.ndarray) -> tuple[float, float, float]:
    """Return the noise's standard deviation and its correlation with the next along Y and X."""
    far = np.mean([together(residuals, lag, axis) for lag in FAR for axis in (1, 2)])
    power = together(residuals, 0, 1) - far
    y, x = ((together(residuals, 1, axis) - far) / power for axis in (1, 2))
    return float(np.sqrt(power)), float(y), float(x)


def together(residuals: np.ndarray, lag: int, axis: int) -> float:
    """Return the mean product of the residuals with themselves some pixels on."""
    line = np.moveaxis(residuals, axis, 0)
    return float(np.mean(line[lag:] * line[: len(line) - lag]))


def slope(frames: np.ndarray, residuals: np.ndarray) -> float:
    """Return the growth of the noise variance with brightness."""
    level, power = (blocks(np.mean(a, axis=0)) for a in (frames, residuals**2))
    order = np.array_split(np.argsort(level), 24)
    x, y = (np.array([a[group].mean() for group in order]) for a in (level, power))
    bright = y > 0.02 * y.max()
    return float(np.polyfit(x[bright], y[bright], 1, w=1 / y[bright])[0])


def blocks(image: np.ndarray) -> np.ndarray:
    """Return the means of small squares."""
    h, w = (n // SIDE for n in image.shape)
    cut = image[: h * SIDE, : w * SIDE].reshape(h, SIDE, w, SIDE)
    return np.asarray(cut.mean(axis=(1, 3)).ravel())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/noise_table.py DATA_FOLDER")
    main(Path(sys.argv[1]))
