"""A stand-in method that knows how sure it is, from outside the package."""

from __future__ import annotations

from pathlib import Path

METHOD = '''
"""A box filter that takes its deviation to be constant; samples differ by noise of position."""

import torch
from torch.nn import functional

from bioreco.methods.method import Estimate, Method


class Sure(Method):
    uncertain = True
    posterior = True

    def __init__(self, *, spread: float, dims: int):
        super().__init__()
        self.spread, self.dims = spread, dims

    halo = property(lambda self: (1,) * self.dims)
    stride = property(lambda self: (1,) * self.dims)

    def players(self):
        return {}

    def step(self, batch):
        raise AssertionError("nothing is trained")

    def validate(self, batch):
        return {}

    def _mean(self, batch):
        y = batch["y"]
        pool = functional.avg_pool2d if self.dims == 2 else functional.avg_pool3d
        return pool(y, 3, 1, 1)

    def _std(self, batch):
        unit = batch["unit"].reshape(*batch["unit"].shape, *[1] * self.dims)
        return self.spread / unit

    def reconstruct(self, batch):
        mean = self._mean(batch)
        return Estimate(mean, self._std(batch).expand_as(mean))

    def sample(self, batch, number):
        mean = self._mean(batch)
        noise = torch.stack(
            [
                self._noise(mean.shape[1:], int(seed), start.tolist(), number)
                for seed, start in zip(batch["seed"], batch["start"])
            ]
        )
        return mean + self._std(batch) * noise.to(mean)

    def _noise(self, shape, seed, start, number):
        key = torch.tensor(seed % 2**31 + 7919 * number, dtype=torch.int64)
        for axis, at in enumerate(start):
            line = torch.arange(at, at + shape[1 + axis], dtype=torch.int64) + 2**20
            line = line.reshape([-1 if k == axis else 1 for k in range(len(start))])
            key = _mixed(key * 1000003 + line)
        key = torch.stack([_mixed(key + 31 * c) for c in range(shape[0])])
        u = (key % 2**24 + 0.5) / 2**24
        return torch.erfinv(2 * u.double() - 1) * 2**0.5


def _mixed(key):
    key = key % 2**31
    for _ in range(3):
        key = (key * 1103515245 + 12345) % 2**31
        key = key ^ (key >> 13)
    return key
'''
YAML = """
# a method that is sure of itself
suits: {{forward: [identity]}}
_target_: {name}.Sure
spread: {spread}
"""


def make(name: str, spread: float = 5.0) -> list[str]:
    """Write the lab into the current folder; return what a command line needs to use it."""
    folder = Path("lab")
    (folder / "method").mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(METHOD.strip() + "\n")
    (folder / "method" / "sure.yaml").write_text(YAML.format(name=name, spread=spread).strip())
    return ["--config-dir", "lab", f"trust=[{name}]"]
