"""Denoise an image far larger than the memory it may take, and print the peak.

Run as `python scripts/benchmark_memory.py FOLDER [--gigabytes 4] [--format zarr]`. FOLDER gets the
image and the result, twice its size each, and is left as it was. A small network keeps the time
short; memory is bounded by the tile and by the 128 MB of patches that are learnt from, so a larger
network adds only its own features of one tile.

`--slices 64` makes a stack instead; what follows `--words` is said to `bioreco denoise` in place of
the small network, such as `method=richardson_lucy method.iterations=1 forward=blur
forward.psf=gaussian forward.sigma=1.5`, or `run=RUN` of a run that is to be applied.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROWS = 1024


SMALL = ["trainer.steps=200", "network.channels=4", "network.depth=1", "inference.tile=512"]


def make_stack(path: Path, side: int, slices: int) -> None:
    """Write a uint16 stack whose slices are shot noise over a slow wave, one by one."""
    import tifffile

    rng = np.random.default_rng(0)
    wave = 100 + np.outer(*[300 * (1 + np.sin(np.arange(side) / 37)) / 17] * 2)
    options = {"contiguous": True, "metadata": {"axes": "ZYX"}}
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        pages = (rng.poisson(wave).astype(np.uint16) for _ in range(slices))
        writer.write(pages, shape=(slices, side, side), dtype="uint16", **options)


def make(path: Path, side: int) -> None:
    """Write a uint16 image of side x side pixels, shot noise over a slow wave, by bands."""
    rng = np.random.default_rng(0)
    wave = 300 * (1 + np.sin(np.arange(side) / 37))
    if path.suffix == ".zarr":
        import zarr

        group = zarr.open_group(str(path), mode="w")
        axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
        level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.2, 0.2]}]}
        group.attrs["ome"] = {
            "version": "0.5",
            "multiscales": [{"axes": axes, "datasets": [level]}],
        }
        out = group.create_array("0", shape=(side, side), chunks=(ROWS, ROWS), dtype="uint16")
    else:
        import tifffile

        out = tifffile.memmap(path, shape=(side, side), dtype="uint16", bigtiff=True)
    for top in range(0, side, ROWS):
        rows = min(ROWS, side - top)
        band = 100 + np.outer(1 + np.cos(np.arange(top, top + rows) / 29), wave)
        out[top : top + rows] = rng.poisson(band).astype(np.uint16)
        if hasattr(out, "flush"):
            out.flush()


def main() -> None:
    """Make the image, denoise it, print time and memory, clean up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--format", choices=("tif", "zarr"), default="tif")
    parser.add_argument("--slices", type=int, default=1)
    parser.add_argument("--words", nargs="+", default=SMALL)
    given = parser.parse_args()
    if given.slices > 1 and given.format != "tif":
        parser.error("stacks are written as tif")
    side = int((given.gigabytes * 2**30 / 2 / given.slices) ** 0.5)
    folder = given.folder / "benchmark_memory"
    folder.mkdir(parents=True)
    try:
        suffix = "ome.zarr" if given.format == "zarr" else "tif"
        folder = folder.absolute()
        source = folder / f"large.{suffix}"
        # by a process of its own, whose mapped pages are not counted as this one's
        call = f"make({source!r}, {side})" if given.slices == 1 else ""
        call = call or f"make_stack({source!r}, {side}, {given.slices})"
        program = (
            f"from pathlib import PosixPath, WindowsPath; import benchmark_memory as b; b.{call}"
        )
        command = [sys.executable, "-c", program]
        subprocess.run(command, check=True, cwd=Path(__file__).parent)
        size = given.slices * side * side * 2 / 2**30
        print(f"{source.name}: {given.slices} x {side} x {side} pixels, uint16, {size:.2f} GiB")
        command = [
            *(sys.executable, "-m", "bioreco", "denoise", str(source)),
            *(*given.words, f"hydra.run.dir={folder / 'run'}"),
        ]
        began = time.monotonic()
        subprocess.run(command, check=True)
        seconds = time.monotonic() - began
        peak = json.loads((folder / "run" / "metrics.json").read_text())["peak_memory_mb"]
        result = folder / f"large_denoised.{suffix}"
        size = sum(f.stat().st_size for f in [result, *result.rglob("*")] if f.is_file())
        print(f"{result.name}: {size / 2**30:.2f} GiB, {seconds:.0f} s, peak memory {peak} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
