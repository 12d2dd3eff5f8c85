"""`bioreco evaluate`: scores of an image or of a run, with or without a reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bioreco import __version__
from bioreco.cli import covering, tables
from bioreco.cli.context import Context
from bioreco.cli.covering import partner
from bioreco.cli.runs import Run, images_in, read_run
from bioreco.data.formats import find_images, open_image
from bioreco.data.paths import MARK, is_beside
from bioreco.engine import scoring
from bioreco.engine.glance import name_of
from bioreco.engine.scoring import FrameScores, Scores
from bioreco.errors import UserError
from bioreco.metrics import coverage
from bioreco.metrics.fidelity import CONVENTIONS

Record = dict[str, Any]

SHOWN = 12  # frames shown one by one at most
WIDE = 100  # characters of a line
RUN_FACTS = ("command", "method", "data", "forward", "network", "seed", "steps")

SEEN = {
    "noise_left": "noise estimated in this image, grey levels",
    "noise_before": "noise estimated in the measurement, grey levels",
    "residual_over_sigma": "what was taken away over the noise: 1 is right, less leaves noise, "
    "more takes structure",
    "residual_correlation": "likeness of neighbours in what was taken away: 0 if their noise is "
    "independent",
    "residual_likeness": "correlation of what was taken away with the result: 0 is right",
    "frc_pixels": "detail, in pixels, on which the first two frames agree (Fourier ring "
    "correlation 1/7); says something only if they show the same",
}


def run(cfg: DictConfig, _context: Context) -> None:
    """Print the scores; write them as JSON where `output.path` says."""
    if cfg.run is not None and cfg.input is not None:
        raise UserError("takes FILE or run=RUN, not both.")
    if cfg.run is None and cfg.input is None:
        raise UserError("needs FILE or run=RUN.\nSee bioreco evaluate --help.")
    records = _of_run(cfg) if cfg.run is not None else _of_files(cfg, _inputs(cfg.input))
    _print_conventions(records)
    if cfg.output.path is not None:
        path = Path(cfg.output.path)
        if path.is_dir():
            path /= "scores.json"
        document = {"schema": 1, "version": __version__, "scores": _writable(records)}
        tables.save(path, json.dumps(document, indent=2) + "\n")
        print(f"wrote {path}")


def _inputs(given: Any) -> list[str]:
    named = [given] if isinstance(given, str) else [str(path) for path in given]
    found: list[str] = []
    for path in named:
        inside = images_in(Path(path)) if Path(path).is_dir() else []
        found += [one for one in inside if not is_beside(Path(one))] or find_images([path])
    return found


def _of_files(cfg: DictConfig, paths: Sequence[str]) -> list[Record]:
    records = []
    for path in paths:
        image = open_image(path, axes=cfg.axes)
        reference = partner(path, cfg.reference, "reference")
        measured = partner(path, cfg.measured, "measured") or _origin(path)
        sure = covering.held(cfg, path, image, reference, measured)
        if reference is not None:
            found = scoring.against(image, open_image(reference, axes=cfg.axes))
            record = _told(f"{path} against {reference}", covering.joined(found, sure), {})
        else:
            original = None if measured is None else open_image(measured, axes=cfg.axes)
            found = covering.joined(scoring.without(image, original), sure)
            title = f"{path}, no reference" + (f"; made from {measured}" if measured else "")
            record = _told(title, found, scoring.agreement(image))
        records.append(record | covering.told(sure))
    return records


def _origin(path: str) -> str | None:
    """Return the input beside NAME_denoised.EXT, if it is still there."""
    given = Path(path)
    stem, dot, rest = given.name.partition(".")
    if not stem.endswith(MARK):
        return None
    beside = given.with_name(stem.removesuffix(MARK) + dot + rest)
    return str(beside) if beside.exists() else None


def _told(title: str, found: Sequence[FrameScores], more: Scores) -> Record:
    """Print the scores of one file and return its record."""
    total = {**scoring.mean(f.scores for f in found), **more}
    columns = list(total)
    rows: list[list[tables.Cell]] = []
    if 1 < len(found) <= SHOWN:
        rows += [_row(name_of(f.place), f.scores, columns) for f in found]
    rows += _channel_rows(found, columns)
    rows.append(_row(f"mean of {len(found)}" if len(found) > 1 else "", total, columns))
    table = tables.text(["", *columns], rows)
    if len(rows) == 1 and len(table.splitlines()[0]) > WIDE:
        table = tables.text(["", "value"], [[name, total[name]] for name in columns])
    print(f"{title}\n{table}\n")
    frames = [{"frame": f.place, **f.scores} for f in found]
    return {"title": title, "mean": total, "frames": frames}


def _writable(value: Any) -> Any:
    """Return the records without the numbers that JSON can't hold."""
    if isinstance(value, dict):
        numbers = {k: v for k, v in value.items() if isinstance(v, float)}
        kept = scoring.finite(numbers)
        return {k: _writable(v) for k, v in value.items() if k not in numbers or k in kept}
    return [_writable(one) for one in value] if isinstance(value, list) else value


