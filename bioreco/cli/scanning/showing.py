"""What a run on scans says of its results: a table of scores and the picture to look at first."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.cli import tables
from bioreco.cli.scanning import functional, scoring
from bioreco.cli.scanning.applying import Found
from bioreco.cli.scanning.doubting import CONVENTIONS as DOUBTING
from bioreco.cli.scanning.leaking import CONVENTIONS as LEAKING
from bioreco.cli.scanning.leaking import noise_growth
from bioreco.cli.scanning.restoring import CONVENTIONS as RESTORING
from bioreco.data.acquisition import Acquisition
from bioreco.data.scans import Scans
from bioreco.engine.galleries import Row, gallery
from bioreco.metrics.fidelity import CONVENTIONS

log = logging.getLogger("bioreco")

Scores = dict[str, float]
PLAIN = "sense"  # the baseline that is smoothed for the control of equal smoothness
SHOWN = 5  # columns of a picture at most, the truth left out


def show(data: Scans, columns: Mapping[str, Found], folder: Path) -> dict[str, Any]:
    """Score all columns, print the table, draw the picture; return what metrics.json says.

    `columns` holds the method first and then its baselines.
    """
    every = {name: _scores(data, found) for name, found in columns.items()}
    method, *others = every
    if PLAIN in others:
        control = functional.control(data.acquisitions[0], columns[PLAIN].paths[0], every[method])
        every |= {f"{PLAIN}_smoothed": control} if control else {}
        others = [name for name in every if name != method]
    _, *beside = columns
    names = [*beside[: SHOWN - 1], method]
    paths = {name: columns[name].paths[0] for name in names}
    draw(data.acquisitions[0], paths, every, folder / "preview.png")
    growth = {"encoding": _grown(data)}
    if not any(every.values()):
        log.info("No scores: there is no truth.")
        return growth
    keys = list(dict.fromkeys(key for one in every.values() for key in one))
    rows: list[list[tables.Cell]] = [
        [name, *[one.get(key) for key in keys]] for name, one in every.items()
    ]
    log.info("\n%s", tables.text(["", *keys], rows))
    told = {**CONVENTIONS, **functional.CONVENTIONS, **LEAKING, **RESTORING, **DOUBTING}
    keys += list(growth["encoding"])
    return growth | {
        "test": every[method],
        "baselines": {name: every[name] for name in others},
        "conventions": {key: told[key] for key in keys if key in told},
    }


def _grown(data: Scans) -> dict[str, float]:
    """Say by how much the acceleration alone raises the noise."""
    growth = noise_growth(data)
    if growth:
        log.info(
            "g-factor of these coils and lines: median %.2f, 95th percentile %.2f.",
            *growth.values(),
        )
    return growth


def _scores(data: Scans, found: Found) -> Scores:
    """Return the mean scores over all scans."""
    each = [
        scoring.fidelity(scan, path) | functional.scores(scan, path)
        for scan, path in zip(data.acquisitions, found.paths, strict=True)
    ]
    keys = [key for key in each[0] if all(key in one for one in each)]
    mean = {key: float(np.mean([one[key] for one in each])) for key in keys}
    return mean | dict(found.scores)


def draw(
    scan: Acquisition, paths: Mapping[str, Path], scores: Mapping[str, Scores], picture: Path
) -> None:
    """Draw one slice of a scan: image, error, and of a series its maps.

    Parameters
    ----------
    scan
        What was reconstructed.
    paths
        Its reconstructions by name, from left to right; the truth comes last where it is known.
    scores
        By the same names; the PSNR is written beneath the images.
    picture
        The PNG file.

    """
    z = int(scan.geometry.slices.max() + 1) // 2
    images = {name: scoring.magnitude(path, 0)[z] for name, path in paths.items()}
    truth = scoring.truth_of(scan, 0)
    last = images[list(images)[-1]]
    bright = float(np.percentile(last if truth is None else truth[z], 99.7))
    known = {name: scores[name]["psnr"] for name in paths if "psnr" in scores.get(name, {})}
    notes = {name: f"PSNR {psnr:.2f} dB" for name, psnr in known.items()}
    shown = images if truth is None else {**images, "truth": truth[z]}
    rows = [Row("magnitude", shown, (0, bright), notes=notes)]
    if truth is not None:
        errors = {name: np.abs(image - truth[z]) for name, image in images.items()}
        rows.append(Row("|error| (a fifth of the scale)", errors, (0, bright / 5), "magma"))
    rows += functional.rows(scan, paths, z)
    gallery(picture, list(shown), rows, title=f"{scan.name}, slice {z}")
    log.info("Picture: %s", picture)
