"""Checkpoints: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bioreco import __version__
from bioreco.errors import UserError

State = dict[str, Any]


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        torch.save({**state, "version": __version__}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path, device: torch.device | str = "cpu") -> State:
    """Read a checkpoint; only tensors and plain values are accepted.

    Raises
    ------
    UserError
        If there is none, or the file is something else.

    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other programs' files; what is told is below
            state = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise UserError(f"{path} is not a checkpoint of bioreco, or is damaged") from error
    if not isinstance(state, dict) or not {"method", "step", "config"} <= set(state):
        raise UserError(f"{path} is not a checkpoint of bioreco")
    return state
