"""Average a stack of beads to a PSF, restore another stack of the same microscope, and draw both.

    python scripts/deconvolve_beads.py BEADS.tif STACK.tif FOLDER --pixel-size 125 22.5 22.5

FOLDER gets psf.tif, Richardson-Lucy, a run of OT-cycleGAN that learnt from STACK and from simulated
filaments and beads, and picture.png, with planes along z and y beside each other. `--words
key=value ...` are said to `bioreco train`. A run that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.engine.galleries import Row, gallery

HALF = (1800.0, 450.0, 450.0)  # nanometres around a bead that become the PSF
SMOOTH = (1, 2, 2)  # pixels, to find beads
BRIGHT = 0.25  # of the brightest: what is a bead
SHOWN = ("measurement", "Richardson-Lucy", "OT-cycleGAN")

Array = NDArray[Any]


def bead_psf(stack: Array, sizes: Sequence[float]) -> Array:
    """Return the mean of all beads (z, y, x) that have enough room around them."""
    stack = stack.astype(np.float64)
    smooth = ndimage.gaussian_filter(stack, SMOOTH)
    labels, count = ndimage.label(smooth > BRIGHT * smooth.max())
    half = [round(reach / size) for reach, size in zip(HALF, sizes, strict=True)]
    found = []
    for centre in ndimage.center_of_mass(smooth, labels, range(1, count + 1)):
        at = [round(c) for c in centre]
        if all(h <= a < n - h for a, h, n in zip(at, half, stack.shape, strict=True)):
            one = stack[tuple(slice(a - h, a + h + 1) for a, h in zip(at, half, strict=True))]
            found.append(one / one.sum())
    if not found:
        raise SystemExit("no bead has enough room around it")
    print(f"{len(found)} of {count} beads are averaged")
    return np.asarray(np.mean(found, axis=0))


def write(path: Path, values: Array, sizes: Sequence[float]) -> None:
    """Write a stack with its pixel sizes in nanometres."""
    options = {"axes": "ZYX", "unit": "um", "spacing": sizes[0] / 1000}
    resolution = (1000 / sizes[2], 1000 / sizes[1])
    values = values.astype(np.float32)
    tifffile.imwrite(path, values, imagej=True, resolution=resolution, metadata=options)


def bioreco(folder: Path, *words: str) -> dict[str, Any]:
    """Run a command unless it has been; return what its metrics.json says."""
    found = folder / "metrics.json"
    if not found.exists() or json.loads(found.read_text())["status"] != "finished":
        line = [sys.executable, "-m", "bioreco", *words, f"hydra.run.dir={folder}"]
        subprocess.run(line, check=True)
    values: dict[str, Any] = json.loads(found.read_text())
    return values


def draw(path: Path, stacks: dict[str, Array], sizes: Sequence[float]) -> None:
    """Draw the middle plane across z, and that across y, of all stacks on one scale."""
    depth = round(sizes[0] / sizes[2])
    window = tuple(np.percentile(stacks["measurement"], [1, 99.9]))
    rows = []
    for name, axis in (("xy", 0), ("xz", 1)):
        planes = {key: one.take(one.shape[axis] // 2, axis) for key, one in stacks.items()}
        shown = {key: one.repeat(depth, 0) if axis else one for key, one in planes.items()}
        rows.append(Row(name, shown, window))
    gallery(path, SHOWN, rows, title="planes through the middle; one scale")


def main() -> None:
    """Make the PSF, restore, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("beads", "stack", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--pixel-size", type=float, nargs=3, required=True, metavar=("Z", "Y", "X"))
    parser.add_argument("--words", nargs="*", default=[])
    given = parser.parse_args()
    folder, sizes = given.folder.absolute(), given.pixel_size
    folder.mkdir(parents=True, exist_ok=True)
    psf, measured, restored = (folder / f"{name}.tif" for name in ("psf", "measured", "rl"))
    write(psf, bead_psf(tifffile.imread(given.beads), sizes), sizes)
    write(measured, tifffile.imread(given.stack), sizes)
    blur = ["forward=blur", f"forward.psf={psf}"]
    words = ["denoise", str(measured), "-o", str(restored), "method=richardson_lucy", *blur]
    found = {"Richardson-Lucy": bioreco(folder / "run_rl", *words, "overwrite=true")}
    words = ["train", "method=ot_cyclegan", f"data.paths=[{measured}]", f"data.psf={psf}"]
    found["OT-cycleGAN"] = bioreco(folder / "run_ot", *words, *given.words)
    paths = [measured, restored, folder / "run_ot" / "results" / "measured.tif"]
    stacks = dict(zip(SHOWN, map(tifffile.imread, paths), strict=True))
    draw(folder / "picture.png", stacks, sizes)
    for name, one in found.items():
        print(name, json.dumps(one["test"]), one["seconds"])


if __name__ == "__main__":
    main()
