"""Maps of doubt: where a deconvolution may be made up, pixel by pixel, and no truth is needed.

They are written beside each result as a stack of planes in the order of `MAPS`. None proves that a
structure is real: what the measurement can't show (below its noise, or beyond its resolution) can
be made up without a trace in the first two, and shows in the others only by chance.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch import Tensor

from bioreco.cli.assembly import Trained, keep, restore
from bioreco.cli.consistency import again, applies
from bioreco.data.beside import Sample, doubt_path, stacked
from bioreco.data.formats import create
from bioreco.data.frames import Frames
from bioreco.engine.predict import Predictor
from bioreco.engine.tiles import plan
from bioreco.engine.turns import turn_back, turn_there
from bioreco.engine.wiener import noise_variance
from bioreco.errors import UserError, nearest
from bioreco.metrics.noise import Noise

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

MAPS = {
    "residual": "H^T (H x - y) / sigma, in standard deviations of noise: above 4 the result has"
    " light there that wasn't measured, below -4 it lacks some",
    "cycle": "|G(H x) - x|, in grey levels: what isn't found again in its own blurred image",
    "axes": "standard deviation of G over axes (planes of a stack, turns of an image), grey levels",
    "runs": "standard deviation over this run and those of output.runs, in grey levels",
}
WORDS = ("auto", "true", "false")
AFFORDABLE = 2**25  # pixels up to which "auto" writes maps
SIDES = {2: (256, 256), 3: (32, 96, 96)}  # pixels that are looked at together
FLAG = 4.0  # standard deviations

Noises = Mapping[str, Sequence[Noise]]


@dataclass(frozen=True)
class Doubt:
    """What is asked for.

    Attributes
    ----------
    word
        "true", "false", or "auto": maps for methods that learn, of images that aren't too large.
    runs
        Other runs that learnt from the same data with another seed.

    """

    word: str
    runs: Sequence[Trained]

    def told(
        self,
        predictor: Predictor,
        images: Sequence[Frames],
        results: Sequence[Frames],
        noise: Noises,
        *,
        apart: bool,
    ) -> dict[str, float]:
        """Write the maps that are asked for; return the numbers that sum them up."""
        pixels = sum(len(one) * one.channels * math.prod(one.shape) for one in images)
        fits = bool(predictor.method.wants) and pixels <= AFFORDABLE
        if not applies(predictor) or self.word == "false" or (self.word == "auto" and not fits):
            return {}
        others = [run.predictor(predictor.runtime, predictor.inference) for run in self.runs]
        return write(predictor, images, results, noise, apart=apart, others=others)


def asked(config: DictConfig) -> Doubt:
    """Return what the configuration's `output` asks for, before any work is done.

    Raises
    ------
    UserError
        If the word isn't known, or a run isn't there.

    """
    output = config.get("output") or {}
    word = str(output.get("doubt", "auto")).lower()
    if word not in WORDS:
        raise UserError(
            f"output.doubt={word}: choose one of {', '.join(WORDS)}." + nearest(word, WORDS)
        )
    given = output.get("runs") or []
    paths = [given] if isinstance(given, str) else [str(path) for path in given]
    trust = tuple(config.get("trust") or ())
    return Doubt(word, [restore(keep(Path(path).expanduser()), trust=trust) for path in paths])


def alone(config: DictConfig) -> Doubt:
    """Return what is asked for of data that no other runs are compared with; refuse any."""
    if (config.get("output") or {}).get("runs"):
        raise UserError("output.runs is for deconvolved images and half sets of particles")
    return asked(config)


def write(
    predictor: Predictor,
    images: Sequence[Frames],
    results: Sequence[Frames],
    noise: Noises,
    *,
    apart: bool,
    others: Sequence[Predictor] = (),
) -> dict[str, float]:
    """Write the maps of all results; return the numbers that sum them up.

    Parameters
    ----------
    predictor
        What the results are made by.
    images, results
        Measurements and what was made of them.
    noise
        Of each image.
    apart
        Use a folder of their own; see `doubt_path`.
    others
        Other runs, that learnt from the same data with another seed.

    """
    told: dict[str, list[float]] = {}
    for image, result in zip(images, results, strict=True):
        path = doubt_path(result.image.path, apart=apart)
        path.parent.mkdir(parents=True, exist_ok=True)
        for key, value in _written(path, predictor, image, result, noise, others).items():
            told.setdefault(key, []).append(value)
        log.info("Wrote %s", path)
    return {key: float(np.mean(values)) for key, values in told.items()}


def _written(
    path: Path,
    predictor: Predictor,
    image: Frames,
    result: Frames,
    noise: Noises,
    others: Sequence[Predictor],
) -> dict[str, float]:
    names = list(MAPS)[: 4 if others else 3]
    sums = dict.fromkeys(["flags", "pixels", "x", "xx", *names], 0.0)
    like = stacked(image.image, len(names))
    variance = noise_variance(noise[image.image.name])
    with create(path, like, dtype=np.dtype(np.float32), overwrite=True, note="doubt") as writer:
        for frame in range(len(image)):
            for tile in plan(image.shape, *_raster(predictor, image)):
                y, x = (one.read_mirrored(frame, tile.start, tile.size) for one in (image, result))
                found = maps(predictor, y, x, variance, others)
                inside = x[:, *tile.inside].astype(np.float64)
                sums["pixels"] += inside.size
                sums["x"] += float(inside.sum())
                sums["xx"] += float((inside**2).sum())
                for k, name in enumerate(names):
                    values = np.ascontiguousarray(found[name][:, *tile.inside])
                    sums[name] += float((values.astype(np.float64) ** 2).sum())
                    if name == "residual":
                        sums["flags"] += float((values > FLAG).sum())
                    image.write(Sample(writer, k), frame, tile.core, values)
    many = sums["pixels"]
    size = max(sums["xx"] / many - (sums["x"] / many) ** 2, 1e-30) ** 0.5
    told = {f"{name}_doubt": (sums[name] / many) ** 0.5 / size for name in names[1:]}
    return {"doubted": sums["flags"] / many, **told}


def _raster(predictor: Predictor, image: Frames) -> tuple[Any, Any, Any]:
    """Return tile, halo and stride: whole frames where the method looks at all of one."""
    method = predictor.method
    reach = getattr(method.forward_model, "reach", (0,) * image.dims)
    if method.halo is None:
        return SIDES[image.dims], None, method.stride
    halo = [2 * a + b for a, b in zip(reach, method.halo, strict=True)]
    return [n + 2 * h for n, h in zip(SIDES[image.dims], halo, strict=True)], halo, method.stride


@torch.no_grad()
def maps(
    predictor: Predictor,
    y: Array,
    x: Array,
    variance: Callable[[Array], Array] | None,
    others: Sequence[Predictor] = (),
) -> dict[str, Array]:
    """Return the maps (c, [z,] y, x) of a crop of a measurement and its result."""
    model: Any = predictor.method.forward_model
    H, device = model.operator(), predictor.runtime.device
    finite = np.isfinite(y) & np.isfinite(x)
    y, x = (np.where(finite, one, 0).astype(np.float32) for one in (y, x))
    blurred: Array = H(torch.from_numpy(x)[:, None].to(device))[:, 0].cpu().numpy()
    if variance is not None:
        sigma = np.sqrt(np.maximum(variance(blurred), 1e-12))
    else:
        sigma = np.full_like(y, max(float(1.4826 * np.median(np.abs(y - blurred))), 1e-6))
    surplus = torch.from_numpy((blurred - y) / sigma)[:, None].to(device)
    found = {
        "residual": _matched(model, H, surplus)[:, 0].cpu().numpy(),
        "cycle": np.abs(again(predictor, blurred) - x),
        "axes": _along_axes(predictor, y),
    }
    if others:
        each = [x, *(again(other, y) for other in others)]
        found["runs"] = np.std(each, axis=0)
    return {name: np.where(finite, values, np.nan) for name, values in found.items()}


def _matched(model: Any, H: Any, surplus: Tensor) -> Tensor:
    """Return H^T of the surplus over the deviation that noise of deviation 1 would give it."""
    if not hasattr(H, "adjoint"):
        return surplus
    down = int(getattr(model, "down", 1))
    made = torch.Generator().manual_seed(0)
    noise = torch.randn(surplus[..., ::down, ::down].shape, generator=made).to(surplus)
    noise = noise.repeat_interleave(down, -1).repeat_interleave(down, -2)
    deviation = H.adjoint(noise[..., : surplus.shape[-2], : surplus.shape[-1]]).std()
    found: Tensor = H.adjoint(surplus) / deviation
    return found


def _along_axes(predictor: Predictor, y: Array) -> Array:
    """Return how much G differs between planes of a stack, or turns of an image."""
    network: Any = getattr(predictor.method, "network", None)
    if hasattr(network, "views"):
        return again(predictor, y, spread=network.views)
    turns = predictor.inference.orientations(predictor.allowed, 0)
    if len(turns) == 1:
        turns = [(False, ())]
    each = []
    for turn in turns:
        turned = turn_there(torch.from_numpy(y)[None], turn)[0].contiguous().numpy()
        back = turn_back(torch.from_numpy(again(predictor, turned))[None], turn)
        each.append(back[0].numpy())
    return np.asarray(np.std(each, axis=0), dtype=np.float32)
