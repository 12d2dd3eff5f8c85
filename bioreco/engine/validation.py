"""Validation: the loss on pixels that are never trained on, and a picture to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.engine.curves import drawn
from bioreco.engine.journal import Journal
from bioreco.engine.pictures import picture
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Samples, tensors
from bioreco.methods.method import Method

if TYPE_CHECKING:
    from torch import Tensor


@torch.no_grad()
def validate(
    method: Method,
    samples: Samples,
    runtime: Runtime,
    log: Journal,
    step: int,
    floor: float | None,
) -> dict[str, float]:
    """Average the method's validation losses over fixed batches with fixed masks.

    Parameters
    ----------
    method, samples, runtime
        What is validated, on what, where.
    log, step
        Where the pictures go: what the first batch looks like and its reconstruction, and spectra
        where the method has some.
    floor
        The part of the loss that is noise; `val/excess` is the loss without it.

    """
    totals: dict[str, list[Tensor]] = {}
    for number, batch in enumerate(samples.validation()):
        on_device = tensors(batch, runtime.device)
        torch.manual_seed(number)
        with runtime.autocast():
            for key, loss in method.validate(on_device).items():
                totals.setdefault(f"val/{key}", []).append(loss)
            if number == 0:
                seen, mean = method.look(on_device), method.reconstruct(on_device).mean
                log.picture("reconstruction", step, picture(_plane(seen), _plane(mean)))
                spectra = method.spectra(on_device)
                if spectra:
                    lines = {name: one.float().cpu().numpy() for name, one in spectra.items()}
                    log.picture("spectra", step, drawn(lines))
    values = {key: float(torch.stack(losses).mean()) for key, losses in totals.items()}
    if floor is not None and "val/mse" in values:
        values |= {"val/noise_floor": floor, "val/excess": values["val/mse"] - floor}
    return values


def _plane(values: Tensor) -> NDArray[np.float32]:
    """Return the first channel of the first sample; of a stack its middle slice, of complex |x|."""
    first = values[0, 0].abs() if values.is_complex() else values[0, 0]
    plane = first[len(first) // 2] if first.ndim == 3 else first
    shown: NDArray[np.float32] = plane.float().cpu().numpy()
    return shown
