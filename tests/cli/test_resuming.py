"""`bioreco resume RUN`, from any folder and with the run's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from bioreco.errors import UserError


@pytest.fixture
def run(bioreco, command) -> Path:
    assert bioreco("train", "method=n2s", "seed=7").status == 0
    return next(Path().absolute().glob("outputs/*/*-train"))


def notes(run: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (run / ".hydra").iterdir()}


def test_a_run_goes_on_in_its_folder_from_anywhere(bioreco, command, run, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said = bioreco("resume", str(run), "trainer.steps=900")
    assert (said.status, said.out) == (0, "at work\n"), said.err
    config, context = command.calls[-1]
    assert (config.trainer.steps, config.seed, config.method.grid) == (900, 7, 4)
    assert context.command == "train"
    assert context.resumed
    assert context.folder == run
    assert context.overrides == ("method=n2s", "seed=7", "trainer.steps=900")
    assert context.choices == command.calls[0][1].choices
    assert list(elsewhere.iterdir()) == []
    assert Path.cwd() == elsewhere
    assert (run / "bioreco.log").read_text().count("at work") == 2


def test_what_was_changed_is_kept_and_the_rest_stays(bioreco, command, run):
    before = notes(run)
    bioreco("resume", str(run), "trainer.steps=900")
    bioreco("resume", str(run / "checkpoints" / "last.pt"), "seed=8")
    assert command.calls[-1][0].trainer.steps == 900
    after = notes(run)
    assert after["hydra.yaml"] == before["hydra.yaml"]
    assert OmegaConf.create(after["config.yaml"]).trainer.steps == 900
    assert list(OmegaConf.create(after["overrides.yaml"])) == [
        "method=n2s", "seed=7", "trainer.steps=900", "seed=8",
    ]  # fmt: skip


def test_a_refused_change_changes_nothing(bioreco, command, run):
    def refuse(context):
        raise UserError("no")

    before = notes(run)
    command.then = refuse
    assert bioreco("resume", str(run), "seed=8").status == 2
    assert bioreco("resume", str(run), "sed=8").status == 2
    assert notes(run) == before


def test_denoise_is_resumed_with_its_files(bioreco, command, tmp_path):
    assert bioreco("denoise", "it's ${x}.tif").status == 0
    run = next(tmp_path.glob("outputs/*/*-denoise"))
    for _ in range(2):
        assert bioreco("resume", str(run)).status == 0
    config, context = command.calls[-1]
    assert list(config.input) == ["it's ${x}.tif"]
    assert context.command == "denoise"


def test_relative_paths_count_from_where_the_run_began(
    bioreco, command, run, tmp_path, monkeypatch
):
    seen = []
    command.then = lambda context: seen.append(Path.cwd())
    monkeypatch.chdir("/")
    assert bioreco("resume", str(run)).status == 0
    assert seen == [tmp_path]


def test_an_interrupted_resumption_names_the_run_as_seen_from_anywhere(
    bioreco, command, run, monkeypatch
):
    def interrupt(context):
        (context.folder / "checkpoints").mkdir()
        (context.folder / "checkpoints" / "last.pt").touch()
        raise KeyboardInterrupt

    command.then = interrupt
    monkeypatch.chdir("/")
    said = bioreco("resume", str(run))
    assert (said.status, said.err) == (130, f"interrupted. Go on with: bioreco resume {run}\n")
    assert (run / ".hydra").is_dir()


def test_own_modules_are_found_again(bioreco, command, tmp_path):
    import sys

    own = tmp_path / "mylab"
    (own / "method").mkdir(parents=True)
    (own / "method" / "mine.yaml").write_text("a: 1\n")
    assert bioreco("train", "--config-dir", str(own), "method=mine").status == 0
    sys.path.remove(str(own))
    run = next(tmp_path.glob("outputs/*/*-train"))
    assert bioreco("resume", str(run)).status == 0
    assert str(own) in sys.path


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["RUN", "method=n2v"], "method=n2s was chosen when the run began."),
        (["RUN", "trainer.step=3"], "there is no option 'trainer.step'. Did you mean"),
        (["RUN", "-m", "seed=1,2"], "can't sweep (-m) over one run"),
        (["RUN", "RUN"], "needs one run, got 2"),
        ([], "needs one run, got 0"),
        (["output"], "there is no folder output. Did you mean 'outputs'?"),
        (["outputs"], "outputs is not a run: it holds no .hydra/config.yaml."),
    ],
)
def test_what_is_wrong_is_said(bioreco, run, line, error):
    said = bioreco("resume", *[str(run) if word == "RUN" else word for word in line])
    assert said.status == 2
    assert said.err.startswith(f"bioreco resume: {error}")


def test_a_sweep_names_its_runs(bioreco, command, tmp_path):
    bioreco("train", "-m", "seed=1,2")
    sweep = next(tmp_path.glob("outputs/sweeps/*/*"))
    said = bioreco("resume", str(sweep))
    assert f"{sweep} is a sweep of 2 runs. Resume one of them: 0, 1." in said.err
    assert bioreco("resume", str(sweep / "1")).status == 0
    assert command.calls[-1][0].seed == 2


def test_a_broken_run_is_told(bioreco, run):
    (run / ".hydra" / "hydra.yaml").write_text("hydra: [")
    assert "can't be resumed" in bioreco("resume", str(run)).err
