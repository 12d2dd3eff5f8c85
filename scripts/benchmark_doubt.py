"""Plant false beads and filaments into the results of a run, and see whether its maps tell them.

Run as `python scripts/benchmark_doubt.py RUN [--seeds 0 1 2] [--brightness 0.5]`, with a run of
`bioreco train method=ot_cyclegan` on simulated images. What is planted is as sharp as a result, and
`brightness` times as bright as its 99th percentile above the background. Prints the area under the
curve (AUC) of each map: the share of (planted pixel, other pixel) pairs that it puts in order.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf
from scipy import ndimage
from scipy.stats import rankdata

from bioreco.build import build
from bioreco.cli.assembly import keep, restore
from bioreco.cli.doubting import maps
from bioreco.cli.learning import look_at_noise
from bioreco.engine.inference import Inference
from bioreco.engine.runtime import Runtime
from bioreco.engine.wiener import noise_variance

BEADS, FILAMENTS, LENGTH, WIDTH = 12, 4, 20.0, 1.0  # in an image of 128 x 128; pixels
DARK, BRIGHT = 0.01, 0.99  # quantiles
PLANTED, FREE = 0.5, 0.01  # of its peak: what counts as planted, and what as not touched


def planted(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return beads and filaments (y, x) of peak about 1 on nothing."""
    points = np.zeros(shape)
    share = shape[0] * shape[1] / 128**2
    for _ in range(max(1, round(BEADS * share))):
        points[tuple(rng.integers(6, [n - 6 for n in shape]))] = 1
    for _ in range(max(1, round(FILAMENTS * share))):
        angle, start = rng.uniform(0, np.pi), rng.uniform(20, [n - 20 for n in shape])
        along = np.linspace(-LENGTH / 2, LENGTH / 2, 4 * int(LENGTH))
        places = start + along[:, None] * [np.sin(angle), np.cos(angle)]
        at = np.clip(np.round(places).astype(int), 0, np.array(shape) - 1)
        points[tuple(at.T)] = 0.4
    found = ndimage.gaussian_filter(points, WIDTH) * 2 * np.pi * WIDTH**2
    kept: NDArray[np.float32] = np.clip(found, 0, 1).astype(np.float32)
    return kept


def auc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Return the area under the receiver operating characteristic."""
    ranks = rankdata(scores)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def main() -> None:
    """Plant, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--brightness", type=float, default=0.5)
    parser.add_argument("--images", type=int, default=8)
    given = parser.parse_args()
    runtime = Runtime("cpu", "32-true")
    kept = keep(given.run)
    predictor = restore(kept).predictor(runtime, Inference())
    node = OmegaConf.create({**kept.state["config"]["data"], "seed": kept.state["config"]["seed"]})
    data: Any = build(node, "data")
    noise = look_at_noise(data.images)
    results = {path.name: path for path in (given.run / "results").glob("*.tif")}
    import tifffile

    for seed in given.seeds:
        scores: dict[str, list[float]] = {}
        for k, image in enumerate(data.images[: given.images]):
            y, variance = image.read(0), noise_variance(noise[image.image.name])
            x = tifffile.imread(results[image.image.name])[None].astype(np.float32)
            shape = planted(x.shape[1:], np.random.default_rng([seed, k]))
            size = np.quantile(x, BRIGHT) - np.quantile(x, DARK)
            found = maps(predictor, y, x + given.brightness * size * shape, variance)
            sure = (shape > PLANTED) | (shape < FREE)
            for name, values in found.items():
                scores.setdefault(name, []).append(auc(values[0][sure], shape[sure] > PLANTED))
        means = {name: round(float(np.mean(each)), 4) for name, each in scores.items()}
        print(json.dumps({"seed": seed, "images": given.images, "auc": means}))


if __name__ == "__main__":
    main()
