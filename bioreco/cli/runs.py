"""Runs as they lie on disk: what they were told, what they measured, whether they finished."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bioreco.data.paths import format_of, missing
from bioreco.errors import UserError

METRICS = "metrics.json"
NOTES = ".hydra"
GROUPS = ("method", "data", "forward", "network", "trainer", "experiment")


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes
    ----------
    folder : Path
    metrics : dict
        `metrics.json`, empty where the run left none.
    config : dict
        The options it ran with.
    overrides : list of str
        What was typed.
    choices : dict
        The chosen option of each group.
    """

    folder: Path
    metrics: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Return finished, failed, or what else became of it."""
        if self.metrics:
            return str(self.metrics.get("status", "unknown"))
        log = self.folder / "bioreco.log"
        if log.exists() and "Traceback" in log.read_text(encoding="utf-8", errors="replace"):
            return "failed"
        return "unfinished"

    def scores(self, name: str = "test") -> dict[str, float]:
        """Return the scores of the result ("test", without a truth "score"), or of a baseline."""
        among = self.metrics if name in ("test", "score") else self.metrics.get("baselines", {})
        found = among.get(name) if isinstance(among, dict) else None
        if not isinstance(found, dict):
            return {}
        return {key: float(value) for key, value in found.items() if _is_number(value)}

    @property
    def baselines(self) -> list[str]:
        """Return the names of the baselines that were scored."""
        known = self.metrics.get("baselines", {})
        return list(known) if isinstance(known, dict) else []


def read_run(folder: Path) -> Run:
    """Read what one run left behind.

    Raises
    ------
    UserError
        If the folder isn't a run, or its `metrics.json` can't be read.
    """
    if not folder.is_dir():
        raise missing(folder) if not folder.exists() else UserError(f"{folder} is not a folder.")
    if not _is_run(folder):
        raise UserError(f"{folder} is not a run: it holds neither {METRICS} nor {NOTES}/.")
    return Run(
        folder=folder,
        metrics=_metrics(folder / METRICS),
        config=_mapping(folder / NOTES / "config.yaml"),
        overrides=[str(word) for word in _yaml(folder / NOTES / "overrides.yaml") or []],
        choices=_choices(folder),
    )


def find_runs(inputs: Sequence[str]) -> list[Run]:
    """Return every run in the given folders, each once, in natural order of their paths.

    Raises
    ------
    UserError
        If one of the folders is missing or holds no run.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        path = Path(given).expanduser()
        path = path.parent if path.name == METRICS else path
        if not path.is_dir():
            raise missing(path) if not path.exists() else UserError(f"{path} is not a folder.")
        inside = list(_folders(path))
        if not inside:
            raise UserError(f"{path} holds no run: no {METRICS} and no {NOTES}/ in it or beneath.")
        for folder in inside:
            found.setdefault(os.path.realpath(folder), folder)
    return [read_run(folder) for folder in found.values()]


def started_in(folder: Path) -> Path | None:
    """Return where a run was started, as its relative paths count from there."""
    noted: Any = _mapping(folder / NOTES / "hydra.yaml")
    for key in ("hydra", "runtime", "cwd"):
        noted = noted.get(key) if isinstance(noted, dict) else None
    return Path(noted) if isinstance(noted, str) and Path(noted).is_dir() else None


def images_in(folder: Path) -> list[str]:
    """Return the images directly in a folder, results of ours as well."""
    if not folder.is_dir():
        return []
    inside = sorted(folder.iterdir(), key=lambda path: path.name)
    return [str(path) for path in inside if not path.name.startswith(".") and format_of(path)]


def _folders(top: Path) -> Iterator[Path]:
    """Yield the run folders in and beneath one; a run holds no other run."""
    if _is_run(top):
        yield top
        return
    children = [path for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for child in sorted(children, key=_natural):
        yield from _folders(child)


def _natural(path: Path) -> tuple[int, int, str]:
    """Sort 2 before 10: the runs of a sweep are numbered."""
    name = path.name
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)


def _is_run(folder: Path) -> bool:
    return (folder / METRICS).is_file() or (folder / NOTES / "config.yaml").is_file()


def _metrics(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}.") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} does not hold the summary of a run.")
    return found


def _choices(folder: Path) -> dict[str, str]:
    """Return the groups' choices, from Hydra's notes and from the summary."""
    noted: Any = _mapping(folder / NOTES / "hydra.yaml")
    for key in ("hydra", "runtime", "choices"):
        noted = noted.get(key) if isinstance(noted, dict) else None
    summary = _metrics(folder / METRICS)
    found = {key: str(summary[key]) for key in GROUPS if summary.get(key) is not None}
    if isinstance(noted, dict):
        found |= {key: str(noted[key]) for key in GROUPS if noted.get(key) is not None}
    return found


def _mapping(path: Path) -> dict[str, Any]:
    found = _yaml(path)
    return found if isinstance(found, dict) else {}


def _yaml(path: Path) -> Any:
    """Return what a YAML file holds, or None where it is missing or damaged."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
