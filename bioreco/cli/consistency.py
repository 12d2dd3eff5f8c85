"""Is a deconvolution made up? Numbers that need no truth, for the middle of each image.

What is made up doesn't explain the measurement, isn't found again in its own blurred image, or is
there where nothing was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import fold
from bioreco.engine.wiener import noise_variance
from bioreco.metrics.frc import SMALLEST, frc
from bioreco.metrics.noise import Noise
from bioreco.operators.learnable_psf import LearnablePSF

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

HALF = 0.5  # correlation with a truth that has no noise
CONVENTIONS = {
    "residual_over_sigma": "root of the mean of (y - H x)^2 over the variance of the noise: 1 is"
    " right, more is made up or left out, less is noise that was believed",
    "cycle_residual": "root mean square of G(H x) - x over the standard deviation of x",
    "empty_output": "standard deviation of G of an empty, noisy image over that of x: 0 is right",
    "frc_resolution": f"detail in pixels at which the correlation of Fourier rings with the truth"
    f" falls below {HALF:g}; 2 if it doesn't",
    "frc_resolution_input": "the same of the measurement",
    "psf_correlation": "correlation of the learnt PSF with the true one",
    "doubted": "share of the pixels where the map of the residual is above 4",
    "cycle_doubt": "root mean square of the map of the cycle over the standard deviation of x",
    "axes_doubt": "the same of the map of the axes",
    "runs_doubt": "the same of the map of other runs",
}
MOST = {2: (256, 256), 3: (32, 128, 128)}  # pixels that are looked at
STEP = 16  # what they are a multiple of, along y and x
DARK = 0.01  # quantile of a result that is taken for its background


def told(
    predictor: Predictor,
    data: Measurements,
    results: Sequence[Frames],
    noise: Mapping[str, Sequence[Noise]],
    folder: Path,
) -> dict[str, float]:
    """Measure the results of a run, keep the PSF that it learnt, and tell the numbers."""
    found = measure(predictor, data.images, results, noise) | learnt_psf(predictor, data, folder)
    if found:
        found |= resolved("frc_resolution", results, data.references)
        found |= resolved("frc_resolution_input", data.images, data.references)
    if found:
        log.info("%s", ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    return found


def added(values: Mapping[str, Any], found: Mapping[str, float]) -> dict[str, Any]:
    """Add numbers to what metrics.json says of the test."""
    if not found:
        return dict(values)
    said = {key: CONVENTIONS[key] for key in found}
    return {
        **values,
        "test": {**values.get("test", {}), **found},
        "conventions": {**values.get("conventions", {}), **said},
    }


def applies(predictor: Predictor) -> bool:
    """Return whether a method has a forward model to be consistent with."""
    return hasattr(getattr(predictor.method, "forward_model", None), "operator") and not (
        predictor.method.denoises
    )


def measure(
    predictor: Predictor,
    images: Sequence[Frames],
    results: Sequence[Frames],
    noise: Mapping[str, Sequence[Noise]],
) -> dict[str, float]:
    """Return the means over all images of what `CONVENTIONS` tells; nothing where none applies."""
    if not applies(predictor):
        return {}
    found: dict[str, list[float]] = {}
    pairs = zip(images, results, strict=True)
    for k, (image, result) in enumerate(pairs):
        region = _middle(image.shape, MOST[image.dims])
        y, x = image.read(0, region), result.read(0, region)
        if not (np.isfinite(y).all() and np.isfinite(x).all() and np.ptp(x) > 0):
            continue
        for key, value in _measured(predictor, y, x, noise[image.image.name], k).items():
            found.setdefault(key, []).append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


@torch.no_grad()
def _measured(
    predictor: Predictor, y: Array, x: Array, noise: Sequence[Noise], number: int
) -> dict[str, float]:
    model: Any = predictor.method.forward_model
    H = model.operator()
    device = predictor.runtime.device
    blurred: Array = H(torch.from_numpy(x)[:, None].to(device))[:, 0].cpu().numpy()
    variance = noise_variance(noise)
    size = float(x.std())
    cycle = again(predictor, blurred) - x
    found = {"cycle_residual": float(np.sqrt(_inner(cycle**2, predictor))) / size}
    if variance is not None:
        share = (y - blurred) ** 2 / variance(blurred)
        found["residual_over_sigma"] = float(np.sqrt(_inner(share, predictor)))
        dark = np.full_like(x, np.quantile(x, DARK))
        rng = np.random.default_rng(fold(7, number))
        empty = dark + _pixelwise(rng, x.shape, model) * np.sqrt(variance(dark))
        found["empty_output"] = float(again(predictor, empty).std()) / size
    return found


def _pixelwise(rng: np.random.Generator, shape: Sequence[int], model: Any) -> Array:
    """Return white noise of the pixels that are measured, each of which may be several of x."""
    down = int(getattr(model, "down", 1))
    measured = [*shape[:-2], *(-(-n // down) for n in shape[-2:])]
    drawn: Array = rng.standard_normal(measured, dtype=np.float32)
    return drawn.repeat(down, -2).repeat(down, -1)[..., : shape[-2], : shape[-1]]


def resolved(
    key: str, images: Sequence[Frames], references: Sequence[Frames | None]
) -> dict[str, float]:
    """Return the mean resolution of images whose truth is known, in pixels, by its key."""
    found = []
    for image, clean in zip(images, references, strict=True):
        if clean is None or min(image.shape) < SMALLEST:
            continue
        region = _middle(image.shape, MOST[image.dims])
        x, truth = image.read(0, region)[0], clean.read(0, region)[0]
        if np.isfinite(x).all() and np.isfinite(truth).all():
            found.append(frc(x, truth, threshold=HALF).resolution or 2.0)
    return {key: float(np.mean(found))} if found else {}


def _inner(values: Array, predictor: Predictor) -> float:
    """Return the mean without the margin that the border of the crop may have changed."""
    reach = getattr(predictor.method.forward_model, "reach", (0,) * (values.ndim - 1))
    inside = [
        slice(r, n - r) if n > 4 * r else slice(0, n)
        for r, n in zip(reach, values.shape[1:], strict=True)
    ]
    return float(values[:, *inside].mean())


def again(
    predictor: Predictor, values: Array, spread: Callable[[Tensor], list[Tensor]] | None = None
) -> Array:
    """Return the reconstruction of a crop (c, [z,] y, x), as it comes.

    With `spread`, which makes several of what the network sees, return how much those differ.
    """
    device = predictor.runtime.device
    scaled = torch.from_numpy(predictor.scale.apply(values)).to(device)
    scales = predictor.scale.each(1 if predictor.joint else len(values), joint=predictor.joint)
    shift, unit = (torch.from_numpy(np.stack(v)).to(device) for v in zip(*scales, strict=True))
    batch: dict[str, Tensor] = {
        "y": scaled[None] if predictor.joint else scaled[:, None],
        "shift": shift,
        "unit": unit,
    }
    if spread is not None:
        std = torch.stack(spread(batch["y"])).std(0, correction=0)
        wide = (std[0] if predictor.joint else std[:, 0]).cpu().numpy()
        return predictor.scale.invert(wide) - predictor.scale.invert(0 * wide)
    mean = predictor.method.reconstruct(batch).mean
    return predictor.scale.invert((mean[0] if predictor.joint else mean[:, 0]).cpu().numpy())


def _middle(shape: Sequence[int], most: Sequence[int]) -> list[slice]:
    region = []
    for axis, (n, m) in enumerate(zip(shape, most, strict=True), -len(shape)):
        size = min(n, m)
        size -= size % STEP if axis >= -2 and size >= STEP else 0
        region.append(slice((n - size) // 2, (n - size) // 2 + size))
    return region


def learnt_psf(predictor: Predictor, data: Measurements, folder: Path) -> dict[str, float]:
    """Write the PSF that was learnt, if one was, as psf.tif; return how like the true one it is."""
    model = getattr(predictor.method, "forward_model", None)
    if not isinstance(model, LearnablePSF):
        return {}
    import tifffile

    kernel = model.kernel.detach().cpu().numpy()
    tifffile.imwrite(folder / "psf.tif", kernel, metadata={"axes": "ZYX"[3 - kernel.ndim :]})
    truth = data.true_psf()
    if truth is None:
        return {}
    whole = [max(a, b) for a, b in zip(kernel.shape, truth.shape, strict=True)]
    a, b = (_widened(one, whole).ravel() for one in (kernel, truth))
    return {"psf_correlation": float(np.corrcoef(a, b)[0, 1])}


def _widened(kernel: Array, whole: Sequence[int]) -> Array:
    margins = [
        (m // 2 - n // 2, m - n - m // 2 + n // 2) for n, m in zip(kernel.shape, whole, strict=True)
    ]
    return np.pad(kernel, margins)
