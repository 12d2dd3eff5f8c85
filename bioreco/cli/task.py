"""What Hydra calls: check the composed request, then import the command and run it."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bioreco.build import check_suits
from bioreco.cli import folders, messages
from bioreco.cli.context import Context, follower
from bioreco.errors import UserError

LOG = logging.getLogger("bioreco")
UNEXPECTED = "bioreco did not expect this"
FOLDERLESS = {"evaluate", "compare", "inspect", "calibrate", "simulate"}


@dataclass
class Origin:
    """The beginning of a run that is resumed."""

    folder: Path
    overrides: tuple[str, ...]
    choices: Mapping[str, str | None]


@dataclass
class Task:
    """What Hydra calls with the composed configuration; may be pickled to other processes.

    Attributes
    ----------
    command : str
        The command's name.
    target : str
        ``module:function`` that does it, called with the configuration and a `Context`.
    paths : tuple of str
        Folders where the user's own modules are found.
    origin : Origin, optional
        The beginning of the run, when it is resumed.
    """

    command: str
    target: str
    paths: tuple[str, ...] = ()
    origin: Origin | None = None
    folder: Path | None = field(default=None, init=False)
    refused: Exception | None = field(default=None, init=False)

    def __call__(self, config: DictConfig) -> float | None:
        """Check the request, then import the command and run it."""
        sys.path.extend(path for path in self.paths if path not in sys.path)
        sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
        try:
            context = self._context()
            self._check(config, context)
            return self._run(config, context)
        except UserError as error:
            if self.folder and not self.origin:
                folders.forget(self.folder)
            if sweeping:
                LOG.error("%s", error)
                raise
            self.refused = error
        except Exception as error:
            LOG.error("unexpected failure", exc_info=True)
            error.add_note(
                f"{UNEXPECTED}; the log is in {self.folder}" if self.folder else UNEXPECTED
            )
            raise
        return None

    def _context(self) -> Context:
        told = HydraConfig.get()
        choices = {
            str(group): choice
            for group, choice in told.runtime.choices.items()
            if str(group).split("/")[0] != "hydra"
        }
        words = cast(list[str], OmegaConf.to_container(told.overrides.task))  # as typed
        overrides = tuple(word for word in words if not word.startswith(("hydra=", "+hydra=")))
        if self.origin:
            choices = dict(self.origin.choices)
            overrides = self.origin.overrides + overrides
        folder = Path.cwd()
        if self.command not in FOLDERLESS and not follower():
            self.folder = folder = Path(told.runtime.output_dir)
        return Context(self.command, folder, overrides, choices, resumed=self.origin is not None)

    def _check(self, config: DictConfig, context: Context) -> None:
        try:
            missing = OmegaConf.missing_keys(config)
            if missing:
                raise UserError(messages.missing(self.command, sorted(missing)))
            check_suits(config, context.choices)
            OmegaConf.to_container(config, resolve=True)  # every interpolation can be resolved
        except OmegaConfBaseException as error:
            raise UserError(messages.friendly(error)) from error

    def _run(self, config: DictConfig, context: Context) -> float | None:
        module, function = self.target.split(":")
        run = getattr(importlib.import_module(module), function)
        writing = self.origin is not None and not follower()
        with recorded(context, config) if writing else nullcontext():
            result: float | None = run(config, context)
        return result


def unexpected(error: BaseException) -> bool:
    """Whether an error comes out of a command and is not the user's to mend."""
    return any(note.startswith(UNEXPECTED) for note in getattr(error, "__notes__", ()))


@contextmanager
def recorded(context: Context, config: DictConfig) -> Iterator[None]:
    """Write what a resumed run is changed to; take it back when the request is refused."""
    notes = context.folder / ".hydra"
    files = {
        notes / "config.yaml": OmegaConf.to_yaml(config),
        notes / "overrides.yaml": OmegaConf.to_yaml(list(context.overrides)),
    }
    former = {path: path.read_text(encoding="utf-8") for path in files}
    _write(files)
    try:
        yield
    except UserError:
        _write(former)
        raise


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
