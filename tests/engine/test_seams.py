"""Draws of a posterior show no seams: tiles share what is drawn by position."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.normalisation import Normalisation
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.divnoising import DivNoising
from bioreco.networks.vae import VAE
from bioreco.noise.poisson_gaussian import PoissonGaussian


def made(dims: int = 2, channels: int = 1, depth: int = 1, levels: int = 2, **options):
    torch.manual_seed(0)
    net = VAE(channels, channels, dims, channels=4, depth=depth, latent=2, levels=levels)
    return DivNoising(net, PoissonGaussian(gain=2.0, offset=10.0, read=3.0), **options)


def predictor(method: DivNoising, tile: int, augment: str = "false", joint: bool = False):
    channels = method.network.head.out_channels
    scale = Normalisation((100.0,) * channels, (25.0,) * channels)
    return Predictor(
        method, scale, Runtime("cpu"), inference=Inference(tile, augment), allowed="turn",
        joint=joint,
    )  # fmt: skip


def applied(one: Predictor, frames, number: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    mean = np.zeros((len(frames), frames.channels, *frames.shape), dtype=np.float32)
    std = np.zeros_like(mean)

    def write(frame, region, values, deviation):
        mean[(frame, slice(None), *region)] = values
        if deviation is not None:
            std[(frame, slice(None), *region)] = deviation

    one.run(frames, write, lambda _: None, number=number)
    return mean, std


@pytest.mark.parametrize("estimate", ["mmse", "map"])
@pytest.mark.parametrize("augment", ["false", "true"])
def test_tiles_leave_no_trace_in_estimates_and_their_deviation(as_frames, estimate, augment):
    method = made(depth=2, levels=3, samples=4, estimate=estimate)
    frames = as_frames(np.random.default_rng(0).normal(100, 25, (83, 70)).astype(np.float32))
    least = 2 * -(-method.halo[-1] // 4) * 4 + 24
    whole, tiled = (applied(predictor(method, t, augment), frames) for t in (4096, least))
    for one, two in zip(whole, tiled, strict=True):
        assert np.ptp(one) > 0
        assert np.abs(one - two).max() <= 1e-5 * np.ptp(whole[0])


@pytest.mark.parametrize("shape", [(83, 70), (5, 33, 30)])
def test_draws_have_no_seams(as_frames, shape):
    method = made(len(shape), depth=1, levels=2)
    frames = as_frames(np.random.default_rng(0).normal(100, 25, shape).astype(np.float32))
    least = 2 * -(-method.halo[-1] // 2) * 2 + 12
    draws = []
    for number in (0, 1):
        whole, tiled = (applied(predictor(method, t), frames, number)[0] for t in (4096, least))
        assert np.abs(whole - tiled).max() <= 1e-5 * np.ptp(whole)
        draws.append(whole)
    assert np.abs(draws[0] - draws[1]).mean() > 1e-3 * np.ptp(draws[0])
