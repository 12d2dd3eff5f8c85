"""The kinds of data that there are, and what does each command for them.

A data set says its `kind`, and a method what it makes of it; see `Method`. "train" is called with
(config, context, data, runtime, folder), "infer" with (config, context, runtime, checkpoint),
"simulate" with (data, folder, overwrite).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from bioreco.errors import UserError

FLOWS: dict[tuple[str, ...], str] = {
    ("images", "train", "reconstructions"): "bioreco.cli.imaging:train",
    ("images", "train", "samples"): "bioreco.cli.generating:train",
    ("images", "simulate"): "bioreco.cli.simulating:images",
    ("scans", "train", "reconstructions"): "bioreco.cli.scanning.training:train",
    ("scans", "infer"): "bioreco.cli.scanning.inferring:infer",
    ("particles", "train", "reconstructions"): "bioreco.cli.particles.training:train",
    ("particles", "train", "poses"): "bioreco.cli.particles.training:train",
    ("particles", "train", "conformations"): "bioreco.cli.particles.training:train",
    ("particles", "train", "samples"): "bioreco.cli.particles.training:train",
    ("particles", "infer"): "bioreco.cli.particles.inferring:infer",
    ("particles", "simulate"): "bioreco.cli.particles.simulating:simulate",
    ("tomograms", "train", "reconstructions"): "bioreco.cli.tomograms.training:train",
    ("tomograms", "infer"): "bioreco.cli.tomograms.inferring:infer",
    ("tomograms", "simulate"): "bioreco.cli.tomograms.simulating:simulate",
    ("scans", "simulate"): "bioreco.cli.scanning.simulating:simulate",
}


def flow(kind: str, command: str, *makes: str) -> Callable[..., Any]:
    """Return the function that does a command for a kind of data; training says what it makes.

    Raises
    ------
    UserError
        If that can't be made of such data.

    """
    if (kind, command, *makes) not in FLOWS:
        kinds = [known[0] for known in FLOWS if known[1:] == (command, *makes)]
        raise UserError(
            f"this method makes {' '.join(makes)}, for which it needs {' or '.join(kinds)}; these"
            f" data are {kind}"
        )
    module, function = FLOWS[kind, command, *makes].split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
