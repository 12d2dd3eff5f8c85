"""Memory, gradients and speed of training an unrolled network on one simulated multi-coil slice.

Run as `python scripts/benchmark_unrolled.py [--size 256] [--coils 8] [--threads 2]`. Each setting
runs in a process of its own. Memory is the peak beyond that of the process before its first step;
gradients are compared with those of plain autograd; speed is the median over the steps after the
first, in wall time and in time of the processor, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from bioreco.engine.runtime import Runtime
from bioreco.methods.ssdu import SSDU
from bioreco.networks.unrolled import Unrolled
from bioreco.operators.models import MRI

PLAIN = {"gradient": "exact", "checkpoint": False}
SETTINGS = {
    "plain autograd": PLAIN,
    "checkpoints": {"gradient": "exact", "checkpoint": True},
    "implicit gradient": {"gradient": "implicit", "checkpoint": False},
    "checkpoints and implicit gradient": {"gradient": "implicit", "checkpoint": True},
}
DEEP = {"unrolls": 10, "blocks": 5, "channels": 32, "cg_iterations": 20}
SMALL = {"unrolls": 3, "blocks": 1, "channels": 32, "cg_iterations": 6}  # five convolutions
DEFAULT = {"unrolls": 3, "blocks": 5, "channels": 32, "cg_iterations": 6}
LINES = 24  # fully sampled in the middle


def problem(size: int, coils: int, *, random: bool) -> dict[str, torch.Tensor]:
    """Return a batch of one ellipse with smooth phase and coils, every fourth line, noise 0.01.

    Or with as many lines, more of them near the middle, at random.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    body = ((x / 0.75) ** 2 + (y / 0.9) ** 2) < 1
    image = body * (0.6 + 0.3 * np.sin(9 * x + 5 * y**2)) * np.exp(1j * (x + y**2))
    angle = 2 * np.pi * np.arange(coils)[:, None, None] / coils
    far = (x - 1.2 * np.cos(angle)) ** 2 + (y - 1.2 * np.sin(angle)) ** 2
    maps = np.exp(1j * angle + 1j * x * np.cos(angle)) / (far + 0.1)
    maps = maps / np.sqrt((np.abs(maps) ** 2).sum(0)) * body
    density = np.exp(-0.5 * ((np.arange(size) - size // 2) / (size / 5)) ** 2)
    lines = np.zeros(size, dtype=bool)
    if random:
        lines[rng.choice(size, size // 4, replace=False, p=density / density.sum())] = True
    lines[:: size if random else 4] = True
    lines[size // 2 - LINES // 2 : size // 2 + LINES // 2] = True
    mask = torch.from_numpy(np.repeat(lines[:, None], size, 1))[None, None]
    batch = {
        "mask": mask,
        "maps": torch.from_numpy(maps).to(torch.complex64)[None, None],
        "caipi": torch.zeros(1, 1),
        "seed": torch.tensor([1]),
        "item": torch.tensor([0]),
    }
    clean = MRI().operator(batch)(torch.from_numpy(image).to(torch.complex64)[None, None])
    noise = torch.from_numpy(rng.standard_normal((*clean.shape, 2))).float()
    return {**batch, "y": (clean + 0.01 * torch.view_as_complex(noise)) * mask}


def job(given: argparse.Namespace) -> None:
    """Train for a few steps; print what it took as JSON, and keep the first gradient."""
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    batch = problem(given.size, given.coils, random=given.random)
    network = Unrolled(1, 1, 2, **json.loads(given.job))
    torch.nn.init.normal_(network.get_parameter("prior.last.weight"), std=0.01)
    Runtime("cpu").place(network)
    method = SSDU(network, MRI())
    adam = torch.optim.Adam(method.parameters(), 1e-3, fused=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = [], []
    for step in range(given.steps):
        began = time.perf_counter(), time.process_time()
        ((_, losses),) = method.step({**batch, "seed": torch.tensor([step])})
        adam.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        if step == 0 and given.keep:
            torch.save([p.grad for p in method.parameters()], given.keep)
        adam.step()
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"before": before / 1024, "peak": peak / 1024}
    print(json.dumps(found | {"wall": median(wall[1:] or wall), "cpu": median(cpu[1:] or cpu)}))


def run(
    given: argparse.Namespace, options: dict[str, object], steps: int, keep: str = ""
) -> dict[str, Any]:
    """Run a job in a process of its own."""
    command = [
        *(sys.executable, __file__, "--job", json.dumps(options), "--keep", keep),
        *("--steps", str(steps), "--size", str(given.size), "--coils", str(given.coils)),
        *("--threads", str(given.threads)),
        *(["--random"] if given.random else []),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def memory(given: argparse.Namespace) -> None:
    """Print memory and gradient error of ten unrolls, in each setting."""
    print(f"memory of a step, {DEEP}:")
    with tempfile.TemporaryDirectory() as folder:
        plain: list[torch.Tensor] = []
        rise = 0.0
        for number, (name, options) in enumerate(SETTINGS.items()):
            keep = str(Path(folder) / f"{number}.pt")
            found = run(given, DEEP | options, 1, keep)
            gradients = torch.load(keep)
            plain = plain or gradients
            grown = found["peak"] - found["before"]
            rise = rise or grown
            now, was = (torch.cat([g.flatten() for g in all_]) for all_ in (gradients, plain))
            error = float((now - was).norm() / was.norm())
            print(
                f"  {name:36s}{grown:7.0f} MB beyond {found['before']:.0f} MB,"
                f" {grown / rise:4.0%} of plain; gradient error {error:.1e}; {found['wall']:.2f} s",
                flush=True,
            )


def speed(given: argparse.Namespace) -> None:
    """Print steps a second of a small network and of the default one."""
    for name, size in (("small", SMALL), ("default", DEFAULT)):
        for setting in (PLAIN, {}):
            found = run(given, size | setting, given.steps)
            print(
                f"{name} network, {size | setting}: {1 / found['wall']:.2f} steps/s"
                f" ({found['wall']:.2f} s, {found['cpu']:.2f} s of the processor)",
                flush=True,
            )


def main() -> None:
    """Run one job, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--coils", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--random", action="store_true", help="lines at random")
    parser.add_argument("--job", help="options of a network, as JSON")
    parser.add_argument("--keep", default="", help="file for the first gradient")
    given = parser.parse_args()
    if given.job:
        job(given)
        return
    print(f"{given.coils} coils, {given.size} x {given.size}, {given.threads} threads")
    memory(given)
    speed(given)


if __name__ == "__main__":
    main()
