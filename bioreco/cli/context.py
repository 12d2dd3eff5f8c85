"""What a command is told besides its configuration: who asked, and where its run lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Context:
    """The surroundings of one command.

    Attributes
    ----------
    command : str
        The command that the run belongs to; a resumed run keeps the command it began with.
    folder : Path
        The run folder, which exists. Commands without one, and all processes but the first under
        torchrun, get the current directory.
    overrides : tuple of str
        The `key=value` arguments, of the run's beginning and of its resumptions.
    choices : mapping
        The chosen option of each group, such as ``{"method": "n2v", "experiment": None}``.
    resumed : bool
        Whether the run goes on from its last checkpoint.
    """

    command: str
    folder: Path
    overrides: tuple[str, ...]
    choices: Mapping[str, str | None]
    resumed: bool = False


def follower() -> bool:
    """Whether this is one of torchrun's processes other than the first."""
    return os.environ.get("RANK", "0") not in {"", "0"}
