"""Pairs go through prediction together: scaled, cut and turned alike, then averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.normalisation import Normalisation
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.noise2noise import Noise2Noise
from bioreco.networks.unet import UNet


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 25, shape).astype(np.float32)


def predictor(dims: int, tile: int, augment: str) -> Predictor:
    torch.manual_seed(0)
    method = Noise2Noise(UNet(1, 1, dims, channels=4, depth=1))
    return Predictor(
        method, Normalisation((100.0,), (25.0,)), Runtime("cpu"),
        inference=Inference(tile, augment), allowed="turn", joint=False,
    )  # fmt: skip


def run(made: Predictor, one, two=None) -> np.ndarray:
    out = np.full((len(one), one.channels, *one.shape), np.nan, dtype=np.float32)

    def write(frame, region, values, std):
        assert std is None
        out[frame][:, *region] = values

    made.run(one, write, lambda share: None, beside={} if two is None else {"pair": two})
    return out


@pytest.mark.parametrize("augment", ["true", "false"])
@pytest.mark.parametrize("shape", [(70, 50), (6, 40, 36)])
def test_a_pair_is_reconstructed_alike_in_tiles_and_whole_and_averaged(as_frames, shape, augment):
    one, two = (as_frames(image(*shape, seed=s)) for s in (0, 1))
    whole = run(predictor(len(shape), 4096, augment), one, two)
    tiled = run(predictor(len(shape), 32, augment), one, two)
    reach = 1e-5 * np.ptp(whole)
    assert np.abs(tiled - whole).max() <= reach
    alone = [run(predictor(len(shape), 4096, augment), v) for v in (one, two)]
    np.testing.assert_allclose(whole, (alone[0] + alone[1]) / 2, atol=reach)
    assert np.abs(alone[0] - alone[1]).max() > 100 * reach


def test_what_is_missing_in_either_of_a_pair_is_missing_in_the_result(as_frames):
    a, b = image(40, 40), image(40, 40, seed=1)
    a[3, 4], b[20, 21] = np.nan, np.inf
    found = run(predictor(2, 4096, "false"), as_frames(a), as_frames(b))
    gone = np.argwhere(~np.isfinite(found[0, 0]))
    assert gone.tolist() == [[3, 4], [20, 21]]
