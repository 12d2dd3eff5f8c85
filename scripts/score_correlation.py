"""How well the score without a truth ranks, measured where the truth is known.

Run as `python scripts/score_correlation.py NOISY TRUTH [--steps 100 200 300] [--methods n2v n2s]`
with two folders matched as in `benchmark_fmd.py`. For each image and method it trains once,

    bioreco train method=M data=files data.paths=[NOISY] data.reference=[TRUTH]
        trainer.checkpoint_every=STEP trainer.steps=LAST

and keeps what would be reported after each of the steps. Each of these is scored with and without
the truth, in one orientation. Gaussian filters take part as denoisers that learn nothing. For each
image it prints Spearman's correlation of the two, and how many decibels are lost by picking with
the score instead of the truth: of all, and of the trained ones alone. PSNR is that after the best
scale and offset, since an exposure may be brighter or darker than the truth.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from benchmark_fmd import pairs
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from bioreco.cli.assembly import keep, restore
from bioreco.cli.learning import look_at_noise
from bioreco.data.formats import open_image
from bioreco.data.frames import Frames
from bioreco.data.normalisation import Normalisation
from bioreco.engine import heldout
from bioreco.engine.crops import crops
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Batch, Estimate, Method
from bioreco.metrics.fidelity import psnr, si_psnr

WIDTHS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


class Gaussian(Method):
    """A filter as a method."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def reconstruct(self, batch: Batch) -> Estimate:
        """Filter the plane."""
        width = (0, 0, self.width, self.width)
        return Estimate(torch.from_numpy(gaussian_filter(batch["y"].numpy(), width)))


def trained(
    noisy: Path, truth: Path, method: str, steps: list[int], more: list[str]
) -> Iterator[tuple[str, Method, Normalisation]]:
    """Yield (name, method, scale) after each number of steps; training goes on in between."""
    with tempfile.TemporaryDirectory() as folder:
        for number, step in enumerate(steps):
            begin = [
                *("train", f"method={method}", "data=files", f"data.paths=['{noisy}']"),
                *(f"data.reference=['{truth}']", "trainer.schedule=constant"),
                *("inference.augment=false", f"hydra.run.dir={folder}", *more),
            ]
            command = begin if number == 0 else ["resume", folder]
            subprocess.run(
                [sys.executable, "-m", "bioreco", *command, f"trainer.steps={step}"],
                check=True,
                capture_output=True,
            )
            found = restore(keep(Path(folder)))
            yield f"{method} {step}", found.method, found.scale


def measured(predictor: Predictor, frames: Frames, truth: np.ndarray) -> tuple[float, float, float]:
    """Return the PSNR, that after the best scale and offset, and the score without the truth."""
    noise = list(look_at_noise([frames]).values())
    chosen = crops([frames], noise, pixels=heldout.PIXELS)
    if not chosen:
        raise SystemExit(f"{frames.image.name}: {heldout.why_not(noise)}")
    result = heldout.reconstructed(predictor, frames.read(0)[None], {})[0, 0]
    error = heldout.judged(predictor, chosen, folds=heldout.FOLDS)
    return psnr(result, truth), si_psnr(result, truth), error


def ranked(name: str, rows: list[tuple[str, float, float, float]]) -> str:
    """Return the correlation and what is lost, of some of the denoisers of an image."""
    true = np.array([row[2] for row in rows])
    score = -np.array([row[3] for row in rows])
    picked = int(score.argmax())
    return (
        f"{name}: {len(rows)} denoisers, Spearman {spearmanr(true, score)[0]:.3f}, picked"
        f" {rows[picked][0]}, lost {true.max() - true[picked]:.2f} dB against"
        f" {rows[int(true.argmax())][0]}"
    )


def main() -> None:
    """Print every score, and a summary of each image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 200, 300])
    parser.add_argument("--methods", nargs="+", default=["n2v", "n2s"])
    parser.add_argument("--only", nargs="+", help="names to take")
    parser.add_argument("--with", nargs="+", dest="more", default=[], help="more options")
    given = parser.parse_args()
    for name, noisy, truth in pairs(given.noisy, given.truth):
        if given.only and name not in given.only:
            continue
        frames, clean = Frames(open_image(noisy), 2), open_image(truth).read().astype(np.float64)
        scale = Normalisation.of([frames.read(0)])
        made: list[tuple[str, Method, Normalisation]]
        made = [(f"gaussian {w:g}", Gaussian(w), scale) for w in WIDTHS]
        rows = []
        for method in given.methods:
            for one in trained(noisy, truth, method, given.steps, given.more):
                made.append(one)
        for label, method, scale in made:
            predictor = Predictor(
                method, scale, Runtime("cpu"), inference=Inference(), allowed="turn", joint=False
            )
            rows.append((label, *measured(predictor, frames, clean)))
            print(f"  {label:14s} psnr {rows[-1][1]:6.2f}  si_psnr {rows[-1][2]:6.2f}"
                  f"  heldout_error {rows[-1][3]:8.4f}", flush=True)  # fmt: skip
        print(ranked(name, rows))
        print(ranked(f"{name}, trained", rows[len(WIDTHS) :]), flush=True)


if __name__ == "__main__":
    main()
