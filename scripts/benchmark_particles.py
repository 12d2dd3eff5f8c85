"""Learn a volume from a particle stack far larger than memory, and print the peak.

Run as `python scripts/benchmark_particles.py FOLDER [--gigabytes 10] [--steps 20]`. FOLDER gets a
sparse stack: every image is named by its STAR file and read, but only a row of each takes disk.
Batches alone are drawn first, then cryoGAN is trained for some steps and leaves its run in
FOLDER/run.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BOX = 256


def make(folder: Path, count: int) -> Path:
    """Write a stack of float32 images, noise in their first rows, and its STAR file."""
    from bioreco.data.mrcheader import SIZE, fresh

    header = fresh()
    header.put("n", BOX, BOX, count)
    header.put("m", BOX, BOX, 1)
    header.put("mode", 2)
    header.put("cell", 1.5 * BOX, 1.5 * BOX, 1.5)
    header.data[88:92] = struct.pack("<i", 0)
    rng = np.random.default_rng(0)
    rows = 4
    with (folder / "particles.mrcs").open("wb") as file:
        file.write(header.data)
        for k in range(count):
            file.seek(SIZE + k * BOX * BOX * 4)
            file.write(rng.standard_normal((rows, BOX), dtype=np.float32).tobytes())
        file.truncate(SIZE + count * BOX * BOX * 4)
    star = folder / "particles.star"
    with star.open("w") as file:
        file.write("data_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n")
        file.write("_rlnSphericalAberration #3\n_rlnAmplitudeContrast #4\n_rlnImagePixelSize #5\n")
        file.write("1 300.0 2.7 0.1 1.5\n\ndata_particles\n\nloop_\n_rlnImageName #1\n")
        file.write("_rlnOpticsGroup #2\n_rlnDefocusU #3\n_rlnDefocusV #4\n_rlnDefocusAngle #5\n")
        for k in range(count):
            u, angle = rng.uniform(10000, 25000), rng.uniform(0, 180)
            file.write(f"{k + 1:06d}@particles.mrcs 1 {u:.2f} {u - 300:.2f} {angle:.2f}\n")
    return star


def trained(options: argparse.Namespace, star: Path) -> dict[str, float]:
    """Train cryoGAN on the stack, and return its seconds and the peak of its memory."""
    run = options.folder.absolute() / "run"
    words = ["method=cryogan", "data=cryoem", f"data.paths=[{star}]", "data.contrast=white"]
    words += [f"data.box={options.box}", f"trainer.steps={options.steps}", f"hydra.run.dir={run}"]
    line = [sys.executable, "-m", "bioreco", "train", *words]
    started = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    told = json.loads((run / "metrics.json").read_text())
    return {
        "training_steps": options.steps,
        "training_seconds": round(time.perf_counter() - started, 1),
        "training_peak_memory_mb": told["peak_memory_mb"],
    }


def main() -> None:
    """Write the stack, draw from it, print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    from bioreco.data.cryoem import CryoEMData
    from bioreco.engine.runtime import Runtime
    from bioreco.engine.sampler import loader

    options.folder.mkdir(parents=True, exist_ok=True)
    count = int(options.gigabytes * 1e9 / (BOX * BOX * 4))
    star = make(options.folder, count)
    started = time.perf_counter()
    data = CryoEMData(seed=0, paths=str(star), box=options.box, contrast="white")
    opened = time.perf_counter()
    samples = data.training()
    runtime = Runtime("cpu")
    stop = options.batches
    for _ in loader(samples, 32, seed=0, start=0, stop=stop, workers=0, runtime=runtime):
        pass
    drawn = time.perf_counter()
    stack = options.folder / "particles.mrcs"
    told = {
        "particles": count,
        "stack_gigabytes": round(stack.stat().st_size / 1e9, 2),
        "seconds_to_open_and_check": round(opened - started, 1),
        "milliseconds_per_batch_of_32": round(1e3 * (drawn - opened) / stop, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(told | trained(options, star)))


if __name__ == "__main__":
    main()
