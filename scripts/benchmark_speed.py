"""Training and prediction speed beside a bare PyTorch loop with the same network.

Run as `python scripts/benchmark_speed.py`. The two take turns on one machine, several rounds of
each; the medians and their ratio are printed. Peak memory of predicting 2048 x 2048 pixels is that
of a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

from bioreco.data.normalisation import Normalisation
from bioreco.data.synthetic import Synthetic
from bioreco.engine.fit import fit
from bioreco.engine.inference import Inference
from bioreco.engine.options import Options
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.noise2self import Noise2Self
from bioreco.methods.noise2void import Noise2Void
from bioreco.networks.unet import UNet

PATCH, SIDE, TILE, HALO = 64, 2048, 256, 24
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
METHODS = {"n2v": Noise2Void, "n2s": Noise2Self}


def network(channels: int, layout: torch.memory_format = torch.contiguous_format) -> UNet:
    """Return the network that all are timed with."""
    torch.manual_seed(0)
    found = UNet(1, 1, 2, channels=channels)
    for parameter in found.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=layout)
    return found


def bare_training(channels: int, batch: int, steps: int, layout: torch.memory_format) -> float:
    """Return patches a second of a loop that does nothing but train on one masked batch."""
    net = network(channels, layout)
    adam = torch.optim.Adam(net.parameters(), 2e-3, fused=True)
    y = torch.randn(batch, 1, PATCH, PATCH)
    mask = (torch.rand_like(y) < 0.06).float()
    began = time.perf_counter()
    for _ in range(steps):
        loss = ((net(y) - y) ** 2 * mask).sum() / mask.sum()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    return steps * batch / (time.perf_counter() - began)


def training(name: str, channels: int, batch: int, steps: int, data: Synthetic) -> float:
    """Return patches a second of bioreco's engine: patches, masks, clipping, averaging, rows, all.

    Counted between the first and the last row but one of metrics.csv, so that the pictures and
    checkpoints at both ends, which cost the same however long a run is, are left out.
    """
    samples, _ = data.training()
    method = METHODS[name](network(channels))
    never = 10**9
    options = Options(
        steps=steps,
        batch_size=batch,
        validate_every=never,
        checkpoint_every=never,
        log_every=max(1, steps // 10),
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(
            method,
            samples,
            {"network": lambda p: torch.optim.Adam(p, 2e-3, fused=True)},
            options=options,
            runtime=Runtime("cpu"),
            folder=Path(folder),
            seed=0,
            extras={"config": {}},
        )
        with (Path(folder) / "metrics.csv").open() as file:
            rows = [(float(row["step"]), float(row["seconds"])) for row in csv.DictReader(file)]
    (first, began), (last, ended) = rows[0], rows[-2]
    return (last - first) * batch / (ended - began)


@torch.no_grad()
def bare_prediction(channels: int, image: np.ndarray, layout: torch.memory_format) -> float:
    """Return megapixels a second of the network on tiles with the same halo, and nothing else."""
    net = network(channels, layout).eval()
    core = TILE - 2 * HALO
    padded = torch.nn.functional.pad(
        torch.from_numpy(image)[None], [HALO, TILE] * 2, mode="reflect"
    )
    began = time.perf_counter()
    for top in range(0, SIDE, core):
        for left in range(0, SIDE, core):
            tile = padded[..., top : top + TILE, left : left + TILE].contiguous()
            net(tile)[..., HALO:-HALO, HALO:-HALO].numpy()
    return SIDE * SIDE / 1e6 / (time.perf_counter() - began)


def prediction(channels: int, data: Synthetic) -> float:
    """Return megapixels a second of bioreco's tiled prediction."""
    frames = data.images[0]
    scale = Normalisation.of([frames.read(0)])
    predictor = Predictor(
        Noise2Self(network(channels)),
        scale,
        Runtime("cpu"),
        inference=Inference(augment="false"),
        allowed="turn",
        joint=False,
    )
    out = np.zeros((1, SIDE, SIDE), dtype=np.float32)

    def write(_: int, region: Sequence[slice], values: np.ndarray, __: object) -> None:
        out[:, *region] = values

    began = time.perf_counter()
    predictor.run(frames, write, lambda _: None)
    return SIDE * SIDE / 1e6 / (time.perf_counter() - began)


def compare(unit: str, rounds: int, runs: dict[str, Callable[[], float]]) -> None:
    """Print the median of each and its ratio to the best bare loop."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    middle = {name: median(values) for name, values in found.items()}
    best = max(value for name, value in middle.items() if name.startswith("bare"))
    for name, value in middle.items():
        spread = f"{min(found[name]):.4g} to {max(found[name]):.4g}"
        print(
            f"  {name:28s}{value:8.4g} {unit}  ({spread})  {value / best:.2f} of the best bare loop"
        )


def memory(channels: int) -> None:
    """Print the peak memory of predicting one 2048 x 2048 image in a process of its own."""
    code = (
        "import sys, resource; sys.path.insert(0, sys.argv[1]); import benchmark_speed as b;"
        "d = b.Synthetic(seed=0, count=1, size=b.SIDE); b.prediction(int(sys.argv[2]), d);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(channels)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"  peak memory of predicting {SIDE} x {SIDE}: {done.stdout.split()[-1]} MB")


def main() -> None:
    """Time everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    channels, steps = given.channels, given.steps
    threads = torch.get_num_threads()
    print(f"U-Net of {channels} channels, depth 2; {threads} threads; torch {torch.__version__}")
    data = Synthetic(seed=0, count=1, size=512)
    for batch in (4, 16):
        print(f"training, {PATCH} x {PATCH} patches, batches of {batch}:")
        count = max(10, steps * 4 // batch)
        runs: dict[str, Callable[[], float]] = {
            f"bare loop, {name}": partial(bare_training, channels, batch, count, layout)
            for name, layout in LAYOUTS.items()
        }
        runs |= {
            f"bioreco {name}": partial(training, name, channels, batch, count, data)
            for name in METHODS
        }
        compare("patches/s", given.rounds, runs)
    print(f"prediction, {SIDE} x {SIDE} pixels, tiles of {TILE} with a halo of {HALO}:")
    large = Synthetic(seed=0, count=1, size=SIDE)
    image = large.images[0].read(0)
    compare(
        "MP/s",
        2 * given.rounds,
        {
            f"bare loop, {name}": partial(bare_prediction, channels, image, layout)
            for name, layout in LAYOUTS.items()
        }
        | {"bioreco": lambda: prediction(channels, large)},
    )
    memory(channels)


if __name__ == "__main__":
    main()
