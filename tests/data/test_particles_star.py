"""The STAR parser: what RELION and others write, and what it refuses with the line."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from bioreco.data.particles import star
from bioreco.data.particles.star import quoted, read_star, split, star_text
from bioreco.errors import UserError

QUOTES = """data_

loop_
_plain #1
_quoted #2
_space #3
_empty #4
noquote "quote string" " " ""
5' 'quote string' ' ' ''   # and a comment

"""
MANY = """# a comment
data_general

_rlnFinalResolution   16.36   # Angstrom
_rlnMaskName          "my mask.mrc"

data_fsc

loop_
_rlnSpectralIndex #1
_rlnResolution #2
  0 0.001

  1 0.002
data_empty

loop_
_rlnCoordinateX #1
data_nothing
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "a.star"
    path.write_text(text)
    return path


def test_quotes_of_both_kinds(tmp_path):
    block = read_star(written(tmp_path, QUOTES))[""]
    assert block.column("quoted") == ["quote string"] * 2
    assert block.column("plain") == ["noquote", "5'"]
    assert (block.column("space"), block.column("empty")) == ([" "] * 2, [""] * 2)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_several_blocks_single_values_and_empty_loops(tmp_path, end):
    path = tmp_path / "a.star"
    path.write_bytes(MANY.replace("\n", end).encode())
    blocks = read_star(path)
    assert list(blocks) == ["general", "fsc", "empty", "nothing"]
    assert blocks["general"].take(["rlnMaskName", "rlnFinalResolution"]) == {
        "rlnMaskName": ["my mask.mrc"],
        "rlnFinalResolution": ["16.36"],
    }
    assert not blocks["general"].loop
    assert blocks["fsc"].column("rlnResolution") == ["0.001", "0.002"]
    assert list(blocks["fsc"].lines) == [12, 14]
    assert len(blocks["empty"]) == len(blocks["nothing"]) == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.star is not a STAR file: no line of it starts a block (data_)."),
        ("ATOM 1\n", "a.star, line 1: the line stands before the first block (data_)."),
        ("data_\nloop_\n_a\n_b\n1 2\n3\n", "line 6: the line has 1 values for 2 columns."),
        ("data_\nloop_\n_a\n1\n_b\n", "line 5: the line names a column after the first row."),
        ("data_\nloop_\n_a\n_a\n", "line 4: the line names _a for the second time."),
        ("data_x\n_a 1\ndata_x\n", "line 3: the line starts a second block data_x."),
        ("data_\n_a 1\nloop_\n", "line 3: the line starts a second table in one block."),
        ("data_\n_a\n", "line 2: the line has 0 values; a name has one value."),
        ("data_\n_a 1\n2 3\n", "line 3: the line is neither a name nor a row of a loop."),
        ("data_\nloop_\n_a\n'open\n", "line 4: the line opens a quote that isn't closed."),
    ],
)
def test_what_is_no_star_file_is_refused_with_its_line(tmp_path, text, told):
    with pytest.raises(UserError, match=re.escape(told)):
        read_star(written(tmp_path, text))


def test_binary_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a.star").write_bytes(b"data_\0\1")
    with pytest.raises(UserError, match=r"a.star is not a STAR file: it isn't text."):
        read_star(tmp_path / "a.star")
    with pytest.raises(UserError, match=r"There is no file .*b.star. Did you mean 'a.star'\?"):
        read_star(tmp_path / "b.star")


@pytest.mark.parametrize("value", ["plain", "two words", "", 'say "so"', "#1", "_name", "it's"])
def test_what_is_written_is_read(tmp_path, value):
    assert split(quoted(value)) == [value]
    text = "".join(star_text([("a", {"x": [value, 1], "y": [2.0, 3]})]))
    block = read_star(written(tmp_path, text))["a"]
    assert block.take(["x", "y"]) == {"x": [value, "1"], "y": ["2.000000", "3"]}


def test_its_examples():
    assert doctest.testmod(star).failed == 0
