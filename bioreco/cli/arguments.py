"""Sort what was typed into flags, overrides and files, in the order and quoting Hydra needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioreco.errors import UserError, nearest

VALUED = {
    "-c": "--cfg",
    "-p": "--package",
    "-cp": "--config-path",
    "-cn": "--config-name",
    "-cd": "--config-dir",
    "-sc": "--shell-completion",
    "-o": "--output",
}
PLAIN = {"-h": "--help", "-m": "--multirun", "-r": "--run", "-i": "--info"}
FLAGS = (
    *VALUED.values(),
    *PLAIN.values(),
    "--hydra-help",
    "--resolve",
    "--experimental-rerun",
)
KNOWN = (*FLAGS, *VALUED, *PLAIN)
INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}
CFG = {"job", "hydra", "all"}
PATH_KEYS = {
    "run",
    "reference",
    "measured",
    "second",
    "std",
    "signal",
    "dark",
    "noise.path",
    "checkpoint",
    "output",
    "output.path",
    "data.root",
    "hydra.run.dir",
}

_OVERRIDE = re.compile(r"(\+{1,2}|~)?[A-Za-z_$][\w$.@/:-]*=|~[A-Za-z_][\w.@/:-]*$")
_SPECIAL = re.compile(r"[\s,'\"\[\]{}()$\\=:#]")


@dataclass
class Arguments:
    """One command line, sorted.

    Attributes
    ----------
    flags : list of str
        Hydra's own flags with their values.
    overrides : list of str
        The `key=value` arguments.
    files : list of str
        Everything else, as typed.
    output : str or None
        The value of ``-o``.
    config_dir : str or None
        The value of ``--config-dir``, which is in `flags` as well.
    """

    flags: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    output: str | None = None
    config_dir: str | None = None

    @property
    def asks(self) -> bool:
        """Whether this only asks for help or for the configuration and runs nothing."""
        asking = {"--help", "--hydra-help", "--cfg", "--info", "--shell-completion"}
        return any(flag.split("=", 1)[0] in asking for flag in self.flags)

    @property
    def multirun(self) -> bool:
        """Whether a sweep was asked for."""
        return "--multirun" in self.flags


def quote(value: str) -> str:
    r"""Quote a string so that Hydra and OmegaConf read it back unchanged.

    Backslashes count only before a quote, at the end and before an interpolation, which must not
    be resolved: a file may well be called ``${x}.tif``.
    """
    value = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
    value = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return f"'{value}'"


def is_override(argument: str) -> bool:
    """Tell `key=value` from a file: an existing file is a file whatever its name looks like."""
    return _OVERRIDE.match(argument) is not None and not _exists(argument)


def sort(arguments: Sequence[str]) -> Arguments:
    """Sort a command's arguments into flags, overrides and files.

    Hydra refuses overrides on both sides of a flag and files altogether, so neither reaches it
    in the order typed. What follows ``--`` is a file whatever it looks like.
    """
    found = Arguments()
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            found.files.extend(rest)
        elif _is_flag(argument):
            _take_flag(argument, rest, found)
        elif is_override(argument):
            found.overrides.append(_quoted_path(argument))
        else:
            found.files.append(argument)
    return found


def as_input(files: Sequence[str]) -> str:
    """Write files as the one override that hands them to a command."""
    return f"input=[{','.join(quote(file) for file in files)}]"


def _is_flag(argument: str) -> bool:
    """Tell a flag from a file whose name begins with a dash."""
    if not argument.startswith("-") or argument == "-":
        return False
    return argument.partition("=")[0] in KNOWN or not _exists(argument)


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # too long, or a null character
        return False


def _take_flag(flag: str, rest: Iterator[str], found: Arguments) -> None:
    name, equals, value = flag.partition("=")
    name = VALUED.get(name) or PLAIN.get(name) or name
    if name == "--info":
        _take_info(value, rest, found)
        return
    if name not in FLAGS:
        raise UserError(
            f"there is no option '{flag}'.{nearest(name, KNOWN)}\n"
            "A file whose name begins with '-' goes behind '--'."
        )
    if name not in {*VALUED.values(), "--experimental-rerun"}:
        found.flags.append(name)
        return
    given = value if equals else next(rest, "")
    if not given:
        raise UserError(f"{flag} needs a value behind it.")
    if name == "--output":
        found.output = given
        return
    if name == "--config-dir":
        given = found.config_dir = str(Path(given).expanduser())
        if not Path(given).is_dir():
            raise UserError(f"--config-dir {given}: there is no such folder.")
    if name == "--cfg" and given not in CFG:
        raise UserError(f"--cfg needs one of {', '.join(sorted(CFG))} behind it.")
    found.flags += [name, given]


def _take_info(value: str, rest: Iterator[str], found: Arguments) -> None:
    if not value:
        value = next(rest, "all")
        if value not in INFO:
            raise UserError(f"--info needs one of {', '.join(sorted(INFO))} behind it.")
    found.flags += ["--info", value]


def _quoted_path(override: str) -> str:
    """Quote the value of an override where it is a path that Hydra's grammar would misread."""
    key, _, value = override.partition("=")
    if not _SPECIAL.search(value) or value[0] in "'\"":
        return override
    composed = value.startswith("[") or "," in value or "${" in value  # a list, a sweep, others
    if _exists(value) or (key.lstrip("+") in PATH_KEYS and not composed):
        return f"{key}={quote(value)}"
    return override
