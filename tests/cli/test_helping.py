"""`--help` shows each option with the comment of the file it comes from."""

from __future__ import annotations


def test_options_carry_their_comments(bioreco, command):
    said = bioreco("train", "--help")
    assert said.status == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[0] == "usage: bioreco train"
    assert "data: files, fmri, synthetic" in lines
    assert "trainer: # how long to train" in lines
    assert "steps: 100 # updates" in lines
    assert "method: # Noise2Void" in lines
    assert "window: 5 # pixels" in lines
    assert "seed: 0 # the same seed gives the same bytes" in lines
    assert "suits" not in said.out
    assert command.calls == []


def test_the_choice_made_is_the_one_explained(bioreco, command):
    said = bioreco("train", "method=ssdu", "-h", "trainer.steps=5").out
    assert "# SSDU" in said
    assert "iterations: 10" in said
    assert "steps: 5 " in said


def test_a_command_builds_on_the_comments_of_another(bioreco, command):
    assert "# the same seed gives the same bytes" in bioreco("denoise", "-h").out


def test_commands_without_groups_list_none(bioreco, command):
    said = bioreco("evaluate", "--help").out
    assert "Groups" not in said
    assert "reference: null" in said


def test_a_wrong_request_for_help_is_told(bioreco, command):
    assert bioreco("train", "--help", "method=x").status == 2
