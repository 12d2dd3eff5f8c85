"""`bioreco list`: groups, singular or plural, and a user's own options."""

from __future__ import annotations

from pathlib import Path


def test_everything_is_listed_with_one_line_each(bioreco, command):
    said = bioreco("list").out
    assert "methods (method=NAME)\n  n2s           Noise2Self\n  n2v           Noise2Void\n" in said
    assert "hydra" not in said


def test_a_group_is_named_in_the_singular_or_plural(bioreco, command):
    assert bioreco("list", "method").out == bioreco("list", "methods").out
    assert bioreco("list", "data").out.startswith("data (data=NAME)\n")
    assert bioreco("list", "experiments").out == "experiments (experiment=NAME)\n  none yet\n"


def test_an_unknown_group_is_told(bioreco, command):
    said = bioreco("list", "metods")
    assert said.status == 2
    assert said.err.startswith(
        "bioreco list: there is no group 'metods' to list. Did you mean 'methods'?\n"
    )


def test_own_options_are_marked(bioreco, command):
    own = Path("lab/method/sub")
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\n# my own\na: 1\n")
    (own.parent / "bare.yaml").write_text("a: 1\n# not this\n")
    said = bioreco("list", "methods", "--config-dir", "lab").out
    assert "  sub/mine      my own (yours)\n" in said
    assert "  bare           (yours)\n" in said
    assert "  n2v           Noise2Void\n" in said
