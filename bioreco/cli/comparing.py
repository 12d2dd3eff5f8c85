"""`bioreco compare`: one leaderboard of runs as a table, CSV, Markdown and a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from bioreco.cli import tables
from bioreco.cli.context import Context
from bioreco.cli.leaderboard import SECONDS, Entry, entries, score_names
from bioreco.cli.runs import Run, find_runs
from bioreco.engine.charts import Bar, leaderboard
from bioreco.errors import UserError
from bioreco.metrics.fidelity import CONVENTIONS

NAME = "leaderboard"
PREVIEWS = 4  # previews in the picture


def run(cfg: DictConfig, _context: Context) -> None:
    """Print the leaderboard and write it into `output.path` or the folder of the runs."""
    given = [cfg.input] if isinstance(cfg.input, str) else [str(path) for path in cfg.input]
    runs = find_runs(given)
    ranked = entries(runs)
    scores = score_names(ranked)
    columns, rows = _table(ranked, scores)
    notes = _notes(runs, scores)
    print(tables.text(columns, rows))
    print("\n" + "\n".join(notes))
    folder = _folder(given, cfg.output.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = _write(folder, ranked, scores, notes)
    except OSError as error:
        raise UserError(
            f"can't write into {folder} ({error.strerror}); name another folder with -o FOLDER."
        ) from error
    print(f"wrote {', '.join(path.name for path in written)} into {folder}")


def _table(
    ranked: Sequence[Entry], scores: Sequence[str]
) -> tuple[list[str], list[list[tables.Cell]]]:
    """Return the columns and rows of the leaderboard as people read it."""
    options = list(next((e.options for e in ranked if not e.baseline), {}))
    timed = [SECONDS] if any(e.values(SECONDS) for e in ranked) else []
    told = {e.status for e in ranked if not e.baseline} != {"finished"}
    columns = [*(options or ["run"]), "runs", *(["status"] if told else []), *scores, *timed]
    rows: list[list[tables.Cell]] = []
    for entry in ranked:
        named: list[tables.Cell] = [entry.options.get(name, "") for name in options]
        if entry.baseline or not options:
            named = [entry.label, *[""] * (len(options) - 1)]
        count = None if entry.baseline else len(entry.runs)
        status: list[tables.Cell] = [entry.status] if told else []
        rows.append([*named, count, *status, *[entry.cell(name) for name in [*scores, *timed]]])
    return columns, rows


def _notes(runs: Sequence[Run], scores: Sequence[str]) -> list[str]:
    """Return how the numbers are defined, in the words of the runs where they say so."""
    said: dict[str, str] = {}
    for one in runs:
        conventions = one.metrics.get("conventions")
        said |= conventions if isinstance(conventions, dict) else {}
    defined = {**CONVENTIONS, **said}
    notes = [f"{name}: {defined[name]}" for name in scores if name in defined]
    if not scores:
        notes.append("No run was scored: none had a reference.")
    if "heldout_error" in scores:
        notes.append("entries without a psnr are ranked by heldout_error, the least first")
    return ["mean ± standard deviation over runs that differ in the seed alone", *notes]


def _folder(given: Sequence[str], output: str | None) -> Path:
    if output is not None:
        return Path(output)
    paths = [Path(path).expanduser().resolve() for path in given]
    return Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))


def _write(
    folder: Path, ranked: Sequence[Entry], scores: Sequence[str], notes: Sequence[str]
) -> list[Path]:
    columns, rows = _table(ranked, scores)
    page = tables.markdown(columns, rows) + "\n" + "".join(f"- {note}\n" for note in notes)
    files = {
        folder / f"{NAME}.md": page,
        folder / f"{NAME}.csv": _all_digits(ranked, scores),
        folder / "runs.csv": _each_run(ranked, scores),
    }
    for path, content in files.items():
        tables.save(path, content)
    drawn = _draw(folder / f"{NAME}.png", ranked)
    return [*files, *([folder / f"{NAME}.png"] if drawn else [])]


def _all_digits(ranked: Sequence[Entry], scores: Sequence[str]) -> str:
    options = list(next((e.options for e in ranked if not e.baseline), {}))
    measured = [*scores, SECONDS]
    pairs = [text for name in measured for text in (name, f"{name}_sd")]
    rows: list[list[tables.Cell]] = []
    for entry in ranked:
        numbers = [n for name in measured for n in (entry.mean(name), entry.deviation(name))]
        named = [entry.label, *[entry.options.get(name, "") for name in options]]
        rows.append([*named, len(entry.runs), entry.status, *numbers])
    return tables.comma_separated(["entry", *options, "runs", "status", *pairs], rows)


def _each_run(ranked: Sequence[Entry], scores: Sequence[str]) -> str:
    rows: list[list[tables.Cell]] = []
    for entry in ranked:
        for one in [] if entry.baseline else entry.runs:
            alone = Entry(entry.options, [one])
            seed = one.metrics.get("seed", one.config.get("seed"))
            numbers = [alone.mean(name) for name in [*scores, SECONDS]]
            rows.append([str(one.folder), entry.label, seed, one.status, *numbers])
    return tables.comma_separated(["run", "entry", "seed", "status", *scores, SECONDS], rows)


def _draw(path: Path, ranked: Sequence[Entry]) -> bool:
    bars = [Bar(e.label, e.values("psnr"), bool(e.baseline)) for e in ranked if e.values("psnr")]
    previews: list[tuple[str, Path]] = []
    for entry in ranked:
        found = [run.folder / "preview.png" for run in entry.runs if not entry.baseline]
        shown = next((picture for picture in found if picture.exists()), None)
        if shown is not None and len(previews) < PREVIEWS:
            previews.append((entry.label, shown))
    if not bars and not previews:
        return False
    leaderboard(path, bars, previews)
    return True
