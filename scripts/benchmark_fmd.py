"""PSNR of methods on noisy images with a known truth, after a given time or number of steps.

Run as `python scripts/benchmark_fmd.py NOISY TRUTH --seconds 60 180` with two folders, or, for
numbers that don't depend on what else the machine does, with `--steps 2800 8400`. Each noisy file
NAME_1.png (or NAME.tif) is matched with NAME.png (.tif) of the other. It runs, for each image,

    bioreco train method=M data=files data.paths=[NOISY] data.reference=[TRUTH]
        trainer.steps=STEPS (or 1000000 and trainer.time_limit=SECONDS)

and prints a Markdown table beside the best plain Gaussian filter, whose width is chosen with the
truth. The truth is used for scoring alone. Methods that aren't trained (`--methods gaussian nlm`)
run once, whatever the seconds. Each cell holds the PSNR with a peak of 255, and the
PSNR after the best scale and offset with the range of the truth as the peak: an exposure may be
brighter or darker than the truth, which no denoiser should undo.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from bioreco.cli.baselines import known
from bioreco.data.formats import find_images, open_image
from bioreco.metrics.fidelity import psnr, si_psnr

WIDTHS = np.arange(0.4, 5.0, 0.1)


def pairs(noisy: Path, truth: Path) -> list[tuple[str, Path, Path]]:
    """Match noisy files with their truth by name; of several exposures only the first counts."""
    clean = {Path(path).stem: Path(path) for path in find_images([str(truth)])}
    found = []
    for path in map(Path, find_images([str(noisy)])):
        name = path.stem.removesuffix("_1")
        if name in clean:
            found.append((name, path, clean[name]))
    return found


def best_gaussian(noisy: Path, truth: Path) -> dict[str, float]:
    """Return the scores of Gaussian filters, each of the best width for it, with the truth."""
    y = open_image(noisy).read().astype(np.float64)
    x = open_image(truth).read().astype(np.float64)
    smooth = [gaussian_filter(y, width) for width in WIDTHS]
    return {
        "psnr_255": max(psnr(image, x, data_range=255) for image in smooth),
        "si_psnr": max(si_psnr(image, x) for image in smooth),
    }


def cell(scores: dict[str, float]) -> str:
    """Return two scores as a cell: PSNR with peak 255, and after the best scale and offset."""
    return f"{scores['psnr_255']:.2f} / {scores['si_psnr']:.2f}"


def trained(method: str, noisy: Path, truth: Path, more: list[str]) -> dict[str, Any]:
    """Run one training; return its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "bioreco", "train", f"method={method}", "data=files"),
            *(f"data.paths=['{noisy}']", f"data.reference=['{truth}']"),
            *(f"hydra.run.dir={folder}", *more),
        ]
        subprocess.run(command, check=True, capture_output=True)
        metrics: dict[str, Any] = json.loads((Path(folder) / "metrics.json").read_text())
        return metrics


def main() -> None:
    """Print the table, a row an image, as it fills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("truth", type=Path)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--seconds", type=float, nargs="+", default=[])
    either.add_argument("--steps", type=int, nargs="+", default=[])
    parser.add_argument("--methods", nargs="+", default=["n2v", "n2s"])
    parser.add_argument("--only", nargs="+", help="names to take")
    parser.add_argument("--with", nargs="+", dest="more", default=[], help="more options")
    given = parser.parse_args()
    budgets = {
        f"{s:g} s": ["trainer.steps=1000000", f"trainer.time_limit={s:g}"] for s in given.seconds
    }
    budgets |= {f"{n} steps": [f"trainer.steps={n}"] for n in given.steps}
    untrained = known()
    runs: list[tuple[str, str, list[str]]] = [(m, m, []) for m in given.methods if m in untrained]
    runs += [
        (m, f"{m}, {told}", options)
        for told, options in budgets.items()
        for m in given.methods
        if m not in untrained
    ]
    titles = ["image", "input", "best Gaussian", *[title for _, title, _ in runs]]
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles), flush=True)
    for name, noisy, truth in pairs(given.noisy, given.truth):
        if given.only and name not in given.only:
            continue
        row = [cell(best_gaussian(noisy, truth))]
        steps = []
        walls = []
        for method, _, budget in runs:
            began = time.monotonic()
            metrics = trained(method, noisy, truth, [*budget, *given.more])
            walls.append(round(time.monotonic() - began, 1))
            row.append(cell(metrics["test"]))
            steps.append(metrics["steps"])
        cells = [name, cell(metrics["baselines"]["input"]), *row]
        print("| " + " | ".join(cells) + f" | <!-- steps {steps}, s {walls} -->", flush=True)


if __name__ == "__main__":
    main()
