"""The wheel holds all that the program needs, configurations included."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *line],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile")
    run(*pip, "--disable-pip-version-check", "--target", str(folder), str(wheel), cwd=folder)
    return folder


def test_nothing_is_missing_and_nothing_too_much(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = [*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "bioreco").rglob("*.py")]
    expected = {
        f"{'bioreco/' if path.is_relative_to(ROOT / 'configs') else ''}{path.relative_to(ROOT)}"
        for path in shipped
    }
    assert expected <= names
    assert all(name.startswith(("bioreco/", "bioreco-")) for name in names)


def test_it_runs_from_the_wheel_alone(installed, tmp_path):
    where = run("-c", "from bioreco.cli.listing import config_dir; print(config_dir())",
                cwd=tmp_path, PYTHONPATH=str(installed))  # fmt: skip
    assert where.stdout.strip() == str(installed / "bioreco" / "configs")
    for line in (["list"], ["--help"], ["train", "--cfg", "job"]):
        said = run(
            str(installed / "bin" / "bioreco"), *line, cwd=tmp_path, PYTHONPATH=str(installed)
        )
        assert said.stdout
    assert list(tmp_path.iterdir()) == []
