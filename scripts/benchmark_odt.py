"""How far does projectionGAN fill the missing cone? Three seeds beside its baselines.

    python scripts/benchmark_odt.py [--folder FOLDER] [--seeds 0,1,2] [key=value ...]

Each seed is another set of 16 simulated cells to learn from, and 2 others to score. What is looked
for: `in_cone_correlation` of at least 0.5 where Gerchberg-Papoulis has at most about 0.2, and an
`index_bias` of at most 0.1, within 45 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

KEYS = ("psnr", "ssim_xy", "ssim_xz", "in_cone_correlation", "index_bias")
DOUBTS = ("data_residual", "residual_over_sigma", "cycle_residual", "empty_output", "axes_doubt")


def run(folder: Path, seed: int, more: list[str]) -> dict[str, Any]:
    """Train on one seed, unless that was done before; return its metrics."""
    place = folder.absolute() / f"seed_{seed}"
    written = place / "metrics.json"
    if not written.exists() or json.loads(written.read_text())["status"] != "finished":
        line = [sys.executable, "-m", "bioreco", "train", "method=projectiongan", "data=odt"]
        subprocess.run([*line, f"seed={seed}", f"hydra.run.dir={place}", *more], check=True)
    found: dict[str, Any] = json.loads(written.read_text())
    return found


def main() -> None:
    """Run all seeds and print the means with their spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("outputs/benchmark_odt"))
    parser.add_argument("--seeds", default="0,1,2")
    known, more = parser.parse_known_args()
    seeds = [int(seed) for seed in known.seeds.split(",")]
    runs = [run(known.folder, seed, more) for seed in seeds]
    keys = [*KEYS, *(key for key in DOUBTS if key in runs[0]["test"])]
    print(f"{'':20}" + "".join(f"{key:>26}" for key in keys))
    for name in ("projectiongan", *runs[0]["baselines"]):
        row = f"{name:20}"
        for key in keys:
            columns = [{**one["baselines"], "projectiongan": one["test"]} for one in runs]
            each = [one[name][key] for one in columns if key in one[name]]
            told = f"{np.mean(each):16.3f} +- {np.std(each):6.3f}" if each else "-"
            row += f"{told:>26}"
        print(row)
    seconds = [one["seconds"]["train"] for one in runs]
    print(f"training: {np.mean(seconds):.0f} s, {runs[0]['steps']} steps, seeds {seeds}")


if __name__ == "__main__":
    main()
