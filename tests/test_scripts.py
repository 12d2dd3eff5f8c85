"""The scripts make an environment once, then leave it alone, from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]
PROGRAM = '#!/bin/sh\necho "$(basename "$0") $@" >>"$NOTES"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what the scripts read, with an environment whose programs only note their calls."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    for name in ("scripts", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "bioreco", "ruff", "mypy", "lint-imports"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o755)
    return tmp_path


def call(checkout: Path, script: str, *arguments: str) -> list[str]:
    notes = checkout / "notes"
    notes.write_text("")
    line = ["bash", str(checkout / script), *arguments]
    environment = {**os.environ, "NOTES": str(notes)}
    done = subprocess.run(
        line, cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return notes.read_text().splitlines()


def test_tests_run_and_the_environment_is_prepared_once(checkout):
    first = call(checkout, "scripts/test.sh", "-x")
    assert [line for line in first if "install" in line] == [
        "python -m pip install --quiet -c constraints.txt torch==2.13.0",
        "python -m pip install --quiet -c constraints.txt -e .[test]",
    ]
    assert call(checkout, "scripts/test.sh", "-x") == ["python -m pytest -x"]
    with (checkout / "constraints.txt").open("a") as constraints:
        constraints.write("another==1.0\n")
    assert len(call(checkout, "scripts/test.sh", "-x")) == len(first)


def test_continuous_integration_lints_before_it_tests(checkout):
    call(checkout, "scripts/test.sh")
    lines = call(checkout, ".ci/run")
    assert lines == [
        "ruff check .", "ruff format --check .", "mypy ", "lint-imports ", "python -m pytest",
    ]  # fmt: skip


def test_the_demo_denoises_a_sample_with_the_tests_environment(checkout):
    call(checkout, "scripts/test.sh")
    sample = checkout / "bioreco" / "data" / "samples" / "cells.tif"
    sample.parent.mkdir(parents=True)
    sample.touch()
    (checkout / ".venv" / "bin" / "bioreco").write_text(f'{PROGRAM}touch "$4/cells_denoised.tif"\n')
    (noted,) = call(checkout, "scripts/demo.sh", "seed=1")
    demo = checkout / "outputs" / "demo"
    assert noted == (f"bioreco denoise {sample} -o {demo} hydra.run.dir=run seed=1")


def test_without_python_it_says_so(checkout, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cat", "cksum", "grep"):
        (tools / name).symlink_to(shutil.which(name) or name)
    bash = shutil.which("bash") or "bash"
    done = subprocess.run(
        [bash, str(checkout / "scripts" / "demo.sh")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "bioreco needs Python 3.11 or newer" in done.stderr


def test_every_dependency_has_a_tested_version():
    def name(requirement: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[; ]", requirement)[0]).lower()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = {name(r) for group in [project["dependencies"], *extras] for r in group} - {"bioreco"}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert wanted <= {name(line) for line in lines}
