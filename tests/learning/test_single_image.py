"""Methods that learn from one noisy image and are no blind-spot methods learn the signal."""

from __future__ import annotations

from collections.abc import Callable
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
from bioreco.data.synthetic import scene
from bioreco.engine.fit import fit
from bioreco.engine.inference import Inference
from bioreco.engine.options import Options
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Facts, Method
from bioreco.methods.noise2score import Noise2Score
from bioreco.methods.self2self import Self2Self
from bioreco.methods.zero_shot import ZeroShot
from bioreco.metrics.noise import estimate_noise
from bioreco.networks.unet import UNet
from bioreco.operators.noise import PoissonGaussian

Array = np.ndarray
Build = Callable[[torch.nn.Module], Method]


class Learnt:
    """A method trained on one image (y, x) or (z, y, x)."""

    def __init__(
        self, y: Array, build: Build, folder: Path, steps: int, patch: tuple[int, ...] = (64, 64)
    ) -> None:
        torch.manual_seed(0)
        self.y, self.method = y.astype(np.float32), build(UNet(1, 1, y.ndim, channels=8, depth=2))
        self.scale = Normalisation.of([self.y[None]])
        patches = Patches(
            [self.scale.apply(self.y[None])], patch, "turn", scales=self.scale.each(1, joint=False)
        )
        shift, unit = (torch.from_numpy(values) for values in patches.scales[0])
        self.method.prepare(
            Facts(
                images=[torch.from_numpy(patches.blocks[0])],
                scales=[(shift, unit)],
                noise=[[estimate_noise(self.y)]],
                dims=y.ndim,
            )
        )
        fit(
            self.method,
            patches,
            {"network": partial(torch.optim.Adam, lr=2e-3)},
            options=Options(
                steps=steps, batch_size=4, ema=0.95, validate_every=10**6, checkpoint_every=10**6
            ),
            runtime=Runtime("cpu"),
            folder=folder,
            seed=0,
            extras={"config": {}},
        )

    def read(self, index: tuple[slice, ...]) -> Array:
        return self.y[index].copy()

    def applied(self, *, tile: int = 4096, augment: str = "true") -> tuple[Array, Array | None]:
        """Return the reconstruction, and its standard deviation if the method knows one."""
        image = Image(
            path=Path("y.tif"), name="y.tif", format="tiff", axes="ZYX"[3 - self.y.ndim :],
            shape=self.y.shape, dtype=self.y.dtype, pixels=self,
        )  # fmt: skip
        frames = Frames(image, self.y.ndim)
        found = [np.full_like(self.y, np.nan), np.full_like(self.y, np.nan)]

        def write(_: int, region: tuple[slice, ...], mean: Array, std: Array | None) -> None:
            found[0][*region] = mean[0]
            if std is not None:
                found[1][*region] = std[0]

        Predictor(
            self.method, self.scale, Runtime("cpu"), inference=Inference(tile, augment),
            allowed="turn", joint=False,
        ).run(frames, write, lambda _: None)  # fmt: skip
        return found[0], found[1] if self.method.uncertain else None


COUNTS, READ = PoissonGaussian(gain=10, read=4), PoissonGaussian(read=15)


def measured(camera: PoissonGaussian, *shape: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    return truth, camera.sample(truth, rng)


def psnr(found: Array, truth: Array) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((found - truth) ** 2)))


# Method, noise, steps, and the least gain over the best Gaussian filter: half of what was seen, dB.
# Seen on one thread: zero_shot 28.4, noise2score 30.6, self2self 27.3; best Gaussian filter 26.9
# (counts) and 26.7 (read noise); noisy 19.9 and 19.7.
METHODS = [
    pytest.param(ZeroShot, COUNTS, 200, 0.7, id="zero_shot"),
    pytest.param(Noise2Score, READ, 200, 1.9, id="noise2score"),
    pytest.param(partial(Self2Self, passes=2), COUNTS, 300, 0.15, id="self2self"),
]
each_method = pytest.mark.parametrize(("build", "camera", "steps", "gain"), METHODS)


@each_method
def test_learning_beats_the_best_gaussian_filter_and_tiles_leave_no_trace(
    tmp_path, build, camera, steps, gain
):
    truth, y = measured(camera, 128, 128)
    learnt = Learnt(y, build, tmp_path, steps)
    whole, spread = learnt.applied()
    gaussian = max(psnr(ndimage.gaussian_filter(y, s), truth) for s in np.arange(0.5, 2.5, 0.1))
    assert psnr(whole, truth) > gaussian + gain
    tiled, spread_of_tiles = learnt.applied(tile=80)
    assert np.abs(tiled - whole).max() <= 1e-5 * np.ptp(y)
    if spread is not None:
        assert np.abs(spread_of_tiles - spread).max() <= 1e-5 * np.ptp(y)


@each_method
def test_stacks_of_odd_size_are_learnt_too(tmp_path, build, camera, steps, gain):
    truth, y = measured(camera, 7, 45, 51)
    learnt = Learnt(y, build, tmp_path, 60, (7, 32, 32))
    found, _ = learnt.applied(augment="false")
    assert (
        psnr(found, truth) > psnr(y, truth) + 4
    )  # seen: noisy 16.2 dB, zero_shot 24.6, noise2score 24.6, self2self 23.1


# Seen for 0.2 counts: zero_shot 0.993, noise2score 1.004, self2self 1.011 times the mean.
@pytest.mark.parametrize("mean", [0.2, 0.5, 1.0])
@pytest.mark.parametrize(
    ("build", "steps"),
    [
        pytest.param(ZeroShot, 150, id="zero_shot"),
        pytest.param(Noise2Score, 400, id="noise2score"),
        pytest.param(partial(Self2Self, passes=2), 400, id="self2self"),
    ],
)
def test_the_mean_of_few_counts_is_kept(tmp_path, build, steps, mean):
    y = np.random.default_rng(0).poisson(mean, (256, 256)).astype(np.float32)
    found, _ = Learnt(y, build, tmp_path, steps).applied(augment="false")
    assert found.mean() == pytest.approx(y.mean(), rel=0.02)
    assert found.std() < 0.3 * y.std()
