"""What goes wrong is said in one to three plain lines, literally these."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest

from bioreco.cli.messages import Plain, Terminal


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("method=n2w", "there is no method=n2w. Did you mean 'n2v'?\nThere are: n2s, n2v, ssdu."),
        (
            "metod=n2v",
            "there is no option 'metod'. Did you mean 'method'?\n"
            "There are: trainer, network, forward, data, method, seed, trust.",
        ),
        (
            "trainer.step=5",
            "there is no option 'trainer.step'. Did you mean 'trainer.steps'?\n"
            "There are: trainer.steps, trainer.time_limit.",
        ),
        (
            "steps=5",
            "there is no option 'steps'. Did you mean 'trainer.steps'?\n"
            "There are: trainer, network, forward, data, method, seed, trust.",
        ),
        (
            "data=cells.tif",
            "there is no data=cells.tif. For a file: data=files data.paths=[cells.tif]\n"
            "There are: files, fmri, synthetic.",
        ),
        (
            "seed=1,2",
            "seed=1,2 names several values. For one run each: -m seed=1,2. "
            "For one list: seed=[1,2].",
        ),
        (
            "trust=[a",
            "can't read trust=[a\nClose every bracket and quote; a text with special characters "
            "needs quotes of its own: \"key='a, b'\".",
        ),
        (
            "network=null",
            "a group can't be null. Choose an option (see bioreco list), or drop it: ~GROUP.",
        ),
        ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
        ("hydra.job.chdir=x", "hydra.job.chdir=x: Value 'x' is not a valid bool (type str)"),
        ("~nope", "Could not delete from config. 'nope' does not exist."),
        ("experiment=x", "there is no experiment to choose here."),
    ],
)
def test_of_a_wrong_request(bioreco, command, tmp_path, line, error):
    said = bioreco("train", line)
    assert said.status == 2
    assert said.err == f"bioreco train: {error}\n"
    assert list(tmp_path.iterdir()) == []


def test_of_a_configuration_that_is_no_yaml(bioreco, command, tmp_path):
    Path("lab/method").mkdir(parents=True)
    Path("lab/method/bad.yaml").write_text("a: [1")
    said = bioreco("train", "--config-dir", "lab", "method=bad")
    assert said.status == 2
    assert f"{tmp_path}/lab/method/bad.yaml, line 1 is not valid YAML" in said.err


def test_of_a_primary_configuration_that_is_not_there(bioreco, command):
    assert "Cannot find primary config 'x'" in bioreco("train", "--config-name", "x").err


def test_a_closed_pipe_does_not_end_a_run(bioreco, command, capsys):
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            return spare

    spare = os.open(os.devnull, os.O_WRONLY)
    handler = Terminal(Closed())
    handler.setFormatter(Plain())
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "unheard", (), None))
    os.close(spare)
    assert capsys.readouterr().err == ""
