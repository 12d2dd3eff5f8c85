"""`bioreco infer` for a run on particles: there is nothing to apply."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from bioreco.build import find
from bioreco.cli.assembly import Kept
from bioreco.cli.context import Context
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError

NOTHING = "nothing that other particles could be put through"
REASONS = {
    "reconstructions": f"a volume, results/volume.mrc, and {NOTHING}",
    "conformations": f"volumes, results/volume_*.mrc, and {NOTHING}",
    "samples": f"to draw images, results/samples.mrc, and {NOTHING}; more are drawn by `bioreco"
    " resume RUN output.samples=NUMBER`",
    "poses": "how the particles lie that it was trained on, results/poses.csv; to know that of"
    " others, train on them: data=cryoem data.paths=[particles.star]",
}


def infer(config: DictConfig, _context: Context, _runtime: Runtime, kept: Kept) -> None:
    """Refuse: what was learnt is of the particles that it was learnt from."""
    target = str(kept.state["config"]["method"]["_target_"])
    method: Any = find(target, "method", tuple(config.trust or ()))
    folder = kept.path.parent.parent
    raise UserError(f"{kept.names} in {folder} learnt {REASONS[method.makes]}.")
