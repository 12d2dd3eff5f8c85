"""Say what went wrong with a request in one to three plain lines."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError
from yaml import YAMLError

from bioreco.cli.listing import HEADINGS
from bioreco.errors import nearest

NEEDED = {
    "input": "at least one FILE",
    "run": "the run to apply: run=FOLDER",
}


HIDDEN = {"hydra", "suits", "_target_", "_partial_"}


class Plain(logging.Formatter):
    """Plain lines for the terminal: no time, no logger, no traceback (the log file has those)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, with its level in front when it is more than information."""
        level = record.levelname.lower()
        prefix = f"{level}: " if record.levelno >= logging.WARNING else ""
        return prefix + record.getMessage().expandtabs(2)


class Terminal(logging.StreamHandler[TextIO]):
    """The terminal's log; when its reader goes away, as in `| head`, the run goes on unheard."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Send what is still to be said nowhere if the pipe is closed."""
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())
        else:
            super().handleError(record)


def missing(command: str, keys: Sequence[str]) -> str:
    """Say what a command can't do without."""
    needs = [NEEDED.get(key, f"a value for {key}: {key}=...") for key in keys]
    return f"needs {' and '.join(needs)}.\nSee bioreco {command} --help."


def friendly(error: BaseException) -> str:
    """Translate an error of Hydra, OmegaConf or YAML into one to three lines."""
    text, cause = str(error).strip(), error.__cause__ or error
    for kind, tell in TOLD:
        if isinstance(error, kind) and (said := tell(error)):
            return said
    key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    if key and isinstance(cause, ConfigAttributeError) and isinstance(parent, DictConfig):
        return no_such_key(str(key), parent)
    if text.startswith("Error merging override"):
        text = f"{text.removeprefix('Error merging override ')}: {str(cause).splitlines()[0]}"
    elif key and str(key) not in text.splitlines()[0]:
        text = f"{key}: {text}"
    noise = ("full_key:", "object_type=", "reference_type=", "See https://")
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([line for line in lines if not line.strip().startswith(noise)][:3])


def no_such_key(key: str, parent: DictConfig) -> str:
    """Name the nearest option: the same name elsewhere, or a similar one here."""
    known = [str(name) for name in parent]
    if key in HEADINGS and key not in known:
        return f"there is no {key} to choose here."
    prefix, dot, leaf = key.rpartition(".")
    elsewhere = [name for name in _keys(parent._get_root()) if name.rpartition(".")[2] == leaf]
    near = f" Did you mean '{elsewhere[0]}'?" if elsewhere else nearest(leaf, known)
    if not elsewhere:
        near = near.replace("'", f"'{prefix}{dot}", 1)
    here = ", ".join(prefix + dot + name for name in known if name not in HIDDEN)
    return f"there is no option '{key}'.{near}\nThere are: {here or 'none'}."


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Walk all dotted keys of a configuration, without resolving anything."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    for name in map(str, node):
        if name not in HIDDEN:
            yield f"{prefix}{name}"
            yield from _keys(node._get_node(name), f"{prefix}{name}.")


def _no_such_config(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    if not group:
        return str(error).splitlines()[0]
    options = list(error.options or ())
    near = nearest(name, options)
    if group == "data" and "." in name:
        near = f" For a file: data=files data.paths=[{name}]"
    return f"there is no {group}={name}.{near}\nThere are: {', '.join(options) or 'none'}."


def _unreadable(error: OverrideParseException) -> str:
    return (
        f"can't read {error.override}\nClose every bracket and quote; a text with special "
        "characters needs quotes of its own: \"key='a, b'\"."
    )


def _bad_yaml(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{mark.name}, line {mark.line + 1}" if mark else "a configuration file"
    return f"{where} is not valid YAML: {getattr(error, 'problem', None) or error}."


def _ambiguous(error: HydraException) -> str:
    found = re.search(r"Ambiguous value for argument '(.*)'", str(error))
    if not found:
        return ""
    key, _, value = found[1].partition("=")
    return (
        f"{found[1]} names several values. For one run each: -m {found[1]}. "
        f"For one list: {key}=[{value}]."
    )


def _null_group(error: ValueError) -> str:
    if "Config group override must be" not in str(error):
        return ""
    return "a group can't be null. Choose an option (see bioreco list), or drop it: ~GROUP."


TOLD: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (MissingConfigException, _no_such_config),
    (OverrideParseException, _unreadable),
    (YAMLError, _bad_yaml),
    (HydraException, _ambiguous),
    (ValueError, _null_group),
)
