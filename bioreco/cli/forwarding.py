"""Build the forward model of a configuration for the images at hand."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from bioreco.build import build, find
from bioreco.data.psf import read_psf
from bioreco.errors import UserError, nearest
from bioreco.operators.blur import FORMULAS


def forward_model(
    node: DictConfig,
    *,
    trusted: tuple[str, ...],
    restored: bool,
    smallest: tuple[int, ...] | None,
    **known: Any,
) -> Any:
    """Return the forward model; of what is `known` of the images it takes what it asks for.

    A PSF from a file is read here, unless the model is about to be `restored` from a checkpoint.
    """
    wanted = inspect.signature(find(str(node.get("_target_")), "forward", trusted)).parameters
    given = {key: value for key, value in known.items() if key in wanted}
    if "measured" in wanted:
        sizes = tuple(node.get("pixel_size") or ()) or known["spacing"]
        psf = str(node.get("psf"))
        given["measured"] = None if restored else _measured(psf, known["dims"], sizes, smallest)
    return build(node, "forward", trusted=trusted, **given)


def _measured(
    psf: str, dims: int, sizes: tuple[float, ...] | None, smallest: tuple[int, ...] | None
) -> Tensor | None:
    """Read the PSF where it is a file; None where it is a formula."""
    if psf in FORMULAS:
        return None
    if not Path(psf).expanduser().exists():
        raise UserError(
            f"forward.psf={psf}: there is no such file; or choose one of {', '.join(FORMULAS)}."
            + nearest(psf, FORMULAS)
        )
    return torch.from_numpy(read_psf(str(Path(psf).expanduser()), dims, sizes, smallest))
