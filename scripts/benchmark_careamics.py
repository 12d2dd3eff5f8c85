"""PSNR of CAREamics' Noise2Void on one image with a known truth, after a given time of training.

Run as `python scripts/benchmark_careamics.py NOISY TRUTH --seconds 60` in an environment of its own
(`pip install careamics==0.3.5 imageio`), in turns with

    bioreco train method=n2s data=files data.paths=[NOISY] data.reference=[TRUTH]
        trainer.steps=1000000 trainer.time_limit=60

Patches of 64 x 64 in batches of 16, everything else as it comes. The scores are those of
`benchmark_fmd.py`: PSNR with a peak of 255, and after the best scale and offset with the range of
the truth as the peak.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import imageio.v3 as imageio
import numpy as np
from careamics import CAREamist
from careamics.config import create_advanced_n2v_config
from pytorch_lightning.callbacks import Callback


class Stop(Callback):  # type: ignore[misc]
    """Ends training after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began, self.steps = seconds, 0.0, 0

    def on_train_start(self, *_: object) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, *_: object, **__: object) -> None:
        """Look at it."""
        self.steps = trainer.global_step
        trainer.should_stop = time.perf_counter() - self.began > self.seconds


def scores(x: np.ndarray, truth: np.ndarray) -> str:
    """Return the PSNR with peak 255, and that after the best scale and offset."""
    plain = 10 * np.log10(255**2 / np.mean((x - truth) ** 2))
    design = np.stack([x.ravel(), np.ones(x.size)], 1)
    fitted = design @ np.linalg.lstsq(design, truth.ravel(), rcond=None)[0]
    best = 10 * np.log10(np.ptp(truth) ** 2 / np.mean((fitted - truth.ravel()) ** 2))
    return f"{plain:.2f} / {best:.2f}"


def main() -> None:
    """Train, predict, print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy")
    parser.add_argument("truth")
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    noisy, truth = (imageio.imread(p).astype(np.float32) for p in (given.noisy, given.truth))
    config = create_advanced_n2v_config(
        "n2v", "array", "YX", [64, 64], 16, num_epochs=100_000, seed=1
    )
    stop = Stop(given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        careamist = CAREamist(config, work_dir=folder, callbacks=[stop])
        careamist.train(train_data=noisy)
        out = careamist.predict(noisy)
    while isinstance(out, list | tuple):
        out = out[0]
    found = scores(np.squeeze(np.asarray(out)), truth)
    print(f"{given.noisy}: {scores(noisy, truth)} -> {found}, {stop.steps} steps")


if __name__ == "__main__":
    main()
