"""DivNoising learns the signal on one image, keeps the mean of few counts, and does not collapse."""

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
from bioreco.engine.inference import Inference
from bioreco.engine.options import Options
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.divnoising import DivNoising
from bioreco.methods.method import Facts
from bioreco.metrics.noise import estimate_noise
from bioreco.networks.vae import VAE
from bioreco.noise.poisson_gaussian import PoissonGaussian as Model
from bioreco.operators.noise import PoissonGaussian


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((found - truth) ** 2)))


def learnt(y: np.ndarray, folder: Path, steps: int, model: Model | None = None, **options):
    """Train on one image of any dimensions; return the method, its estimate and deviation."""
    torch.manual_seed(0)
    net = VAE(1, 1, y.ndim, channels=8, depth=1, latent=4)
    method = DivNoising(net, model or Model(), samples=16, **options)
    scale = Normalisation.of([y[None]])
    scales = scale.each(1, joint=True)
    image = scale.apply(y[None])
    given = [tuple(map(torch.from_numpy, pair)) for pair in scales]
    noise = [[estimate_noise(y)]]
    method.prepare(Facts([torch.from_numpy(image)], given, noise, 1, y.ndim))
    runtime = Runtime("cpu")
    fit(
        method,
        Patches([image], (32, 32) if y.ndim == 2 else (8, 16, 16), "turn", scales=scales),
        {"vae": partial(torch.optim.Adam, lr=4e-3)},
        options=Options(
            steps=steps, batch_size=8, ema=0.95, validate_every=10**6, checkpoint_every=10**6
        ),
        runtime=runtime,
        folder=folder,
        seed=0,
        extras={"config": {}},
    )
    batch = {
        "y": torch.from_numpy(image)[None], "seed": torch.tensor([0]),
        "shift": given[0][0][None], "unit": given[0][1][None],
    }  # fmt: skip
    with torch.no_grad():
        found = method.reconstruct(batch)
    mean = scale.invert(found.mean[0].numpy())[0]
    return method, mean, found.std[0, 0].numpy() * scale.std[0]


def measured(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    return truth, PoissonGaussian(gain=10, read=4).sample(truth, rng)


def test_t(tmp_path):
    import time
    for shape in ((128,128),(10,48,48)):
        truth, y = measured(*shape)
        t=time.process_time()
        m, x, sd = learnt(y, tmp_path / str(len(shape)), 150)
        gaussian = max(psnr(ndimage.gaussian_filter(y, s), truth) for s in np.arange(0.5, 2.5, 0.1))
        print(shape, psnr(y,truth), gaussian, psnr(x,truth), np.sqrt(np.mean((x-truth)**2)/np.mean(sd**2)), np.mean(abs(x-truth)<1.645*sd), m._watch, time.process_time()-t)
    for mu in (.2,.5,1):
        y = np.random.default_rng(0).poisson(mu, (256, 256)).astype(np.float32)
        t=time.process_time()
        m, x, sd = learnt(y, tmp_path / str(mu), 150)
        print(mu, m.noise_model.describe(), x.mean()/y.mean()-1, x.std()/y.std(), sd.mean(), m._watch,time.process_time()-t)
    truth, y = measured(128,128)
    m, x, sd = learnt(y, tmp_path / "l", 150, learn_noise=True)
    print("learn", psnr(x,truth), m.learnt.describe())
    m, x, sd = learnt(y, tmp_path / "l2", 150, Model(gain=10.,offset=0.,read=4.))
    print("known", psnr(x,truth))
