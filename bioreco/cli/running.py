"""Run a command through Hydra, and tell what Hydra has to say in plain words."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bioreco.cli import folders, messages
from bioreco.cli.context import follower
from bioreco.cli.helping import annotate, comments
from bioreco.cli.listing import config_dir
from bioreco.cli.task import FOLDERLESS, Task, unexpected
from bioreco.errors import UserError


def run(task: Task, flags: Sequence[str], overrides: Sequence[str]) -> None:
    """Compose the configuration and run the task, in one folder or as a sweep.

    Raises
    ------
    UserError
        When the request is wrong.
    """
    words = [*flags, *_for_processes(flags, overrides), f"hydra.job.name={task.command}"]
    try:
        _through_hydra(task, words)
    except KeyboardInterrupt:
        if not follower():
            print(_interrupted(task), file=sys.stderr)
        folders.forget_claimed()
        raise SystemExit(130) from None
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        if unexpected(error):
            raise
        folders.forget_claimed()
        if isinstance(error, UserError):
            raise
        raise UserError(messages.friendly(error)) from error
    finally:
        (folders.forget_claimed if _asks(flags) else folders.keep_claimed)()
    if task.refused:
        raise task.refused


def _through_hydra(task: Task, words: Sequence[str]) -> None:
    with ExitStack() as stack:
        for context in (_arguments(words), _logging(), _signals(task, words), _full_errors()):
            stack.enter_context(context)
        decorate = hydra.main(
            version_base="1.3", config_path=str(config_dir()), config_name=task.command
        )
        try:
            decorate(task)()
        except SystemExit as end:
            if end.code:
                raise
        finally:
            GlobalHydra.instance().clear()


def _asks(words: Sequence[str]) -> bool:
    """Whether words only ask for help or for the configuration."""
    return any(word in {"--help", "--hydra-help", "--cfg", "--info", "-sc"} for word in words)


def _for_processes(flags: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Let only the first process under torchrun own a folder and a log."""
    several = os.environ.get("WORLD_SIZE", "1") not in {"", "1"} and "RANK" in os.environ
    sweeping = "--multirun" in flags or "hydra.mode=MULTIRUN" in overrides
    if several and sweeping:
        raise UserError("can't sweep (-m) under torchrun: start one torchrun for each run.")
    if not follower():
        return list(overrides)
    kept = [word for word in overrides if not word.startswith(("hydra.run.dir=", "+hydra="))]
    prefix = "+" if "+hydra=default" in overrides else ""
    return [*kept, f"{prefix}hydra=silent"]


def _interrupted(task: Task) -> str:
    folder = task.folder
    if folder is None:
        return "interrupted"
    if not (folder / "checkpoints" / "last.pt").exists():
        return "interrupted before the first checkpoint"
    near = folder.is_relative_to(Path.cwd()) and not task.origin  # a resumed run has moved there
    shown = folder.relative_to(Path.cwd()) if near else folder
    return f"interrupted. Go on with: bioreco resume {shlex.quote(str(shown))}"


def explain(task: Task, flags: Sequence[str], overrides: Sequence[str]) -> None:
    """Print the help of a command, with the comments of its configuration files."""
    said = StringIO()
    with redirect_stdout(said):
        run(task, flags, overrides)
    told = HydraConfig.get().runtime
    sources = [Path(source.path) for source in told.config_sources if source.schema == "file"]
    choices = {str(group): choice for group, choice in told.choices.items()}
    text = said.getvalue()
    if all(group.split("/")[0] == "hydra" for group in choices):  # nothing to choose here
        text = text[: text.index("Groups (")] + text[text.index("Options (") :]
    print(annotate(text, comments(sources, task.command, choices)).rstrip())


def own_code(own: str | None) -> tuple[str, ...]:
    """Return where to find the modules that belong to a user's configuration folder.

    They lie in the folder itself, or the folder is a package and its parent is meant as well.
    """
    if own is None:
        return ()
    folder = Path(own).absolute()
    package = (folder / "__init__.py").exists()
    return (str(folder), str(folder.parent)) if package else (str(folder),)


def complete(command: str, flags: Sequence[str], line: str) -> list[str]:
    """Ask Hydra how a line of overrides may go on."""
    former = os.environ.get("COMP_LINE")
    os.environ["COMP_LINE"] = f"bioreco {line}"
    said = StringIO()
    try:
        with redirect_stdout(said):
            _through_hydra(Task(command, ""), [*flags, "-sc", "query=fish"])
    finally:
        os.environ.pop("COMP_LINE")
        if former is not None:
            os.environ["COMP_LINE"] = former
    return said.getvalue().splitlines()


@contextmanager
def _arguments(words: Sequence[str]) -> Iterator[None]:
    former, sys.argv = sys.argv, ["bioreco", *words]
    try:
        yield
    finally:
        sys.argv = former


@contextmanager
def _full_errors() -> Iterator[None]:
    """Have Hydra raise its errors, so that they can be told in fewer words."""
    former = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if former is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = former


@contextmanager
def _logging() -> Iterator[None]:
    """Close the logs of a command when it ends and put back those from before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        folders.close_logs()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("bioreco").setLevel(logging.NOTSET)


@contextmanager
def _signals(task: Task, words: Sequence[str]) -> Iterator[None]:
    """Treat SIGTERM, as sent by batch systems, like Ctrl-C; don't end a run with its pipe."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: stop}
    if task.command not in FOLDERLESS and not _asks(words) and hasattr(signal, "SIGPIPE"):
        handlers[signal.SIGPIPE] = signal.SIG_IGN
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
