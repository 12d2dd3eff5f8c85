"""`bioreco infer` for a run on particles: there is nothing to apply."""

from __future__ import annotations

from omegaconf import DictConfig

from bioreco.cli.assembly import Kept
from bioreco.cli.context import Context
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError


def infer(_config: DictConfig, _context: Context, _runtime: Runtime, kept: Kept) -> None:
    """Refuse: what was learnt is the volume itself."""
    folder = kept.path.parent.parent
    raise UserError(
        f"{kept.names} learnt a volume, {folder / 'results' / 'volume.mrc'}, and nothing that other"
        " particles could be put through"
    )
