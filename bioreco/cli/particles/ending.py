"""What is at hand when training on particles has ended, and what each kind of run leaves then."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from omegaconf import DictConfig
from torch import Tensor

from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Samples, collate, tensors
from bioreco.methods.method import Method

ENDINGS = {
    "reconstructions": "bioreco.cli.particles.volume",
    "poses": "bioreco.cli.particles.poses",
    "conformations": "bioreco.cli.particles.conformations",
    "samples": "bioreco.cli.particles.samples",
}
LOOKED_AT = 512  # particles that are shown, and that a method looks at before training at least
_PIXELS = 2**25  # in all of the particles that it looks at, where that is more


@dataclass(frozen=True)
class Ended:
    """A trained method, what it learnt from, and where its results go.

    Attributes
    ----------
    method, data, samples, runtime
        As in training.
    folder, name, seed
        Of the run.
    samples_wanted
        How many images a generator is to draw; 0: as many as usual.
    other
        The volume of the other half of the particles, or None.

    """

    method: Method
    data: Any
    samples: Samples
    runtime: Runtime
    folder: Path
    name: str
    seed: int
    samples_wanted: int = 0
    other: Path | None = None


class Ending(Protocol):
    """A module that leaves results."""

    def check(self, config: DictConfig, data: Any) -> list[str]:
        """Return the baselines that are compared with, or refuse them, before training."""
        ...

    def leave(self, ended: Ended, beside: list[str]) -> dict[str, Any]:
        """Write and show the results; return what metrics.json says of them."""
        ...


def ending(method: Method) -> Ending:
    """Return what a method on particles ends with."""
    found: Any = importlib.import_module(ENDINGS[method.makes])
    ends: Ending = found
    return ends


def first(samples: Samples, runtime: Runtime, count: int = LOOKED_AT) -> dict[str, Tensor]:
    """Return some particles, spread over all, as one batch."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return tensors(collate([samples[int(k), int(k)] for k in chosen]), runtime.device)


def many(samples: Samples, runtime: Runtime) -> dict[str, Tensor]:
    """Return as many particles as a method may look at before training."""
    return first(samples, runtime, max(LOOKED_AT, _PIXELS // samples[0, 0]["y"].size))
