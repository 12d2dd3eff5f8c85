"""Deconvolution tile by tile: a halo of the PSF's width leaves next to no seam."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.normalisation import Normalisation
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Facts
from bioreco.methods.richardson_lucy import RichardsonLucy
from bioreco.metrics.noise import Noise
from bioreco.operators.blur import Blur


@pytest.mark.parametrize("down", [1, 2])
def test_tiles_leave_next_to_no_trace(as_frames, down):
    model = Blur(2, None, None, psf="gaussian", sigma=1.2, down=down)
    x = 100 * torch.rand(1, 1, 96, 80, generator=torch.Generator().manual_seed(0)) ** 4
    y = model.operator()(x)
    method = RichardsonLucy(model, iterations=15, background=0.0)
    shift, unit = torch.tensor([30.0]), torch.tensor([20.0])
    noise = Noise(gain=0.0, offset=0.0, read_noise=1.0, sigma=1.0)
    method.prepare(Facts([(y[0] - 30) / 20], [(shift, unit)], [[noise]]))
    scale = Normalisation((30.0,), (20.0,))
    results = []
    for tile in (32, 256):
        predictor = Predictor(
            method, scale, Runtime("cpu"), inference=Inference(tile, "false"), allowed="none",
            joint=False,
        )  # fmt: skip
        out = np.zeros((96, 80), dtype=np.float32)

        def write(_frame, region, values, _std, out=out):
            out[tuple(region)] = values[0]

        predictor.run(as_frames(y[0, 0].numpy()), write, lambda _: None)
        results.append(out)
    assert np.abs(results[0] - results[1]).max() < 0.02 * results[1].max()
