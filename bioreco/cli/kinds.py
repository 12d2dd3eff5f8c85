"""The kinds of data that there are, and what does each command for them.

A data set says its `kind`. "train" is called with (config, context, data, runtime, folder),
"infer" with (config, context, runtime, checkpoint), "simulate" with (data, folder, overwrite).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

FLOWS = {
    ("images", "train"): "bioreco.cli.imaging:train",
    ("images", "simulate"): "bioreco.cli.simulating:images",
    ("scans", "train"): "bioreco.cli.scanning.training:train",
    ("scans", "infer"): "bioreco.cli.scanning.inferring:infer",
    ("particles", "train"): "bioreco.cli.particles.training:train",
    ("particles", "infer"): "bioreco.cli.particles.inferring:infer",
    ("particles", "simulate"): "bioreco.cli.particles.simulating:simulate",
    ("tomograms", "train"): "bioreco.cli.tomograms.training:train",
    ("tomograms", "infer"): "bioreco.cli.tomograms.inferring:infer",
    ("tomograms", "simulate"): "bioreco.cli.tomograms.simulating:simulate",
    ("scans", "simulate"): "bioreco.cli.scanning.simulating:simulate",
}


def flow(kind: str, command: str) -> Callable[..., Any]:
    """Return the function that does a command for a kind of data."""
    module, function = FLOWS[kind, command].split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
