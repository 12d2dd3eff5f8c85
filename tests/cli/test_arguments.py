"""Sorting and quoting: whatever the shell can pass arrives as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bioreco.cli.arguments import as_input, quote, sort
from bioreco.errors import UserError


@given(st.text(st.characters(exclude_characters="\0"), max_size=12))
@example("${x}.tif")
@example("\\${x}\\")
@example("it's\\'")
@example("\udcff\\\n")
@settings(max_examples=150, deadline=None, derandomize=True)
def test_quoted_text_survives_hydra_and_a_saved_configuration(text):
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    override = OverridesParser.create().parse_override(as_input([text]))
    config = OmegaConf.create({"input": override.value()})
    assert config.input[0] == text
    assert OmegaConf.create(OmegaConf.to_yaml(config)).input[0] == text


def test_flags_come_first_then_overrides_then_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("seed=1").touch()
    found = sort(
        ["a.tif", "x=1", "--cfg", "job", "seed=1", "-m", "+y=2", "~z", "-o", "out", "/d/=b"]
    )
    assert found.flags == ["--cfg", "job", "--multirun"]
    assert found.overrides == ["x=1", "+y=2", "~z"]
    assert found.files == ["a.tif", "seed=1", "/d/=b"]  # what exists is a file
    assert found.output == "out"
    assert found.asks
    assert found.multirun


@pytest.mark.parametrize(
    ("typed", "sorted_"),
    [
        ("reference=a b.tif", "reference='a b.tif'"),
        ("run=it's", r"run='it\'s'"),
        ("run='quoted already'", "run='quoted already'"),
        ("run=[a,b]", "run=[a,b]"),
        ("run=a,b", "run=a,b"),  # a sweep
        ("hydra.run.dir=my run", "hydra.run.dir='my run'"),
        ("hydra.run.dir=runs/${seed}", "hydra.run.dir=runs/${seed}"),
        ("run=null", "run=null"),
        ("run=a,there.tif", "run='a,there.tif'"),  # exists
        ("data.paths=[a,b]", "data.paths=[a,b]"),
        ("seed=1,2", "seed=1,2"),
        ("x={a: 1}", "x={a: 1}"),
    ],
)
def test_values_that_are_paths_are_quoted(tmp_path, monkeypatch, typed, sorted_):
    monkeypatch.chdir(tmp_path)
    Path("a,there.tif").touch()
    Path("1").mkdir()
    assert sort([typed]).overrides == [sorted_]


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (["--info"], ["--info", "all"]),
        (["-i", "defaults-tree"], ["--info", "defaults-tree"]),
        (["--info=config"], ["--info", "config"]),
        (["-h"], ["--help"]),
        (["--cfg=job", "-p", "method"], ["--cfg", "job", "--package", "method"]),
    ],
)
def test_flags_are_spelt_out(line, flags):
    assert sort(line).flags == flags


@pytest.mark.parametrize("line", [["-o"], ["--info", "x"], ["--multi"], ["-cd", ""]])
def test_wrong_flags_are_refused(line):
    with pytest.raises(UserError):
        sort(line)


def test_long_or_odd_names_are_no_trouble():
    assert sort(["a" * 5000, "x\0=1"]).files == ["a" * 5000, "x\0=1"]


def test_quotes_are_sparing():
    assert quote("a b") == "'a b'"