def _channel_rows(found: Sequence[FrameScores], columns: Sequence[str]) -> list[list[tables.Cell]]:
    """Return the mean of each channel, where there are several channels of several frames."""
    letter = next((axis for axis in "CS" if any(axis in f.place for f in found)), None)
    if letter is None:
        return []
    groups: dict[int, list[Scores]] = {}
    for frame in found:
        groups.setdefault(frame.place[letter], []).append(frame.scores)
    if not 1 < len(groups) < len(found):
        return []
    return [
        _row(f"mean of {letter}={index}", scoring.mean(group), columns)
        for index, group in groups.items()
    ]


def _row(name: str, found: Mapping[str, float], columns: Sequence[str]) -> list[tables.Cell]:
    return [name, *[found.get(column) for column in columns]]


def _of_run(cfg: DictConfig) -> list[Record]:
    run = read_run(Path(cfg.run))
    facts = [f"{key}={run.metrics[key]}" for key in RUN_FACTS if run.metrics.get(key) is not None]
    print(" ".join([f"{run.folder}: {run.status}", *facts]))
    names = [name for name in ["test", *run.baselines] if run.scores(name)]
    found = {name: run.scores(name) for name in names}
    if found:
        columns = list(dict.fromkeys(column for one in found.values() for column in one))
        titles = {"test": "result"}
        rows = [_row(titles.get(name, name), found[name], columns) for name in names]
        print(tables.text(["", *columns], rows))
    score = _score_of(run)
    for key, text in dict(run.metrics.get("conventions") or {}).items():
        print(f"{key}: {text}")
    print()
    records: list[Record] = []
    if found:
        records.append({"title": str(run.folder), "status": run.status, **found, **score})
    elif score:
        records.append({"title": str(run.folder), "status": run.status, **score})
    if cfg.reference is not None:
        results = images_in(run.folder / "results")
        if not results:
            raise UserError(f"{run.folder}/results holds no images to compare with the reference.")
        records += _of_files(cfg, results)
    elif not found:
        print("This run was not scored: it had no reference. Give one with reference=FILE.")
    return records


def _score_of(run: Run) -> Record:
    """Print the score without a truth of a run, worked out now if the run left none."""
    kept = run.metrics.get("score")
    conventions: Mapping[str, str] = {}
    if kept is None and run.status == "finished":
        from bioreco.cli.rescoring import rescore

        try:
            made = rescore(run)
        except UserError as error:
            print(f"no score without a truth: {error}")
            return {}
        kept, conventions = made["score"], dict(made.get("conventions") or {})
    numbers = {key: v for key, v in dict(kept or {}).items() if isinstance(v, float)}
    if not numbers:
        reason = dict(kept or {}).get("absent", "the run is not finished")
        print(f"no score without a truth: {reason}")
        return {}
    print(tables.text(["without a truth", ""], [[name, numbers[name]] for name in numbers]))
    for key, text in {**conventions, **SEEN}.items():
        if key in conventions or any(name.startswith(key) for name in numbers):
            print(f"{key}: {text}")
    return {"score": numbers}


def _print_conventions(records: Sequence[Record]) -> None:
    """Say how the numbers printed are defined."""
    used = {name for record in records for name in record.get("mean", {})}
    for name, text in {**CONVENTIONS, **SEEN, **coverage.CONVENTIONS}.items():
        family = {one for one in used - set(CONVENTIONS) if one.startswith(f"{name}_")}
        if name in used or family:
            print(f"{name}: {text}")
