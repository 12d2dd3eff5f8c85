"""What a run leaves whose volume moves: volumes along its code, their scores and their picture."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from bioreco import __version__
from bioreco.cli import tables
from bioreco.cli.beside import wanted
from bioreco.cli.particles.ending import Ended
from bioreco.cli.particles.scoring import MASK
from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.maps import write_map
from bioreco.data.particles.values import Volume
from bioreco.engine.galleries import Row, gallery
from bioreco.methods.multi_cryogan import MultiCryoGAN
from bioreco.metrics.conformations import compare, rigid
from bioreco.metrics.fsc import soft_sphere

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

STATES = 5  # that are written, shown and compared
BASELINES = ("rigid",)
CONVENTIONS = {
    "fsc_0.5_nyquist": f"mean over {STATES} true conformations of the first crossing of 0.5 with"
    " the volume that is nearest to each, after one alignment of all over rotation, hand and shift",
    "motion_correlation": "correlation of the last volume less the first with the true change,"
    " without its sign",
    "motion_by_chance": "the largest correlation of that change when turned at random 20 times",
    "motion_reach": "how far the volumes go along the true change; 1: as far",
}


def check(config: DictConfig, data: CryoEMData) -> list[str]:
    """Return what is compared with.

    Raises
    ------
    UserError
        If a name is unknown, or there is nothing to compare by.

    """
    return wanted(
        config,
        BASELINES,
        own=BASELINES,
        known=data.conformations is not None,
        missing="they are compared with true conformations, and there are none: say"
        " data.volume=hinge:60",
    )


def leave(ended: Ended, beside: list[str]) -> dict[str, Any]:
    """Write, score and show volumes along the code; return what metrics.json says of them."""
    assert isinstance(ended.method, MultiCryoGAN)
    data: CryoEMData = ended.data
    found = ended.method.volumes_at(torch.linspace(0, 1, STATES)).cpu().numpy()
    folder = ended.folder / "results"
    folder.mkdir(parents=True, exist_ok=True)
    note = f"bioreco {__version__}: method={ended.name}"
    for k, values in enumerate(found):
        path = folder / f"volume_{k + 1}.mrc"
        code = f"{note} code={k / (STATES - 1):g}"
        write_map(path, Volume(values, data.pixel_size, path.name), label=code, overwrite=True)
    log.info("Wrote %s to %s", folder / "volume_1.mrc", f"volume_{STATES}.mrc")
    if data.conformations is None:
        _show(ended, {ended.name: found})
        log.info("No scores: the true conformations aren't known.")
        return {}
    return _scored(ended, found, truths(data), beside)


def truths(data: CryoEMData) -> list[Array]:
    """Return the true conformations (z, y, x) along the path; nothing where they aren't known."""
    if data.conformations is None:
        return []
    states = np.linspace(0, 1, STATES)
    return [data.conformations.at(state).volume(data.box, data.pixel_size) for state in states]


def _scored(ended: Ended, found: Array, true: list[Array], beside: list[str]) -> dict[str, Any]:
    mask = soft_sphere(ended.data.box, MASK * ended.data.box / 2)
    laid = compare(found, true, mask, ended.seed)
    _show(ended, {ended.name: laid.volumes, "truth": np.stack(true)})
    scores: dict[str, float] = {
        "fsc_0.5_nyquist": float(laid.crossings.max(0).mean()),
        "motion_correlation": laid.motion,
        "motion_by_chance": laid.chance[1],
        "motion_reach": laid.reach,
    }
    others = {"rigid": {"fsc_0.5_nyquist": rigid(true, mask)}} if beside else {}
    rows: list[list[tables.Cell]] = [
        [name, *[one.get(key) for key in CONVENTIONS]]
        for name, one in {ended.name: scores, **others}.items()
    ]
    log.info("\n%s", tables.text(["", *CONVENTIONS], rows))
    return {"test": scores, "baselines": others, "conventions": CONVENTIONS}


def _show(ended: Ended, sets: dict[str, Array]) -> None:
    """Draw preview.png: projections of all volumes along x, y and z."""
    names = [f"code {code:g}" for code in np.linspace(0, 1, STATES)]
    rows = []
    for name, volumes in sets.items():
        for k, axis in enumerate("zyx"):
            planes = volumes.sum(axis=k + 1)
            planes = planes / max(float(np.percentile(planes, 99.8)), 1e-12)
            maps = dict(zip(names, planes, strict=True))
            rows.append(Row(f"{name}, along {axis}", maps, (0.0, 1.0)))
    gallery(ended.folder / "preview.png", names, rows, title=ended.data.particles.name)
    log.info("Picture: %s", ended.folder / "preview.png")
