"""Many runs as one ranking: runs that differ in the seed alone are one entry."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioreco.cli.runs import Run
from bioreco.cli.tables import Cell, spread

FIRST = ("psnr", "ssim", "nrmse", "si_psnr", "psnr_255")  # scores shown first
HELD_OUT = ("psnr_heldout", "heldout_error")  # scores without a truth, shown last
SAME = {"seed", "trust", "hydra", "output", "overwrite", "baselines"}  # make no other entry
ENOUGH = 3  # options shown at most to tell apart what was not typed
SECONDS = "train_seconds"


@dataclass(frozen=True)
class Entry:
    """Runs of one configuration: what sets it apart, and the runs."""

    options: Mapping[str, str]
    runs: Sequence[Run]
    baseline: str = ""

    @property
    def label(self) -> str:
        """Return a name for the entry."""
        if self.baseline:
            return f"({self.baseline})"
        told = [f"{key}={value}" for key, value in self.options.items() if value]
        return " ".join(told) or self.runs[0].folder.name

    @property
    def status(self) -> str:
        """Return the status the runs share, or how many are of which."""
        if self.baseline:
            return ""
        count = Counter(run.status for run in self.runs)
        if len(count) == 1:
            return next(iter(count))
        return ", ".join(f"{n} {status}" for status, n in count.most_common())

    def values(self, score: str) -> list[float]:
        """Return a score of every run that measured it."""
        found = [_score(run, self.baseline or "test", score) for run in self.runs]
        return [value for value in found if value is not None and not math.isnan(value)]

    def mean(self, score: str) -> float | None:
        """Return the mean of a score, None if no run measured it."""
        values = self.values(score)
        return float(np.mean(values)) if values else None

    def deviation(self, score: str) -> float | None:
        """Return the standard deviation over the runs, None for fewer than two."""
        values = self.values(score)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def cell(self, score: str) -> Cell:
        """Return mean and deviation as text; None if not measured."""
        mean = self.mean(score)
        return None if mean is None else spread(mean, self.deviation(score), score)


def entries(runs: Sequence[Run]) -> list[Entry]:
    """Return the ranking: best PSNR first, then least held-out error, then those with neither.

    Baselines take part where all runs are of one kind of data.
    """
    groups: dict[str, list[Run]] = {}
    settings = {id(run): dict(_settings(run)) for run in runs}
    for run in runs:
        groups.setdefault(json.dumps(settings[id(run)], sort_keys=True), []).append(run)
    told = [settings[id(members[0])] for members in groups.values()]
    names = _telling(told, runs)
    found = [
        Entry({name: own.get(name, "") for name in names}, members)
        for own, members in zip(told, groups.values(), strict=True)
    ]
    if len({run.choices.get("data") for run in runs}) == 1:
        known = dict.fromkeys(name for run in runs for name in run.baselines)
        found += [Entry({}, [r for r in runs if r.scores(name)], name) for name in known]
    return sorted(found, key=_rank)


def score_names(found: Sequence[Entry]) -> list[str]:
    """Return the scores that any entry has, the usual ones first."""
    names = {
        name: None
        for entry in found
        for run in entry.runs
        for name in run.scores(entry.baseline or "test")
    }
    usual = [name for name in FIRST if name in names] + [n for n in names if n not in FIRST]
    return usual + [name for name in HELD_OUT if any(entry.values(name) for entry in found)]


def _score(run: Run, of: str, name: str) -> float | None:
    if name in HELD_OUT:
        return run.scores("score").get(name) if of == "test" else None
    if name != SECONDS:
        return run.scores(of).get(name)
    seconds = run.metrics.get("seconds") if of == "test" else None
    value = seconds.get("train") if isinstance(seconds, dict) else None
    return None if value is None else float(value)


def _rank(entry: Entry) -> tuple[int, float]:
    psnr, error = entry.mean("psnr"), entry.mean("heldout_error")
    if psnr is not None:
        return 0, -psnr
    return (2, 0.0) if error is None else (1, error)


def _settings(run: Run) -> Iterator[tuple[str, str]]:
    """Yield every option of a run that may set it apart, as text."""
    yield from run.choices.items()
    kept = {key: value for key, value in run.config.items() if key not in SAME}
    yield from _flat(kept, "")
    if not run.config:
        steps = run.metrics.get("steps")
        yield from [] if steps is None else [("trainer.steps", str(steps))]


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield name, "null" if value is None else str(value)


def _telling(told: Sequence[Mapping[str, str]], runs: Sequence[Run]) -> list[str]:
    """Return the options that tell the entries apart: choices of groups and what was typed."""
    names = dict.fromkeys(name for one in told for name in one)
    differing = [n for n in names if len({one.get(n, "") for one in told}) > 1]
    typed = {word.lstrip("+~").split("=", 1)[0].split("@")[0] for r in runs for word in r.overrides}
    groups = {name for run in runs for name in run.choices}
    chosen = [name for name in differing if name in groups or name in typed]
    others = [n for n in differing if n not in chosen and not n.endswith("_target_")]
    for name in others[:ENOUGH]:
        if len({tuple(one.get(n, "") for n in chosen) for one in told}) == len(told):
            break
        chosen.append(name)
    return chosen
