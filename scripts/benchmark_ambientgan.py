"""Compare a generator that knows how images were measured with ones that do not.

Run as `python scripts/benchmark_ambientgan.py [--seeds 0,1,2] [--steps 500]`. Three generators with
the same networks and steps learn from the same blurred, noisy sprites: as AmbientGAN, from the
images as they are, and from Wiener's estimates of them (the balance nearest to clean images).
Prints the sliced Wasserstein distance of each to clean sprites, and those of the images themselves.

Seen with 250 steps, about 60 processor seconds each:

| seed | AmbientGAN | learnt as they are | learnt from Wiener's | as they are | Wiener's | clean |
|---|---|---|---|---|---|---|
| 0 | 0.034 | 0.094 | 0.098 | 0.096 | 0.035 | 0.004 |
| 1 | 0.037 | 0.096 | 0.100 | 0.099 | 0.037 | 0.005 |
| 2 | 0.026 | 0.091 | 0.094 | 0.098 | 0.037 | 0.005 |
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bioreco.cli.generated import Sets, deblurred
from bioreco.data.sprites import Sprites
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import collate
from bioreco.methods.ambientgan import AmbientGAN
from bioreco.methods.method import Facts
from bioreco.metrics.distributions import sliced_wasserstein
from bioreco.networks.critic import Critic
from bioreco.networks.generator import Generator
from bioreco.operators.blur import Blur
from bioreco.operators.identity import Identity

SETTINGS = {"steps": 500, "box": 20, "noise": 0.2, "sigma": 1.2, "batch": 64}


class Images:
    """Images (n, y, x) as samples."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, draw: tuple[int, int]) -> Mapping[str, Any]:
        return {"y": self.values[draw[0]][None], "seed": np.int64(draw[1])}

    def validation(self) -> Sequence[Mapping[str, Any]]:
        """Return two fixed batches."""
        return [{"y": self.values[k : k + 32, None]} for k in (0, 32)]


def method(box: int, model: Any, noise: Any) -> AmbientGAN:
    """Return a method as `bioreco train method=ambientgan` makes it."""
    return AmbientGAN(model, Generator, Critic, box, 1, noise=noise)


def learnt(made: AmbientGAN, images: np.ndarray, seed: int, said: Mapping[str, Any]) -> np.ndarray:
    """Train on images and return 1000 that are drawn, on the same scale."""
    samples = Images(images)
    made.prepare(Facts(batch=collate([samples[k, k] for k in range(512)])))
    adam = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.9))
    options = Options(
        steps=said["steps"], batch_size=said["batch"], ema=0.99, clip=None,
        validate_every=10**6, checkpoint_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fit(
            made,
            samples,
            {"critic": adam, "generator": adam},
            options=options,
            runtime=Runtime("cpu"),
            folder=Path(folder),
            seed=seed,
            extras={"config": {}},
        )
    return made.generate(1000, seed)[:, 0].numpy()


def compare(seed: int, said: Mapping[str, Any]) -> dict[str, float]:
    """Return the distances of one seed."""
    box = int(said["box"])
    data = Sprites(
        seed=seed, particles=4000, box=box, noise=said["noise"], sigma=said["sigma"],
        turn=30.0, shift=1.0,
    )  # fmt: skip
    samples = data.training()
    measured = np.stack([samples[k, 0]["y"][0] for k in range(len(samples))])
    clean, other = np.split(data.clean(2000) / np.float32(data.unit), 2)
    blur = Blur(2, None, None, psf="gaussian", sigma=said["sigma"], boundary="zero")
    torch.manual_seed(seed)
    ambient = method(box, blur, "estimated")
    drawn = {"ambientgan": learnt(ambient, measured, seed, said)}
    sharp = deblurred(ambient, Sets(measured, clean, other, 0.0, 1.0))
    for name, images in (("trained on noisy", measured), ("trained on wiener", sharp)):
        torch.manual_seed(seed)
        drawn[name] = learnt(method(box, Identity(), "none"), images, seed, said)
    drawn |= {"noisy": measured[:1000], "wiener": sharp[:1000], "clean": other}
    return {
        name: round(sliced_wasserstein(images, clean) * data.unit, 5)
        for name, images in drawn.items()
    }


def main() -> None:
    """Print a line of JSON for each seed."""
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2")
    for name, value in SETTINGS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    for seed in map(int, options.pop("seeds").split(",")):
        began = time.process_time()
        found = compare(seed, options)
        seconds = round(time.process_time() - began, 1)
        print(json.dumps({"seed": seed, **options, "seconds": seconds, **found}), flush=True)


if __name__ == "__main__":
    main()
