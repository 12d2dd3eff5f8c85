from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml

from bioreco.cli import tables
from bioreco.engine.pictures import preview


def make(folder, *, method="n2v", steps=100, seed=1, psnr=None, **summary):
    notes = folder / ".hydra"
    notes.mkdir(parents=True)
    typed = [f"method={method}", f"trainer.steps={steps}", f"seed={seed}"]
    config = {
        "method": {"_target_": f"bioreco.methods.{method}", "ratio": len(method) * steps},
        "trainer": {"steps": steps},
        "seed": seed,
    }
    choices = {"hydra": {"runtime": {"choices": {"method": method, "data": "files"}}}}
    for name, content in (("overrides", typed), ("config", config), ("hydra", choices)):
        (notes / f"{name}.yaml").write_text(yaml.safe_dump(content))
    if psnr is not None or summary:
        found = {
            "schema": 1,
            "status": "finished",
            "method": method,
            "data": "files",
            "seed": seed,
            "steps": steps,
            **({} if psnr is None else {"test": {"psnr": psnr, "ssim": 0.5}}),
            **summary,
        }
        (folder / "metrics.json").write_text(json.dumps(found))
    return folder


@pytest.fixture
def sweep(tmp_path):
    top = tmp_path / "sweep"
    for number, (method, seed, psnr) in enumerate(
        [("n2v", 1, 30.0), ("n2v", 2, 31.0), ("n2s", 1, 33.0), ("n2s", 2, 33.4), ("n2v", 10, 32.0)]
    ):
        seconds = {"train": 10.0 * number}
        baselines = {"input": {"psnr": 24.0}}
        make(
            top / str(number),
            method=method,
            seed=seed,
            psnr=psnr,
            seconds=seconds,
            baselines=baselines,
        )
    return top


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_seeds_are_one_entry_and_the_best_comes_first(bioreco, sweep):
    said = bioreco("compare", "sweep")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].split() == ["method", "runs", "psnr", "ssim", "train_seconds"]
    assert lines[1].split()[:5] == ["n2s", "2", "33.20", "±", "0.28"]
    assert lines[2].split()[:5] == ["n2v", "3", "31.00", "±", "1.00"]
    assert lines[3].split()[:2] == ["(input)", "24.00"]
    assert "psnr: data range = max - min of the reference" in said.out


def test_files(bioreco, sweep):
    bioreco("compare", "sweep")
    names = {"leaderboard.csv", "leaderboard.md", "leaderboard.png", "runs.csv"}
    assert names == {path.name for path in sweep.iterdir() if path.is_file()}
    best, second, baseline = read(sweep / "leaderboard.csv")
    assert (best["method"], best["runs"], float(best["psnr"])) == ("n2s", "2", 33.2)
    assert float(second["psnr_sd"]) == pytest.approx(1)
    assert baseline["entry"] == "(input)"
    assert baseline["ssim"] == ""
    runs = read(sweep / "runs.csv")
    assert [run["psnr"] for run in runs] == ["33", "33.4", "30", "31", "32"]
    assert "| n2s | 2 | 33.20 ± 0.28 |" in (sweep / "leaderboard.md").read_text()
    assert (sweep / "leaderboard.png").read_bytes()[:4] == b"\x89PNG"


def test_output_folder_and_common_folder(bioreco, sweep, tmp_path):
    bioreco("compare", "sweep/0", "sweep/2", "-o", "my board")
    assert (tmp_path / "my board" / "leaderboard.csv").exists()
    assert not (sweep / "leaderboard.csv").exists()
    bioreco("compare", "sweep/0", "sweep/2")
    assert (sweep / "leaderboard.csv").exists()


def test_failed_and_unfinished_runs_are_shown_and_numbers_stay_empty(bioreco, sweep):
    make(sweep / "5", method="late")
    make(sweep / "6", method="lost")
    (sweep / "6" / "bioreco.log").write_text("Traceback (most recent call last):\n")
    make(sweep / "7", method="stopped", status="interrupted")
    rows = {row["method"]: row for row in _compared(bioreco, sweep)}
    assert rows["late"]["status"] == "unfinished"
    assert rows["lost"]["status"] == "failed"
    assert rows["stopped"]["status"] == "interrupted"
    assert rows["late"]["psnr"] == rows["lost"]["psnr_sd"] == ""
    assert next(iter(rows)) == "n2s"


def test_part_of_the_seeds_failed(bioreco, sweep):
    make(sweep / "5", method="n2s", seed=9)
    best = _compared(bioreco, sweep)[0]
    assert best["status"] == "2 finished, 1 unfinished"
    assert float(best["psnr"]) == 33.2


def _compared(bioreco, sweep):
    assert bioreco("compare", "sweep").status == 0
    return read(sweep / "leaderboard.csv")


def test_typed_options_tell_entries_apart(bioreco, sweep):
    make(sweep / "5", method="n2v", steps=400, psnr=32.5)
    said = bioreco("compare", "sweep")
    assert said.out.splitlines()[0].split()[:2] == ["method", "trainer.steps"]
    assert "ratio" not in said.out


def test_runs_without_scores(bioreco, tmp_path):
    make(tmp_path / "a", status="finished")
    said = bioreco("compare", "a")
    assert said.status == 0
    assert "No run was scored" in said.out
    assert not (tmp_path / "a" / "leaderboard.png").exists()


def test_previews_are_drawn(bioreco, tmp_path):
    image = np.random.default_rng(0).normal(size=(50, 50))
    make(tmp_path / "a", status="finished")
    preview(tmp_path / "a" / "preview.png", [("input", image)], title="")
    bioreco("compare", "a")
    assert (tmp_path / "a" / "leaderboard.png").exists()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["compare"], "needs at least one FILE"),
        (["compare", "nothere"], "nothere"),
        (["compare", "empty"], "holds no run"),
        (["compare", "file.txt"], "is not a folder"),
    ],
)
def test_wrong_requests(bioreco, tmp_path, line, text):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    said = bioreco(*line)
    assert said.status == 2
    assert text in said.err
    assert not list(tmp_path.glob("leaderboard*"))


def test_tables():
    rows = [["a", 1.23456, None], ["long|name", float("nan"), 2]]
    assert tables.text(["", "psnr", "n"], rows) == (
        "           psnr  n\na          1.23\nlong|name        2"
    )
    assert "long\\|name" in tables.markdown(["", "psnr", "n"], rows)
    assert tables.comma_separated(["", "psnr", "n"], rows).splitlines()[2] == "long|name,,2"
