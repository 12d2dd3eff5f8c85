"""Is a tomogram made up? Numbers and a map that need no truth.

The map, NAME.tif in the folder `doubt`, is the standard deviation of the index over the axes that
directions of projection turn about: each axis alone makes up a volume. What is made up within the
missing cone, and alike from all sides, shows in none of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bioreco.data.tomograms.values import Array
from bioreco.methods.method import Batch
from bioreco.methods.projectiongan import ProjectionGAN
from bioreco.methods.tomography import Tomography, index_of
from bioreco.operators import parallel
from bioreco.operators.diffraction import potential
from bioreco.operators.fourier_bins import Bins
from bioreco.operators.odt import views_of

CONVENTIONS = {
    "data_residual": "norm of what the result misses of the measured frequencies, over theirs",
    "residual_over_sigma": "the same over the norm of white noise as strong as in the corners of"
    " the images' spectra: about 1 is right, more where the camera's noise was filtered",
    "cycle_residual": "root mean square of G(M p) - p over that of p, the projections of the result"
    " along blurred directions, M what was measured of them",
    "empty_output": "root mean square of G of noise alone over that of p: 0 is right",
    "axes_doubt": "root mean square of the map over the standard deviation of the index",
}
CORNER = 0.5  # cycles per pixel, beyond which images hold no light of the object


@torch.no_grad()
def told(method: Tomography, batch: Batch, index: Array) -> tuple[dict[str, float], Array | None]:
    """Return the numbers that apply to a result (z, y, x), and the map if there is one."""
    bins, nothing = method.bins(batch), method.bins({**batch, "y": noise_like(batch["y"])})
    medium, wavenumber = float(batch["optics"][0, 2]), views_of(batch).wavenumber
    f = potential(torch.from_numpy(index).to(batch["y"].device), medium, wavenumber)
    missed = torch.where(bins.known, bins.spectrum(f) - bins.values, 0)
    found = {
        "data_residual": float(missed.norm() / bins.values.norm()),
        "residual_over_sigma": float(missed.norm() / nothing.values.norm()),
    }
    if not isinstance(method, ProjectionGAN):
        return found, None
    found |= _repeated(method, bins, nothing, f)
    if len(method.directions.axes) < 2:
        return found, None
    each = torch.stack([index_of(one, batch)[0, 0] for one in method.by_axis(bins)])
    differing: Array = each.std(0, correction=0).cpu().numpy()
    found["axes_doubt"] = float((differing**2).mean() ** 0.5 / index.std())
    return found, differing


def _repeated(method: ProjectionGAN, bins: Bins, nothing: Bins, f: Tensor) -> dict[str, float]:
    """Return what G makes of the result once it was measured, and of noise."""
    poses = method.directions.every
    blurred = method.directions.blurred(poses)
    images = parallel.project(f, poses)
    noise = parallel.project(nothing.volume(nothing.values), poses)
    size = images[blurred].norm().clamp(min=1e-12)
    again, empty = (method.again(one, bins)[blurred] for one in (images, noise))
    return {
        "cycle_residual": float((again - images[blurred]).norm() / size),
        "empty_output": float(empty.norm() / size),
    }


def noise_like(y: Tensor) -> Tensor:
    """Return fields (1, v, y, x) of white noise as strong as in the corners of others' spectra."""
    along = [torch.fft.fftfreq(n, device=y.device) for n in y.shape[-2:]]
    corners = torch.hypot(along[0][:, None], along[1]) > CORNER
    power = torch.fft.fft2(y, norm="ortho")[..., corners].abs().square().mean()
    draw = torch.Generator().manual_seed(7)
    noise = torch.randn(y.shape, generator=draw, dtype=torch.complex64).to(y)
    found: Tensor = noise * power.sqrt()
    return found
