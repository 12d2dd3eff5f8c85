"""Tab completion: what is offered, and that a real bash takes it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def offers(bioreco, command, monkeypatch):
    def ask(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        said = bioreco("-sc", "query=bash")
        assert (said.status, said.err) == (0, "")
        return [word.partition("\t")[2] for word in said.out.splitlines()]

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bioreco in", ["infer", "inspect"]),
        ("bioreco train met", ["method.", "method="]),
        ("bioreco train method=n2", ["method=n2s", "method=n2v"]),
        ("bioreco train method=n2s method.", ["method.grid="]),
        ("bioreco train trainer.st", ["trainer.steps="]),
        ("bioreco denoise 'a b.tif' trainer.ti", ["trainer.time_limit="]),
        ("bioreco resume outputs/x trainer.ti", ["trainer.time_limit="]),
        ("bioreco list m", ["method"]),
        ("bioreco train --conf", ["--config-path", "--config-name", "--config-dir"]),
        ("bioreco train --config-dir ", []),
        ("bioreco nonsense ", []),
        ("bioreco train method=nope trainer.st", []),
        ("bioreco train 'half", []),
    ],
)
def test_offers(offers, line, expected):
    assert offers(line) == expected


def test_every_command_is_offered(offers):
    assert {"train", "denoise", "list"} <= set(offers("bioreco "))


def test_own_options_are_offered(offers, tmp_path):
    (tmp_path / "lab" / "method").mkdir(parents=True)
    (tmp_path / "lab" / "method" / "mine.yaml").write_text("a: 1\n")
    assert "method=mine" in offers("bioreco train --config-dir lab method=")


def test_files_are_left_to_the_shell(offers):
    Path("input.tif").touch()
    assert offers("bioreco denoise in") == []
    assert offers("bioreco denoise nothing/") == []
    assert offers("bioreco denoise tra") == ["trainer.", "trainer="]


def test_other_shells_get_whole_lines(bioreco, command, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "bioreco tra")
    assert bioreco("-sc", "query=fish").out == "train\n"


def test_what_can_not_be_installed_is_said(bioreco):
    assert bioreco("-sc", "install=tcsh").status == 2
    assert bioreco("-sc", "uninstall=bash").out.startswith("complete -r bioreco")


@pytest.fixture
def bash(tmp_path):
    """Type into an interactive bash, in which `bioreco` is this checkout's."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    (tmp_path / "cells one.tif").touch()
    launcher = tmp_path / "bin" / "bioreco"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m bioreco "$@"\n')
    launcher.chmod(0o755)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        path = f"{launcher.parent}:{os.environ['PATH']}"
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {"PATH": path, "TERM": "dumb"})

    def read_until(word: str) -> str:
        seen, end = "", time.monotonic() + 20
        while word not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 4096).decode().replace("\a", "")
        assert word in seen, seen
        return seen

    def press(keys: str, until: str) -> str:
        os.write(terminal, keys.encode())
        return read_until(until)

    press("PS1='>'; eval \"$(bioreco -sc install=bash)\"; echo rea''dy\n", "\nready")
    yield press
    os.close(terminal)
    os.waitpid(child, 0)


def test_a_real_bash_completes_commands_options_keys_and_files(bash):
    assert "train " in bash("bioreco tra\t", "train ")
    bash("met\t", "method")
    bash("=n2s\t", "n2s ")
    bash("trainer.pre\t", "precision=")
    bash("\x15", ">")  # clear the line
    bash("bioreco denoise ce\t", r"cells\ one.tif")
    bash("\x15", ">")
    bash("bioreco evaluate reference=ce\t", r"cells\ one.tif")
    bash("\x15", ">")
    bash("exit\n", "exit")
