"""`bioreco calibrate`: measure the noise of a camera, and keep it as a noise model in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from bioreco.cli.context import Context
from bioreco.data.formats import find_images, open_image
from bioreco.data.frames import Frames
from bioreco.errors import UserError, nearest
from bioreco.noise import files
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.histogram import Histogram
from bioreco.noise.mixture import Mixture
from bioreco.noise.model import NoiseModel
from bioreco.noise.pairs import noise_ratio, transfer
from bioreco.noise.poisson_gaussian import PoissonGaussian
from bioreco.noise.series import blocks, still_pairs

Array = NDArray[np.float32]
Place = tuple[Frames, int]  # a frame of a file

DIFFERENT = 2.0  # times the variance, more or less, that series of one camera may have
MOST = 256  # frames of a series that are looked at


@dataclass(frozen=True)
class Pairs:
    """Measurements y (n,) and their signals s (n,), in grey levels."""

    y: Tensor
    s: Tensor


def run(config: DictConfig, _context: Context) -> None:
    """Measure the noise, say what it is, and write the model."""
    paths = find_images([str(path) for path in config.input])
    target = _target(config, paths)
    _check_model(str(config.model))
    reader = Reader(int(config.channel), config.axes)
    series = reader.series(paths)
    if config.signal is not None:
        pairs = [reader.against(one, str(config.signal)) for one in series]
    else:
        pairs = [reader.still(one) for one in series]
    _check_alike([one[0][0].image.name for one in series], pairs)
    dark = None
    if config.dark is not None:
        dark = [reader.still(one) for one in reader.series(find_images([str(config.dark)]))]
    model, together = learnt(config, pairs, dark)
    files.save(target, model)
    low, high = float(together.s.min()), float(together.s.max())
    print(f"{model.describe()}.")
    print(f"From {len(together.y)} measurements of signals from {low:.4g} to {high:.4g}.")
    print(f"wrote {target}")
    print(f"try: bioreco denoise FILE method=pn2v noise=file noise.path={target}")


def learnt(
    config: DictConfig, pairs: Sequence[Pairs], dark: Sequence[Pairs] | None
) -> tuple[NoiseModel, Pairs]:
    """Return the model of all pairs, and the pairs it was learnt from."""
    known: dict[str, float] = {}
    if dark:
        y, s = (torch.cat([getattr(one, name) for one in dark]) for name in "ys")
        known = {"offset": float(s.mean()), "read": float((y - s).std())}
        pairs = [*pairs, Pairs(y, s.mean().expand_as(s))]
    together = Pairs(*(torch.cat([getattr(one, name) for one in pairs]) for name in "ys"))
    model: NoiseModel
    if config.model == "gaussian":
        model = Gaussian()
    elif config.model == "poisson_gaussian":
        model = PoissonGaussian(**known)
    elif config.model == "histogram":
        model = Histogram(**_options(config, "histogram"))
    else:
        model = Mixture(**_options(config, "mixture"))
    model.calibrate(together.y, together.s)
    return model, together


def _options(config: DictConfig, model: str) -> dict[str, int]:
    found = {str(key): value for key, value in config[model].items()}
    for key, value in found.items():
        if type(value) is not int:
            raise UserError(f"{model}.{key}={value}: a whole number")
    return found


def _check_model(name: str) -> None:
    if name not in files.KINDS:
        raise UserError(
            f"model={name}: choose one of {', '.join(files.KINDS)}." + nearest(name, files.KINDS)
        )


def _target(config: DictConfig, paths: Sequence[str]) -> Path:
    """Return the file to write, before any work is done."""
    first = Path(paths[0])
    target = first.with_name(f"{first.name.split('.')[0]}.noise")
    if config.output.path is not None:
        target = Path(str(config.output.path)).expanduser()
    if target.is_dir():
        target = target / "camera.noise"
    if target.exists() and not config.overwrite:
        raise UserError(f"{target} exists already; say overwrite=true to replace it.")
    if any(target.exists() and target.samefile(path) for path in paths):
        raise UserError(f"{target} is one of the frames, and inputs are never changed.")
    return target


@dataclass(frozen=True)
class Reader:
    """Reads frames of one channel of calibration files."""

    channel: int
    axes: str | None

    def series(self, paths: Sequence[str]) -> list[list[Place]]:
        """Return the series: each file of several frames is one, all others are one together."""
        found: list[list[Place]] = []
        single: list[Place] = []
        for path in paths:
            frames = self._open(path)
            places = [(frames, k) for k in range(len(frames))]
            if len(places) > 1:
                found.append(places)
            else:
                single += places
        return [*found, single] if single else found

    def _open(self, path: str) -> Frames:
        frames = Frames(open_image(path, axes=self.axes), 2)
        if not 0 <= self.channel < frames.channels:
            raise UserError(
                f"channel={self.channel}: {frames.image.name} has {frames.channels} channels,"
                " counted from 0"
            )
        return frames

    def _read(self, place: Place) -> Array:
        frames, k = place
        return np.asarray(frames.read(k)[self.channel])

    def _each(self, places: Sequence[Place]) -> Iterator[Array]:
        for place in places:
            yield self._read(place)

    def still(self, places: Sequence[Place]) -> Pairs:
        """Return the pairs of a series whose mean is the signal."""
        first = places[0][0]
        name = first.image.name
        if len(places) < 2:
            raise UserError(
                f"{name} is a single frame, which does not tell noise from signal: give more frames"
                " of the same, or the clean image with signal=FILE"
            )
        _check_sizes(places, first)
        chosen = [
            places[int(k)] for k in np.unique(np.linspace(0, len(places) - 1, MOST).astype(int))
        ]
        return Pairs(*still_pairs(blocks(self._each(chosen), len(chosen)), name))

    def against(self, places: Sequence[Place], signal: str) -> Pairs:
        """Return the pairs of a series and a signal that is known."""
        clean = self._open(signal)
        if len(clean) not in {1, len(places)}:
            raise UserError(
                f"{signal} has {len(clean)} frames, {places[0][0].image.name} {len(places)}: the"
                " signal is one frame, or as many"
            )
        _check_sizes(places, clean)
        own = [(clean, k if len(clean) > 1 else 0) for k in range(len(places))]
        y, s = (
            torch.from_numpy(blocks(self._each(many), len(places))).flatten().double()
            for many in (places, own)
        )
        good = y.isfinite() & s.isfinite()
        return Pairs(y[good], s[good])


def _check_alike(names: Sequence[str], pairs: Sequence[Pairs]) -> None:
    """Refuse series whose noise differs at one signal: they are of different cameras or gains."""
    curves = [transfer(one.y, one.s) for one in pairs]
    for name, curve in zip(names[1:], curves[1:], strict=True):
        ratio = noise_ratio(curves[0], curve)
        if ratio > DIFFERENT or ratio < 1 / DIFFERENT:
            raise UserError(
                f"for its signal, the noise of {name} has {ratio:.2g} times the variance of"
                f" that of {names[0]}: these are frames of different cameras or gains. Calibrate"
                " each by itself"
            )


def _check_sizes(places: Sequence[Place], like: Frames) -> None:
    for frames, _ in places:
        if frames.shape != like.shape:
            one, two = (" x ".join(map(str, f.shape)) for f in (like, frames))
            raise UserError(
                f"{like.image.name} is {one} pixels, {frames.image.name} {two}: frames of one"
                " target have one size"
            )
