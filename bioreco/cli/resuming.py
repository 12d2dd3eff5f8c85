"""`bioreco resume RUN`: compose the run's own saved configuration and go on in its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bioreco.cli import arguments, running
from bioreco.cli.task import Origin, Task
from bioreco.errors import UserError, nearest

USAGE = """usage: bioreco resume RUN [key=value ...]

Go on with a run from its last checkpoint, from any folder, with its own configuration.

  bioreco resume outputs/DATE/TIME-train
  bioreco resume outputs/DATE/TIME-train trainer.steps=20000"""
RESUMABLE = {"train", "denoise"}


def find(given: str) -> Path:
    """Return the folder of the run that an argument names, or say what is wrong with it."""
    run = Path(given).expanduser().absolute()
    for folder in (run, *run.parents[:2]):  # RUN/checkpoints/last.pt means RUN, too
        if (folder / ".hydra" / "config.yaml").is_file():
            return folder
    if (run / "multirun.yaml").is_file():
        runs = sorted(path.parent.parent for path in run.glob("*/.hydra/config.yaml"))
        raise UserError(
            f"{given} is a sweep of {len(runs)} runs. Resume one of them: "
            f"{', '.join(path.name for path in runs)}."
        )
    if not run.exists():
        beside = [path.name for path in run.parent.iterdir()] if run.parent.is_dir() else []
        raise UserError(f"there is no folder {given}.{nearest(run.name, beside)}")
    raise UserError(f"{given} is not a run: it holds no .hydra/config.yaml.")


def resume(given: arguments.Arguments, targets: Mapping[str, str]) -> None:
    """Go on with a run, by the command that it began with.

    Parameters
    ----------
    given : Arguments
        One file, the run, and what is to be changed.
    targets : mapping
        Command to ``module:function``.
    """
    if len(given.files) != 1:
        raise UserError(
            f"needs one run, got {len(given.files)}: bioreco resume RUN [key=value ...]"
        )
    if given.multirun:
        raise UserError("can't sweep (-m) over one run: its results would overwrite each other.")
    run = find(given.files[0])
    saved, former = _saved(run)
    command = str(saved["job"]["name"])
    if command not in RESUMABLE:
        raise UserError(f"{given.files[0]} was a '{command}'; only train and denoise can go on.")
    choices = {
        group: choice
        for group, choice in saved["runtime"]["choices"].items()
        if group.split("/")[0] != "hydra"
    }
    _refuse_choices(given.overrides, choices)
    origin = Origin(run, former, choices)
    paths = running.own_code(given.config_dir) + _own_code(saved)
    task = Task(command, targets[command], paths, origin)
    with chdir(_home(saved)):
        running.run(task, _flags(given, run), _overrides(given, run))


def _saved(run: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read what Hydra noted about a run, and the overrides given so far."""
    notes = run / ".hydra"
    try:
        saved = OmegaConf.load(notes / "hydra.yaml")
        former = OmegaConf.load(notes / "overrides.yaml")
        found = OmegaConf.to_container(cast(DictConfig, saved)["hydra"])
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{run} can't be resumed: {error}") from error
    words = cast(list[str], OmegaConf.to_container(former))
    return cast(dict[str, Any], found), tuple(words)


def _refuse_choices(overrides: list[str], choices: Mapping[str, str | None]) -> None:
    for override in overrides:
        group = override.partition("=")[0]
        if group in choices:
            raise UserError(
                f"{group}={choices[group]} was chosen when the run began. "
                f"For {override} start a new run."
            )


def _own_code(saved: Mapping[str, Any]) -> tuple[str, ...]:
    sources = saved["runtime"]["config_sources"]
    own = [source["path"] for source in sources if source["provider"] == "command-line"]
    return tuple(path for folder in own for path in running.own_code(folder))


def _home(saved: Mapping[str, Any]) -> Path:
    """Return where the run was started, as its relative paths count from there."""
    home = Path(saved["runtime"]["cwd"])
    return home if home.is_dir() else Path.cwd()


def _flags(given: arguments.Arguments, run: Path) -> list[str]:
    flags = given.flags[:]
    while "--config-dir" in flags:
        at = flags.index("--config-dir")
        del flags[at : at + 2]
    return [*flags, "--config-dir", str(run / ".hydra"), "--config-name", "config"]


def _overrides(given: arguments.Arguments, run: Path) -> list[str]:
    changes = [_from_here(override) for override in given.overrides]
    folder = f"hydra.run.dir={arguments.quote(str(run))}"
    return [*changes, "+hydra=default", "hydra.output_subdir=null", folder]


def _from_here(override: str) -> str:
    """Make a path absolute that was typed here, before going to where the run was started."""
    key, _, value = override.partition("=")
    if key in arguments.PATH_KEYS and os.path.lexists(value):
        return f"{key}={arguments.quote(str(Path(value).absolute()))}"
    return override
