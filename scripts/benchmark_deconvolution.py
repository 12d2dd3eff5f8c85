"""Deconvolve simulated images by every method, seed by seed, and print the table.

Run as `python scripts/benchmark_deconvolution.py FOLDER [--seeds 0 1 2] [--steps 4000]`. Columns:
Wiener, Richardson-Lucy without and with total variation (iterations chosen on two other images),
OT-cycleGAN with the PSF known, learnt (from a Gaussian of 2.2 pixels, more than half again as wide
as it is: a correlation of 0.91), and with a network for H (the cycleGAN of two networks), and the
oracle: a supervised U-Net of the same size, which learns from the sharp domain, blurred and
made noisy as the measurements are. All are scored on the measurements, whose truth none has seen.
FOLDER keeps the runs; a run that is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from bioreco.data.deconvolution import APART, SEEN
from bioreco.data.simulation.blurred import Simulated, Simulation
from bioreco.metrics.fidelity import psnr
from bioreco.operators.optics import Optics

SPACING = (65.0, 65.0)
PSF = "gibson_lanni"
BLIND = {
    "known PSF": ["baselines=[wiener,richardson_lucy,richardson_lucy_tv]"],
    "learnt PSF": ["forward=learnable_psf", "forward.sigma=2.2", "baselines=[]"],
    "network for H": ["forward=network", "baselines=[]"],
}
SHOWN = ("psnr", "ssim", "residual_over_sigma", "cycle_residual", "empty_output", "psf_correlation")


def bioreco(folder: Path, *words: str) -> dict[str, Any]:
    """Run a command unless it has been; return what its metrics.json says."""
    found = folder / "metrics.json"
    if not found.exists() or json.loads(found.read_text())["status"] != "finished":
        line = [sys.executable, "-m", "bioreco", *words, f"hydra.run.dir={folder}"]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    values: dict[str, Any] = json.loads(found.read_text())
    return values


def unpaired(folder: Path, seed: int, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the scores of all methods that learn from no pairs."""
    columns: dict[str, dict[str, Any]] = {}
    common = ["method=ot_cyclegan", f"seed={seed}", f"trainer.steps={given.steps}"]
    common += [f"data.simulation.count={given.count}", *given.options]
    for name, words in BLIND.items():
        if name not in given.columns:
            continue
        found = bioreco(folder / name.replace(" ", "_"), "train", *common, *words)
        columns |= {key: one for key, one in found["baselines"].items() if key not in columns}
        columns[f"OT-cycleGAN, {name}"] = found["test"] | {"seconds": found["seconds"]["train"]}
    return columns


def supervised(folder: Path, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return the scores of a U-Net that learnt from the sharp domain in pairs."""
    what = Simulation(count=given.count)
    made = Simulated(what.shape, SPACING, PSF, Optics(), what, seed)
    parts = {"learn": made.pairs(APART, what.apart(2)), "test": made.pairs(SEEN, given.count)}
    for part, pairs in parts.items():
        for k, pair in enumerate(pairs):
            for name, frames in zip(("y", "x"), pair, strict=True):
                path = folder / part / name / f"{k:03d}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, frames.read(0)[0], metadata={"axes": "YX"})
    learn = folder / "learn"
    words = ["method=supervised", "data=files", f"data.paths=[{learn}/y]", f"seed={seed}"]
    words += [f"data.reference=[{learn}/x]", f"trainer.steps={given.steps}", *given.options]
    found = bioreco(folder / "train", "train", *words, "baselines=[]")
    out = folder / "out"
    if not out.exists():
        files = ["infer", f"run={folder / 'train'}", f"{folder / 'test' / 'y'}", "-o", f"{out}/"]
        bioreco(folder / "infer", *files)
    results = sorted(out.glob("*.tif"))
    truths = [x.read(0)[0] for _, x in parts["test"]]
    each = [psnr(tifffile.imread(one), x) for one, x in zip(results, truths, strict=True)]
    return {"psnr": float(np.mean(each)), "seconds": found["seconds"]["train"]}


def told(columns: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Print means and standard deviations over the seeds."""
    print(f"{'':32s}" + "".join(f"{key:>22s}" for key in SHOWN))
    for name, each in columns.items():
        cells = []
        for key in SHOWN:
            values = [one[key] for one in each if key in one]
            mean, spread = (np.mean(values), np.std(values)) if values else (np.nan, np.nan)
            cells.append(f"{mean:13.3f} +-{spread:6.3f}" if values else "-".rjust(22))
        print(f"{name:32s}" + "".join(cells))


def main() -> None:
    """Run all methods on all seeds; print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--count", type=int, default=32, help="measured images")
    every = [*BLIND, "supervised"]
    parser.add_argument("--columns", nargs="+", default=every, choices=every)
    parser.add_argument("--options", nargs="*", default=[], help="more words for bioreco train")
    given = parser.parse_args()
    columns: dict[str, list[dict[str, Any]]] = {}
    for seed in given.seeds:
        folder = given.folder.absolute() / f"seed_{seed}"
        found = unpaired(folder, seed, given)
        if "supervised" in given.columns:
            found["supervised U-Net (oracle)"] = supervised(folder / "supervised", seed, given)
        for name, values in found.items():
            columns.setdefault(name, []).append(values)
        told(columns)
    (given.folder / "table.json").write_text(json.dumps(columns, indent=1))


if __name__ == "__main__":
    main()
