"""Compare losses, critics and rates of cryoGAN at equal processor time.

Run as `python scripts/benchmark_cryogan.py [--only default,wasserstein] [--seeds 10,11]
[--seconds 40] [--snr 10]`. Prints a line of JSON for each seed and variant: where the correlation
with the truth falls below 0.5 after alignment, as a fraction of Nyquist, and its mean over the
shells up to 0.6 of Nyquist. Each variant makes as many steps as take the given processor seconds,
measured over a few steps at every fineness of detail.

Seen with `--snr 1 --seconds 50 --seeds 10,11` beside one or two other processes, 24 cubed with CTF
and shifts; steps of seed 10, and of both seeds the crossing and the mean:

| | steps | crossing | mean |
|---|---|---|---|
| `default` | 284 | 0.495, 0.550 | 0.610, 0.692 |
| `slope_1` | 298 | 0.454, 0.514 | 0.618, 0.679 |
| `wasserstein` | 307 | 0.486, 0.510 | 0.592, 0.624 |
| `wasserstein_pixel` | 341 | 0.304, 0.398 | 0.229, 0.535 |
| `spectral` | 403 | 0.538, 0.556 | 0.626, 0.723 |
| `narrow` | 520 | 0.548, 0.572 | 0.698, 0.730 |
| `unmirrored` | 339 | 0.527, 0.586 | 0.616, 0.725 |
| `falling` | 314 | 0.437, 0.475 | 0.568, 0.623 |
| `all_radii` | 183 | 0.377, 0.324 | 0.483, 0.514 |
| `planar` | 485 | 0.432, 0.566 | 0.564, 0.708 |

In so little time cheaper steps gain; the wide critic and the mirror images are for strong noise.

The default estimates the ratio of likelihoods with a penalty of 0.1 on the norm of a sample's
gradient, which is to be 0, and sees particles by components; "pixel" is the norm of each pixel's.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.samples import ParticleSamples
from bioreco.data.particles.simulated import Microscope
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import collate, tensors
from bioreco.engine.training import Factory
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.cryogan import CryoGAN
from bioreco.methods.imaging import Imaging
from bioreco.methods.method import Facts
from bioreco.methods.shell_adam import ShellAdam
from bioreco.methods.view import View
from bioreco.metrics.alignment import aligned_fsc
from bioreco.metrics.fsc import soft_sphere
from bioreco.networks.critic import Critic
from bioreco.networks.polar_critic import PolarCritic
from bioreco.operators.cryoem import CryoEM

ALL_RADII = {"components": 0, "angles": 128}
NARROW = {"kernel": 9, "blocks": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "slope_1": {"adversarial": Adversarial("gan", penalty=0.3)},
    "wasserstein": {"adversarial": Adversarial()},
    "wasserstein_pixel": {"adversarial": Adversarial(norm="pixel", penalty=0.01)},
    "spectral": {"adversarial": Adversarial("gan", penalty=0.0), "critic": {"spectral": True}},
    "least_squares": {"adversarial": Adversarial("least_squares", penalty=0.1, slope=0.0)},
    "kl": {"adversarial": Adversarial("kl", penalty=0.1, slope=0.0)},
    "narrow": {"critic": NARROW},
    "narrow_fast_critic": {"critic": NARROW, "critic_rate": 2e-3},
    "unmirrored": {"critic": {"mirror": False}},
    "falling": {"schedule": "cosine"},
    "all_radii": {"critic": ALL_RADII},
    "all_radii_wasserstein": {"critic": ALL_RADII, "adversarial": Adversarial()},
    "planar": {"planar": True},
    "planar_wasserstein": {"planar": True, "adversarial": Adversarial()},
    "components_left": {"critic": {"whiten": 0.0}},
    "critic_steps_4": {"critic_steps": 4},
    "critic_steps_1": {"critic_steps": 1},
    "slow_volume": {"rate": 0.01},
    "fast_volume": {"rate": 0.06},
    "slow_critic": {"critic_rate": 5e-4},
    "fast_critic": {"critic_rate": 2e-3},
    "early": {"anneal": 0.4},
    "late": {"anneal": 0.8},
    "signs_left": {"ctf": "none"},
}
LOOKED_AT = 3000
BATCH = 128
TRIED = 16  # steps that are timed
SHIFTS = 5.0  # Angstrom


def made(data: CryoEMData, said: Mapping[str, Any]) -> CryoGAN:
    """Return a method."""
    critic = Critic() if said.get("planar") else PolarCritic(**said.get("critic", {}))
    return CryoGAN(
        CryoEM(interpolation="linear"),
        critic,
        data.box,
        data.pixel_size,
        critic_steps=said.get("critic_steps", 2),
        adversarial=said.get("adversarial"),
        imaging=Imaging(shifts=SHIFTS),
        view=View(ctf=said.get("ctf", "flip"), anneal=said.get("anneal", 0.6)),
    )


def steps_in(seconds: float, data: CryoEMData, said: Mapping[str, Any]) -> int:
    """Return how many steps take so much processor time."""
    method, samples = made(data, said), data.training()
    method.prepare(Facts(batch=_batch(samples, LOOKED_AT)))
    batch = _batch(samples, BATCH)
    players = {name: list(found) for name, found in method.players().items()}
    spent = 0.0
    for k in range(-2, TRIED):
        batch["progress"] = torch.tensor(max(k, 0) / (TRIED - 1))
        began = time.process_time()
        for player, losses in method.step(batch):
            torch.autograd.backward(
                torch.stack(list(losses.values())).sum(), inputs=players[player]
            )
        spent += time.process_time() - began if k >= 0 else 0.0
    return round(seconds * TRIED / spent)


def _batch(samples: ParticleSamples, count: int) -> dict[str, torch.Tensor]:
    return tensors(collate([samples[k, k] for k in range(count)]), torch.device("cpu"))


def learnt(data: CryoEMData, said: Mapping[str, Any], seed: int, steps: int) -> np.ndarray:
    """Train, and return the volume."""
    torch.manual_seed(seed)
    method, samples = made(data, said), data.training()
    method.prepare(Facts(batch=_batch(samples, LOOKED_AT)))
    rate = said.get("critic_rate", 1e-3)
    factories: dict[str, Factory] = {
        "critic": partial(torch.optim.Adam, lr=rate, betas=(0.5, 0.9)),
        "volume": partial(ShellAdam, lr=said.get("rate", 0.03)),
    }
    options = Options(
        steps=steps, batch_size=BATCH, ema=0.99, clip=None, validate_every=10**6,
        checkpoint_every=10**6, schedule=said.get("schedule", "late_cosine"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fit(
            method, samples, factories, options=options, runtime=Runtime("cpu"),
            folder=Path(folder), seed=seed, extras={"config": {}},
        )  # fmt: skip
    return method.volume_now().numpy()


def main() -> None:
    """Print a line of JSON for each seed and variant."""
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        default="default,slope_1,wasserstein,wasserstein_pixel,spectral,narrow,unmirrored,falling,"
        "all_radii,planar",
    )
    parser.add_argument("--seeds", default="10,11")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--box", type=int, default=24)
    parser.add_argument("--snr", type=float, default=10.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in map(int, options.seeds.split(",")):
        data = CryoEMData(
            seed=seed, box=options.box, particles=3000, snr=options.snr,
            microscope=Microscope(shifts=SHIFTS),
        )  # fmt: skip
        assert data.truth is not None
        mask = soft_sphere(data.box, 0.45 * data.box)
        for name in options.only.split(","):
            steps = steps_in(options.seconds, data, VARIANTS[name])
            began = time.process_time()
            volume = learnt(data, VARIANTS[name], seed, steps)
            spent = time.process_time() - began
            curve, _ = aligned_fsc(volume, data.truth.values, mask=mask)
            shells = curve.correlation[1 : round(0.3 * data.box) + 1]
            told = {"seed": seed, "variant": name, "steps": steps, "seconds": round(spent, 1)}
            told |= {"fsc_0.5_nyquist": round(curve.crossing(0.5), 3)}
            print(json.dumps(told | {"mean_fsc": round(float(shells.mean()), 3)}), flush=True)


if __name__ == "__main__":
    main()
