"""Pairs and references teach a network the signal, even where neighbours share their noise."""

from __future__ import annotations

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
from bioreco.methods.noise2noise import Noise2Noise
from bioreco.methods.noise2void import Noise2Void
from bioreco.methods.supervised import Supervised
from bioreco.networks.unet import UNet


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((found - truth) ** 2)))


def learnt(kind, y: np.ndarray, other: np.ndarray, folder: Path, steps: int) -> np.ndarray:
    """Train on one image and its second, and return the reconstruction."""
    torch.manual_seed(0)
    method = kind(UNet(1, 1, y.ndim, channels=8, depth=2))
    scale = Normalisation.of([y[None]])
    one, two = (scale.apply(v[None].astype(np.float32)) for v in (y, other))
    (name,) = method.wants or ("pair",)
    fit(
        method,
        Patches([one], (64, 64) if y.ndim == 2 else (8, 32, 32), "mirror", beside={name: [two]}),
        {"network": partial(torch.optim.Adam, lr=2e-3)},
        options=Options(
            steps=steps, batch_size=4, ema=0.95, validate_every=10**6, checkpoint_every=10**6
        ),
        runtime=Runtime("cpu"),
        folder=folder,
        seed=0,
        extras={"config": {}},
    )
    given = {"y": torch.from_numpy(one)[None]}
    if name == "pair":
        given["pair"] = torch.from_numpy(two)[None]
    with torch.no_grad():
        return scale.invert(method.reconstruct(given).mean[0].numpy())[0]


def measured(*shape: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a scene and two measurements whose noise is shared by neighbours along x."""
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    noise = ndimage.uniform_filter1d(rng.standard_normal((2, *shape)), 3, axis=-1)
    y, pair = (truth + 40 * noise).astype(np.float32)
    return truth, y, pair


def best_gaussian(y: np.ndarray, truth: np.ndarray) -> float:
    return max(psnr(ndimage.gaussian_filter(y, s), truth) for s in np.arange(0.5, 3, 0.1))


# Seen: noisy 15.8 dB, best Gaussian filter of the mean of both 24.3, n2n 26.3, n2v 20.9.
def test_noise_that_neighbours_share_is_removed_as_no_blind_spot_can(tmp_path):
    truth, y, pair = measured(128, 128)
    n2n = psnr(learnt(Noise2Noise, y, pair, tmp_path / "n2n", 100), truth)
    n2v = psnr(learnt(Noise2Void, y, pair, tmp_path / "n2v", 60), truth)
    assert n2n > best_gaussian((y + pair) / 2, truth) + 1
    assert n2n > n2v + 2.5


# Seen on one thread: noisy 12.4 dB, mean of both 15.4, n2n 23.8.
def test_tomograms_are_learnt_from_their_halves(tmp_path):
    truth, y, pair = measured(10, 48, 48)
    found = psnr(learnt(Noise2Noise, y, pair, tmp_path, 50), truth)
    assert found > psnr((y + pair) / 2, truth) + 4


# Seen on one thread: best Gaussian filter 22.3 dB, supervised 25.2.
def test_references_teach_too(tmp_path):
    truth, y, _ = measured(128, 128)
    found = psnr(learnt(Supervised, y, truth, tmp_path, 100), truth)
    assert found > best_gaussian(y, truth) + 1.4


@pytest.mark.parametrize("mean", [0.2, 0.5, 1.0])
def test_the_mean_of_few_counts_is_kept(tmp_path, mean):
    """Seen: within 0.3 % of the mean, with 2.4 % of the deviation left."""
    rng = np.random.default_rng(0)
    y, pair = rng.poisson(mean, (2, 160, 160)).astype(np.float32)
    found = learnt(Noise2Noise, y, pair, tmp_path, 80)
    assert found.mean() == pytest.approx((y.mean() + pair.mean()) / 2, rel=0.02)
    assert found.std() < 0.1 * y.std()
