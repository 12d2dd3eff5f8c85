"""Two runs on the halves of a particle set: down to which detail their volumes agree.

A run with `data.particles=half2 output.runs=[FIRST]` compares its volume with that of a run FIRST
with `data.particles=half1`. They share no particle, no critic and no start.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from bioreco.cli import tables
from bioreco.cli.particles.scoring import MASK, Array, Found
from bioreco.cli.runs import read_run
from bioreco.data.particles.maps import on_grid
from bioreco.data.particles.portion import HALVES
from bioreco.engine.correlations import Curve
from bioreco.errors import UserError
from bioreco.metrics.alignment import align
from bioreco.metrics.fsc import HALVES as ENOUGH
from bioreco.metrics.fsc import MaskedCorrelation, masked_fsc, soft_sphere

log = logging.getLogger("bioreco")

CONVENTIONS = {
    "halves_fsc_0.143_angstrom": "first crossing of 0.143 with the volume of the other half of the"
    " particles, after alignment over rotation, hand and shift, within a soft sphere of 0.9 of half"
    " the box, corrected for that mask by random phases",
    "halves_fsc_0.143_nyquist": "the same as a fraction of Nyquist",
}


@dataclass(frozen=True)
class Halves:
    """What the volumes of two halves have in common.

    Attributes
    ----------
    mean
        The mean of both volumes (z, y, x), the other laid on the one.
    correlation
        Shell by shell.

    """

    mean: Array
    correlation: MaskedCorrelation

    def curves(self) -> list[Curve]:
        """Return what is drawn."""
        found = self.correlation
        named = {"halves": found.corrected, "halves without mask": found.unmasked}
        return [Curve(name, one.frequency, one.correlation) for name, one in named.items()]

    def scores(self) -> dict[str, float]:
        """Return what metrics.json says."""
        curve = self.correlation.corrected
        values = (curve.resolution(ENOUGH), curve.crossing(ENOUGH))
        return dict(zip(CONVENTIONS, values, strict=True))


def other_half(config: DictConfig) -> Path | None:
    """Return the volume of the run in `output.runs`, which learnt from the other half.

    Raises
    ------
    UserError
        If it didn't.

    """
    runs = [str(run) for run in config.output.runs or []]
    if not runs:
        return None
    mine = config.data.get("particles")
    if mine not in HALVES or len(runs) > 1:
        raise UserError(
            f"output.runs=[{','.join(runs)}]: the run on the other half of the particles; say"
            " data.particles=half2 here, and have one run with data.particles=half1"
        )
    run = read_run(Path(runs[0]).expanduser())
    here = OmegaConf.to_container(config.data, resolve=True)
    there = run.config.get("data") or {}
    assert isinstance(here, dict)
    wanted = {**here, "particles": HALVES[1 - HALVES.index(mine)]}
    for key, value in wanted.items():
        if there.get(key) != value:
            raise UserError(
                f"{run.folder} has data.{key}={there.get(key)}; the other half of these particles"
                f" is data.{key}={value}"
            )
    if run.config.get("seed") != config.seed and not (here.get("paths") or here.get("root")):
        raise UserError(f"{run.folder} has seed={run.config.get('seed')}: other particles")
    path = run.folder / "results" / "volume.mrc"
    if not path.is_file():
        raise UserError(f"{run.folder} is {run.status}: there is no results/volume.mrc in it")
    return path


def compare(found: Found, path: Path, seed: int) -> Halves:
    """Lay the volume of the other half on a volume, and correlate them."""
    box = len(found.volume)
    other = on_grid(path, box=box, voxel=found.voxel).values
    laid = align(other, found.volume).volume
    mask = soft_sphere(box, MASK * box / 2)
    made = Halves(
        (found.volume + laid) / 2,
        masked_fsc(found.volume, laid, mask, seed=seed, voxel=found.voxel),
    )
    scores = made.scores()
    log.info("\n%s", tables.text([*scores], [[*scores.values()]]))
    return made
