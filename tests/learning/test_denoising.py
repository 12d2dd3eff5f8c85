"""Blind-spot methods learn the signal, and only because they are blind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.data.normalisation import Normalisation
from bioreco.data.patches import Patches
from bioreco.data.synthetic import scene
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.methods.blindspot import BlindSpot
from bioreco.methods.noise2self import Noise2Self
from bioreco.methods.noise2void import Noise2Void
from bioreco.networks.unet import UNet
from bioreco.operators.noise import PoissonGaussian

Build = Callable[[torch.nn.Module], BlindSpot]


class Seeing(Noise2Void):
    """Noise2Void that forgets to hide the pixels it predicts."""

    def fill(self, batch, mask):
        return batch["y"]


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((found - truth) ** 2)))


def learnt(y: np.ndarray, build: Build, folder: Path, steps: int) -> np.ndarray:
    """Train on one image of any dimensions and return its reconstruction."""
    torch.manual_seed(0)
    method = build(UNet(1, 1, y.ndim, channels=8, depth=2))
    scale = Normalisation.of([y[None]])
    patch = (64, 64) if y.ndim == 2 else (8, 32, 32)
    fit(
        method,
        Patches([scale.apply(y[None])], patch, "turn"),
        {"network": partial(torch.optim.Adam, lr=2e-3)},
        options=Options(
            steps=steps, batch_size=4, ema=0.95, validate_every=10**6, checkpoint_every=10**6
        ),
        runtime=Runtime("cpu"),
        folder=folder,
        seed=0,
        extras={"config": {}},
    )
    with torch.no_grad():
        x = method.reconstruct({"y": torch.from_numpy(scale.apply(y[None]))[None]}).mean[0]
    return scale.invert(x.numpy())[0]


def measured(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    return truth, PoissonGaussian(gain=10, read=4).sample(truth, rng)


@pytest.fixture(scope="module")
def unmasked(tmp_path_factory: pytest.TempPathFactory) -> float:
    truth, y = measured(128, 128)
    return psnr(learnt(y, Seeing, tmp_path_factory.mktemp("seeing"), 200), truth)


# Seen on one thread: noisy 19.9 dB, best Gaussian filter 26.9, methods 28.1, unmasked 20.1.
@pytest.mark.parametrize("build", [Noise2Void, Noise2Self])
def test_learning_beats_the_noise_the_best_gaussian_filter_and_not_hiding(
    tmp_path, unmasked, build
):
    truth, y = measured(128, 128)
    found = psnr(learnt(y, build, tmp_path, 200), truth)
    gaussian = max(psnr(ndimage.gaussian_filter(y, s), truth) for s in np.arange(0.5, 2.5, 0.1))
    assert found > psnr(y, truth) + 4
    assert found > gaussian + 0.3
    assert found > unmasked + 4


def test_without_hiding_the_network_learns_the_identity(unmasked):
    """Eq. (11) of the review: the noise itself is the best prediction of the noise."""
    truth, y = measured(128, 128)
    assert unmasked == pytest.approx(psnr(y, truth), abs=1)


@pytest.mark.parametrize("build", [Noise2Void, Noise2Self])
def test_stacks_are_learnt_too(tmp_path, build):
    truth, y = measured(10, 48, 48)
    found = psnr(learnt(y, build, tmp_path, 60), truth)
    assert found > psnr(y, truth) + 2


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(partial(Noise2Void, replacement="uniform"), id="n2v-uniform"),
        pytest.param(partial(Noise2Void, replacement="mean"), id="n2v-mean"),
        pytest.param(partial(Noise2Void, replacement="median"), id="n2v-median"),
        pytest.param(Noise2Self, id="n2s"),
        pytest.param(partial(Noise2Self, inference="partition"), id="n2s-partition"),
    ],
)
def test_the_mean_of_few_counts_is_kept(tmp_path, build):
    """Pixels that equal their replacement must stay in the loss, or 0.5 becomes 0.74."""
    y = np.random.default_rng(0).poisson(0.5, (256, 256)).astype(np.float32)
    found = learnt(y, build, tmp_path, 150)
    assert found.mean() == pytest.approx(y.mean(), rel=0.02)
    assert found.std() < 0.3 * y.std()
