"""The dispatcher: what it prints at once, its exit statuses, and what a run leaves."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bioreco import __version__
from bioreco.cli import arguments, folders, main
from bioreco.cli.task import Task
from bioreco.errors import UserError

ROOT = Path(__file__).parents[2]


def made(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def runs(folder: Path = Path()) -> list[Path]:
    return sorted(path.parent.parent for path in folder.glob("outputs/**/config.yaml"))


def python(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("line", [[], ["--help"], ["-h"], ["help"]])
def test_usage_names_every_command(bioreco, line):
    said = bioreco(*line)
    assert said.status == 0
    assert all(f"  {name}" in said.out for name in main.COMMANDS)


@pytest.mark.parametrize("line", [["--version"], ["-V"], ["version"]])
def test_version(bioreco, line):
    assert bioreco(*line).out == f"bioreco {__version__}\n"


@pytest.mark.parametrize(
    "line", [["--help"], ["list"], ["list", "methods"], ["-sc", "install=bash"]]
)
def test_quick_answers_import_neither_torch_nor_hydra(line):
    code = (
        "import sys; from bioreco.cli.main import main; "
        f"main({line}); print([m for m in ('torch', 'hydra', 'omegaconf', 'numpy') "
        "if m in sys.modules])"
    )
    done = python(code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("line", [["--help"], ["list"]])
def test_quick_answers_are_quick(line):
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bioreco", *line], cwd=ROOT, capture_output=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.5


def test_help_of_a_command_does_without_torch():
    done = python(
        "import sys; from bioreco.cli.main import main; main(['train', '--help']); "
        "print('torch' in sys.modules)"
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_unknown_command_names_the_nearest(bioreco):
    said = bioreco("trian")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("bioreco: there is no command 'trian'. Did you mean 'train'?\n")


def test_a_run_leaves_its_folder_and_log(bioreco, command):
    assert bioreco("train", "method=n2s", "seed=3").status == 0
    (config, context), (run,) = command.calls[0], runs()
    assert (config.seed, config.method.grid) == (3, 4)
    assert context.command == "train"
    assert context.folder == run.absolute()
    assert context.overrides == ("method=n2s", "seed=3")
    assert context.choices["method"] == "n2s"
    assert context.choices["experiment"] is None
    assert not context.resumed
    assert run.match("outputs/????-??-??/??-??-??-train")
    assert (run / "bioreco.log").read_text().rstrip().endswith("at work")


def test_the_terminal_gets_plain_lines(bioreco, command):
    assert bioreco("train").out == "at work\n"


def test_two_runs_of_one_second_have_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [folders.claim("a/b-train") for _ in range(3)] == [
        "a/b-train", "a/b-train-2", "a/b-train-3",
    ]  # fmt: skip
    folders.keep_claimed()


def test_files_and_output_reach_the_command_whatever_their_names(bioreco, command):
    names = ["it's=odd, [1].tif", "${x}.tif", r"back\slash\.tif", "naïve\n.tif", "a=b", "~/x.tif"]
    Path("a=b").touch()
    said = bioreco("denoise", *names, "-o", "out, = [put].tif", "seed=1")
    assert said.status == 0, said.err
    config = command.calls[0][0]
    assert list(config.input) == names
    assert list(config.data.paths) == names
    assert config.output.path == "out, = [put].tif"


def test_a_file_that_looks_like_a_flag_goes_behind_two_dashes(bioreco, command):
    assert bioreco("evaluate", "seed.tif", "--", "-x=1.tif").status == 0
    assert list(command.calls[0][0].input) == ["seed.tif", "-x=1.tif"]


def test_commands_that_only_look_leave_nothing(bioreco, command, tmp_path):
    assert bioreco("evaluate", "a.tif", "reference=b c.tif").status == 0
    assert command.calls[0][1].folder == tmp_path
    assert command.calls[0][0].reference == "b c.tif"
    assert list(tmp_path.iterdir()) == []


def refuse(context):
    raise UserError("no such thing.\nThere are: others.")


def test_a_wrong_request_exits_with_2_and_leaves_nothing(bioreco, command, tmp_path):
    command.then = refuse
    said = bioreco("train")
    assert said.status == 2
    assert said.err == "bioreco train: no such thing.\nThere are: others.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_without_results_is_removed(bioreco, command, tmp_path):
    def note_then_refuse(context):
        (context.folder / "metrics.json").write_text("{}")
        (context.folder / "checkpoints").mkdir()
        refuse(context)

    command.then = note_then_refuse
    assert bioreco("train").status == 2
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_keeps_what_it_made(bioreco, command):
    def work_then_refuse(context):
        (context.folder / "metrics.csv").write_text("step\n")
        refuse(context)

    command.then = work_then_refuse
    assert bioreco("train").status == 2
    assert (runs()[0] / "metrics.csv").exists()


@pytest.mark.parametrize(
    "line", [["denoise"], ["train", "data=fmri", "data.root=x"], ["train", "seed=${nope}"]]
)
def test_requests_are_refused_before_the_command_is_imported(bioreco, command, tmp_path, line):
    said = bioreco(*line)
    assert said.status == 2
    assert command.calls == []
    assert list(tmp_path.iterdir()) == []


def test_missing_files_are_asked_for(bioreco, command):
    assert bioreco("denoise").err == (
        "bioreco denoise: needs at least one FILE.\nSee bioreco denoise --help.\n"
    )


def test_a_combination_without_sense_is_refused_with_those_that_have(bioreco, command):
    said = bioreco("train", "method=ssdu")
    assert said.status == 2
    assert said.err == (
        "bioreco train: method=ssdu does not go with forward=identity. It goes with: forward=mri.\n"
    )
    assert bioreco("train", "method=ssdu", "forward=mri").status == 0
    assert "suits" not in command.calls[0][0].method


def test_a_method_brings_its_network_and_the_shell_wins(bioreco, command):
    bioreco("train", "method=ssdu", "forward=mri")
    bioreco("train", "method=ssdu", "forward=mri", "network=unet")
    assert [call[1].choices["network"] for call in command.calls] == ["unrolled", "unet"]


def test_an_unexpected_failure_keeps_its_traceback(bioreco, command):
    def fail(context):
        raise ZeroDivisionError("boom")

    command.then = fail
    with pytest.raises(ZeroDivisionError) as failed:
        bioreco("train")
    assert failed.value.__notes__ == [
        f"bioreco did not expect this; the log is in {runs()[0].absolute()}"
    ]
    assert "ZeroDivisionError: boom" in (runs()[0] / "bioreco.log").read_text()


def test_a_sweep_that_fails_unexpectedly_runs_on_and_is_no_wrong_request(bioreco, command):
    def fail(context):
        raise ValueError(context.folder.name)

    command.then = fail
    with pytest.raises(ValueError, match="0"):
        bioreco("train", "-m", "seed=1,2")
    assert len(command.calls) == 2


def test_asking_for_the_folder_does_not_make_it(bioreco, command, tmp_path):
    said = bioreco("train", "--cfg", "hydra", "--resolve", "-p", "hydra.run")
    assert "dir: outputs/" in said.out
    assert list(tmp_path.iterdir()) == []


def test_interrupted_says_how_to_go_on(bioreco, command):
    def interrupt(context):
        (context.folder / "checkpoints").mkdir()
        (context.folder / "checkpoints" / "last.pt").touch()
        raise KeyboardInterrupt

    command.then = interrupt
    said = bioreco("train")
    assert said.status == 130
    assert said.err == f"interrupted. Go on with: bioreco resume {runs()[0]}\n"


def test_interrupted_before_a_checkpoint_leaves_nothing(bioreco, command, tmp_path):
    def terminated(context):
        os.kill(os.getpid(), signal.SIGTERM)  # a batch system's way to interrupt
        time.sleep(1)

    command.then = terminated
    said = bioreco("train")
    assert (said.status, said.err) == (130, "interrupted before the first checkpoint\n")
    assert list(tmp_path.iterdir()) == []


def test_calls_in_one_process_leave_logging_and_signals_as_they_were(bioreco, command):
    def state():
        root = logging.getLogger()
        return root.handlers, root.level, signal.getsignal(signal.SIGTERM), sys.argv, sys.path

    before = [*state()]
    for _ in range(2):
        assert bioreco("train").status == 0
    assert [*state()] == before
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert len(runs()) == 2


def test_a_sweep_runs_every_combination(bioreco, command):
    said = bioreco("train", "-m", "method=n2v,n2s", "seed=1,2")
    assert said.status == 0
    assert "Launching 4 jobs" in said.out
    folders_ = [call[1].folder for call in command.calls]
    assert [folder.name for folder in folders_] == ["0", "1", "2", "3"]
    assert folders_[0].parent.match("outputs/sweeps/????-??-??/??-??-??")
    assert (folders_[3] / "bioreco.log").exists()


def test_a_sweep_without_sense_leaves_nothing(bioreco, command, tmp_path):
    assert bioreco("train", "-m", "method=ssdu", "seed=1,2").status == 2
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_process_under_torchrun_has_a_folder(
    bioreco, command, monkeypatch, tmp_path
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert bioreco("train").out == ""
    assert command.calls[0][1].folder == tmp_path
    assert list(tmp_path.iterdir()) == []
    command.then = refuse
    said = bioreco("train")
    assert said.status == 2
    assert said.err.startswith("[rank 1] bioreco train: no such thing.")
    monkeypatch.setenv("RANK", "0")
    command.then = None
    assert bioreco("train").out == "at work\n"
    assert len(runs()) == 1


def test_a_sweep_under_torchrun_is_refused(bioreco, command, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    said = bioreco("train", "-m", "seed=1,2")
    assert said.status == 2
    assert "can't sweep (-m) under torchrun" in said.err


def test_own_configurations_and_modules_lie_in_one_folder(bioreco, command, tmp_path):
    own = tmp_path / "mylab"
    (own / "method").mkdir(parents=True)
    (own / "method" / "mine.yaml").write_text("# my own\n_target_: ownlab.Mine\n")
    (own / "ownlab.py").write_text("class Mine:\n    pass\n")

    def build_it(context):
        from bioreco.build import build

        config = command.calls[-1][0]
        assert type(build(config.method, "method", trusted=config.trust)).__name__ == "Mine"

    command.then = build_it
    said = bioreco("train", "--config-dir", str(own), "method=mine", "trust=[ownlab]")
    assert said.status == 0, said.err
    said = bioreco("train", f"--config-dir={own}", "method=mine")
    assert said.status == 2
    assert "If you trust its code, add trust=[ownlab]" in said.err


@pytest.mark.parametrize("name", [name for name in main.COMMANDS if name not in {"resume", "list"}])
def test_every_command_explains_itself(bioreco, name):
    said = bioreco(name, "--help")
    assert said.status == 0
    assert said.out.startswith(f"usage: bioreco {name}")
    assert "\n  bioreco " in said.out  # an example
    assert "_target_" not in said.out
    assert bioreco(name, "--cfg", "job").status == 0


@pytest.mark.parametrize("name", ["resume", "list"])
def test_the_other_commands_explain_themselves(bioreco, name):
    said = bioreco(name, "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(f"usage: bioreco {name}")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["train", "cells.tif"], "bioreco train: can't read 'cells.tif'. It takes key=value"),
        (["train", "n2v"], "bioreco train: can't read 'n2v'. Did you mean method=n2v?"),
        (["train", "-o", "x"], "bioreco train: takes no -o PATH; these do: denoise, infer"),
        (
            ["train", "--cgf", "job"],
            "bioreco train: there is no option '--cgf'. Did you mean '--cfg'?",
        ),
        (["train", "--cfg"], "bioreco train: --cfg needs a value behind it."),
        (["train", "--cfg", "x"], "bioreco train: --cfg needs one of all, hydra, job behind it."),
        (
            ["train", "--config-dir", "no"],
            "bioreco train: --config-dir no: there is no such folder.",
        ),
    ],
)
def test_wrong_arguments(bioreco, line, error):
    said = bioreco(*line)
    assert said.status == 2
    assert said.err.startswith(error)
    assert len(said.err.splitlines()) <= 3


def test_a_task_can_be_sent_to_other_processes():
    task = Task("train", "module:run", ("/lab",))
    assert pickle.loads(pickle.dumps(task)) == task


def test_no_name_of_a_flag_is_forgotten():
    from hydra._internal.utils import get_args_parser

    known = {flag for action in get_args_parser()._actions for flag in action.option_strings}
    ours = {*arguments.FLAGS, *arguments.VALUED, *arguments.PLAIN, "--version"}
    assert known <= ours
