"""Noise models in files: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.histogram import Histogram
from bioreco.noise.mixture import Mixture
from bioreco.noise.model import NoiseModel
from bioreco.noise.poisson_gaussian import PoissonGaussian

KINDS: dict[str, type[NoiseModel]] = {
    model.kind: model for model in (Gaussian, PoissonGaussian, Histogram, Mixture)
}


def save(path: Path, model: NoiseModel) -> None:
    """Write a noise model under a temporary name, then rename it.

    Raises
    ------
    UserError
        If it can't be written there.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"noise_model": 1, **model.state()}, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise UserError(f"{path} can't be written: {reason}") from error
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> NoiseModel:
    """Read a noise model; only tensors and plain values are accepted.

    Raises
    ------
    UserError
        If there is none, or the file is something else.

    """
    if not path.is_file():
        raise UserError(f"noise.path={path}: there is no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other programs' files; what is told is below
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.get("noise_model") != 1:
            raise KeyError
        return made(state)
    except (pickle.UnpicklingError, KeyError, TypeError, OSError, RuntimeError, ValueError,
            EOFError) as error:  # fmt: skip
        raise UserError(
            f"noise.path={path} is not a noise model of bioreco, or is damaged: bioreco calibrate"
            " FRAMES -o camera.noise writes one"
        ) from error


def made(state: Mapping[str, Any]) -> NoiseModel:
    """Return the model that `NoiseModel.state` described."""
    model = KINDS[state["kind"]](**state["options"])
    model.load_state_dict(state["tensors"])
    return model


class Stored(NoiseModel):
    """A noise model from a file of `bioreco calibrate`.

    Parameters
    ----------
    path
        The file. It is read before training, and not any more once the model is in a checkpoint.

    """

    kind = "file"

    def __init__(self, *, path: str) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        self.model: NoiseModel | None = None

    @property
    def _read(self) -> NoiseModel:
        if self.model is None:
            self.model = load(self.path)
        return self.model

    @property
    def known(self) -> bool:
        """Whether it was read."""
        return self.model is not None

    @property
    def span(self) -> tuple[float, float] | None:
        """Range of the model in the file."""
        return self._read.span

    def informed_by(self, noise: Sequence[Sequence[Noise]]) -> bool:
        """Return True: the file says all."""
        return self._read.informed_by(noise)

    def fit(self, noise: Sequence[Sequence[Noise]]) -> None:
        """Read the file."""
        self._read.fit(noise)

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return log p(y | s) of the model in the file."""
        return self._read.log_prob(y, s)

    def variance(self, s: Tensor) -> Tensor:
        """Return the variance of the model in the file."""
        return self._read.variance(s)

    def refine(self, y: Sequence[Tensor]) -> None:
        """Leave the model in the file as it is."""

    def check_counts(self, y: Sequence[Tensor]) -> None:
        """Check as the model in the file does."""
        self._read.check_counts(y)

    def describe(self) -> str:
        """Describe the model in the file."""
        return f"{self._read.describe()} (from {self.path.name})"

    def state(self) -> dict[str, Any]:
        """Return the state of the model in the file."""
        return self._read.state()

    def get_extra_state(self) -> dict[str, Any]:
        """Return what makes a model to load the tensors into, for a checkpoint."""
        if self.model is None:
            return {}
        return {"kind": self.model.kind, "options": self.model.options()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Make the model; its tensors follow."""
        if state:
            self.model = KINDS[state["kind"]](**state["options"])
