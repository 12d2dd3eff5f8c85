"""Where the noise model is right, the measurement of a pixel adds to what its surroundings say."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.data.frames import Frames
from bioreco.data.image import Image
from bioreco.data.normalisation import Normalisation
from bioreco.data.patches import Patches
from bioreco.data.simulation.held import InMemory
from bioreco.data.synthetic import scene
from bioreco.engine.fit import fit
from bioreco.engine.inference import Inference
from bioreco.engine.options import Options
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Facts
from bioreco.methods.pn2v import ProbabilisticNoise2Void
from bioreco.metrics.noise import estimate_noise
from bioreco.networks.unet import UNet
from bioreco.noise.model import NoiseModel
from bioreco.noise.poisson_gaussian import PoissonGaussian
from bioreco.operators.noise import PoissonGaussian as Camera

SAMPLES = 16


class Learned:
    """The method trained on one image, and what it makes of it."""

    def __init__(
        self, y: np.ndarray, noise: NoiseModel, folder: Path, steps: int, **options: object
    ) -> None:
        torch.manual_seed(0)
        network = UNet(1, SAMPLES, y.ndim, channels=8, depth=2)
        self.method = ProbabilisticNoise2Void(network, noise, prior_samples=SAMPLES, **options)
        self.scale = Normalisation.of([y[None]])
        block, scales = self.scale.apply(y[None]), self.scale.each(1, joint=False)
        as_tensors = [tuple(torch.from_numpy(v) for v in scale) for scale in scales]
        self.method.prepare(
            Facts([torch.from_numpy(block)], as_tensors, [[estimate_noise(y)]], 1, y.ndim)
        )
        patch = (32, 32) if y.ndim == 2 else (8, 32, 32)
        fit(
            self.method, Patches([block], patch, "turn", scales=scales),
            {"network": partial(torch.optim.Adam, lr=4e-3)},
            options=Options(steps=steps, batch_size=4, ema=0.95, validate_every=10**6,
                            checkpoint_every=10**6),
            runtime=Runtime("cpu"), folder=folder, seed=0, extras={"config": {}},
        )  # fmt: skip
        ((shift, unit),) = as_tensors
        self.batch = {
            "y": torch.from_numpy(block)[None], "shift": shift[None], "unit": unit[None],
            "seed": torch.zeros(1, dtype=torch.int64),
        }  # fmt: skip

    @torch.no_grad()
    def mean(self) -> np.ndarray:
        return self.scale.invert(self.method.reconstruct(self.batch).mean[0].numpy())[0]

    @torch.no_grad()
    def std(self) -> np.ndarray:
        return self.method.reconstruct(self.batch).std[0, 0].numpy() * self.scale.std[0]

    @torch.no_grad()
    def prior_mean(self) -> np.ndarray:
        return self.scale.invert(self.method._blind(self.batch).mean(2)[0].numpy())[0]


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((found - truth) ** 2)))


def measured(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    return truth, Camera(gain=10, read=4).sample(truth, rng)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learned, np.ndarray, np.ndarray]:
    truth, y = measured(128, 128)
    noise = PoissonGaussian(gain=10.0, offset=0.0, read=4.0)
    return Learned(y, noise, tmp_path_factory.mktemp("pn2v"), 400), truth, y


# Seen on one thread: noisy 19.9 dB, best Gaussian filter 26.9, prior 27.9, posterior 28.7.
def test_the_measurement_adds_to_the_prior(learned):
    method, truth, y = learned
    found, prior = psnr(method.mean(), truth), psnr(method.prior_mean(), truth)
    gaussian = max(psnr(ndimage.gaussian_filter(y, s), truth) for s in np.arange(0.5, 2.5, 0.1))
    assert found > prior + 0.4
    assert found > gaussian + 0.9


# Seen on one thread: 95.6 % of the pixels.
def test_it_knows_how_sure_it_is(learned):
    method, truth, _ = learned
    error, std = np.abs(method.mean() - truth), method.std()
    assert 0.88 < np.mean(error < 1.645 * std) < 0.98
    sure = std < np.median(std)
    assert error[sure].mean() < 0.5 * error[~sure].mean()


# Seen on one thread: gain 9.7, prior 28.1 dB, posterior 28.4; with the noise told 27.9 and 28.7.
def test_noise_is_learnt_where_nobody_tells_it(tmp_path):
    truth, y = measured(128, 128)
    method = Learned(y, PoissonGaussian(), tmp_path, 400, bootstrap="always")
    assert method.method.noise_model.gain == pytest.approx(10, rel=0.15)
    assert psnr(method.mean(), truth) > psnr(method.prior_mean(), truth) + 0.15


def test_tiles_have_no_seams(learned):
    method, _, y = learned
    image = Image(
        path=Path("y.tif"), name="y.tif", format="tiff", axes="YX", shape=(100, 128),
        dtype=y.dtype, pixels=InMemory(y[:100]),
    )  # fmt: skip
    found = []
    for tile in (64, 1024):
        predictor = Predictor(
            method.method, method.scale, Runtime("cpu"), inference=Inference(tile, "false"),
            allowed="turn", joint=False,
        )  # fmt: skip
        out = np.zeros((2, 100, 128), dtype=np.float32)

        def write(_, region, mean, std, out=out):
            out[0][tuple(region)], out[1][tuple(region)] = mean[0], std[0]

        predictor.run(Frames(image, 2), write, lambda share: None)
        found.append(out)
    assert np.abs(found[0] - found[1]).max() < 1e-5 * np.ptp(y)


@pytest.mark.parametrize(
    ("bootstrap", "mean"),
    [
        ("auto", 0.2),
        ("auto", 0.5),
        ("auto", 1.0),
        ("always", 0.2),
        ("always", 0.5),
        ("always", 1.0),
    ],
)
def test_the_mean_of_few_counts_is_kept(tmp_path, mean, bootstrap):
    """A normal density makes 0.2 of it 0.07, and a gain that is wrong by a fifth 0.8 of it."""
    y = np.random.default_rng(0).poisson(mean, (192, 192)).astype(np.float32)
    method = Learned(y, PoissonGaussian(), tmp_path, 250, bootstrap=bootstrap)
    found = method.mean()
    assert found.mean() == pytest.approx(y.mean(), rel=0.02)
    assert found.std() < 0.3 * y.std()


# Seen on one thread: noisy 14.9 dB, 20.5.
def test_stacks_are_learnt_too(tmp_path):
    truth, y = measured(10, 48, 48)
    method = Learned(y, PoissonGaussian(gain=10.0, offset=0.0, read=4.0), tmp_path, 60)
    assert psnr(method.mean(), truth) > psnr(y, truth) + 2.8
