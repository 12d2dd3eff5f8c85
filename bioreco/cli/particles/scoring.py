"""Scores of volumes: aligned with the truth, shell by shell, beside what chance gives."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco.cli import tables
from bioreco.cli.beside import wanted
from bioreco.data.cryoem import CryoEMData
from bioreco.engine.sampler import collate
from bioreco.methods.known_poses import known_poses, spherical_average
from bioreco.methods.method import Batch
from bioreco.metrics.alignment import aligned_fsc
from bioreco.metrics.fsc import ShellCorrelation, soft_sphere
from bioreco.metrics.null import Null, null_distribution, unrelated

log = logging.getLogger("bioreco")

Array = NDArray[Any]

HALF = 0.5  # of the correlation with a truth
MASK = 0.9  # radius of the sphere that is compared, as a share of half the box
CHANCE = "unrelated"
BASELINES = ("sphere", "known_poses", CHANCE)
TOGETHER = 256  # particles that are laid into a volume at once
CONVENTIONS = {
    "fsc_0.5_angstrom": "first crossing of 0.5 with the truth, after alignment over rotation, hand"
    " and shift, within a soft sphere of 0.9 of half the box",
    "fsc_0.5_nyquist": "the same as a fraction of Nyquist",
    "fsc_null_nyquist": "mean of the same for aligned unrelated volumes",
    "fsc_null_z": "standard deviations of theirs by which the volume's crossing is beyond it",
}


@dataclass
class Found:
    """A volume, and after scoring how it lies on the truth.

    Attributes
    ----------
    volume
        (z, y, x).
    voxel
        In Angstrom.
    aligned, curve
        The volume laid on the truth and their correlation; None without a truth.

    """

    volume: Array = field(repr=False)
    voxel: float
    aligned: Array | None = field(default=None, repr=False)
    curve: ShellCorrelation | None = None
    null: Null | None = None


def compared(config: DictConfig, data: CryoEMData) -> list[str]:
    """Return what is compared with: the floor, the ceiling, and unrelated volumes.

    Raises
    ------
    UserError
        If a name is unknown, or there is nothing to compare with.

    """
    return wanted(
        config,
        BASELINES,
        own=BASELINES,
        known=data.truth is not None,
        missing="they are compared with a true volume, and there is none: say data.volume=MAP",
    )


def baselines(names: Sequence[str], data: CryoEMData) -> dict[str, Found]:
    """Return the floor, which knows no direction, and the ceiling, where poses are known."""
    found = {}
    if "sphere" in names and data.truth is not None:
        found["sphere"] = Found(spherical_average(data.truth.values), data.pixel_size)
    if "known_poses" in names and data.particles.poses is not None:
        volume = known_poses(_batches(data), data.box).volume
        found["known_poses"] = Found(volume, data.pixel_size)
    return found


def _batches(data: CryoEMData) -> Iterator[tuple[int, Batch]]:
    """Yield the particles of both halves, with their poses."""
    for half, samples in enumerate(data.training(("pose", "origin")).halves()):
        for first in range(0, len(samples), TOGETHER):
            last = min(first + TOGETHER, len(samples))
            yield half, collate([samples[k, 0] for k in range(first, last)])


def score(
    data: CryoEMData, columns: Mapping[str, Found], *, chance: bool, seed: int
) -> dict[str, Any]:
    """Align every volume with the truth and correlate; return what metrics.json says."""
    if data.truth is None:
        log.info("No scores: there is no true volume. Say data.volume=MAP to score against one.")
        return {}
    truth, mask = data.truth.values, soft_sphere(data.box, MASK * data.box / 2)
    scores: dict[str, dict[str, float]] = {}
    method, *others = columns
    for name, found in columns.items():
        curve, aligned = aligned_fsc(found.volume, truth, mask=mask, voxel=found.voxel)
        found.aligned, found.curve = aligned.volume, curve
        scores[name] = {
            "fsc_0.5_angstrom": curve.resolution(HALF),
            "fsc_0.5_nyquist": curve.crossing(HALF),
        }
    if chance:
        log.info("Aligning unrelated volumes, to know what chance gives.")
        drawn = unrelated(truth, columns[method].volume, seed=seed)
        null = null_distribution(truth, drawn, mask=mask)
        for name, found in columns.items():
            found.null = null
            assert found.curve is not None  # just set
            scores[name]["fsc_null_nyquist"] = float(null.crossings.mean())
            scores[name]["fsc_null_z"] = null.z_score(found.curve)
    keys = list(scores[method])
    rows: list[list[tables.Cell]] = [
        [name, *[one[key] for key in keys]] for name, one in scores.items()
    ]
    log.info("\n%s", tables.text(["", *keys], rows))
    return {
        "test": scores[method],
        "baselines": {name: scores[name] for name in others},
        "conventions": {key: CONVENTIONS[key] for key in keys},
    }
