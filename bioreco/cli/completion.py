"""Tab completion: commands, groups, options and keys; file names are left to the shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bioreco.cli import arguments, listing
from bioreco.errors import UserError

BASH = """\
_bioreco() {
    # Offers whole words, as bash breaks words at '=' and ':' but the program does not.
    local word=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} typed offer
    case $word in =|:) word= ;; esac
    COMPREPLY=()
    while IFS= read -r offer; do
        typed=${offer%%$'\\t'*} offer=${offer#*$'\\t'}
        offer=${offer:$((${#typed} - ${#word}))}
        case $offer in *[=./]) ;; *) offer+=' ' ;; esac
        COMPREPLY+=("$offer")
    done < <(COMP_LINE=$line COMP_POINT=$COMP_POINT "${COMP_WORDS[0]}" -sc query=bash 2>/dev/null)
}
complete -o nospace -o default -F _bioreco bioreco
"""
UNINSTALL = "complete -r bioreco; unset -f _bioreco"

Compose = Callable[[str, Sequence[str], str], list[str]]


def answer(request: str, commands: Mapping[str, bool], compose: Compose) -> None:
    """Answer `bioreco -sc install=SHELL|uninstall=SHELL|query=SHELL`.

    Parameters
    ----------
    request : str
        What stands behind ``-sc``.
    commands : mapping
        The names of the commands, and whether each takes files.
    compose : callable
        Completes a line of overrides for a command with Hydra: (command, flags, line) to words.
    """
    what, _, shell = request.partition("=")
    if what == "install" and shell == "bash":
        print(BASH, end="")
    elif what == "uninstall" and shell == "bash":
        print(UNINSTALL)
    elif what == "query":
        line = os.environ.get("COMP_LINE", "")
        with suppress(Exception):  # a half-typed line may be wrong in any way
            last, offers = _offers(line, commands, compose)
            tab = f"{last}\t" if shell == "bash" else ""
            print("".join(f"{tab}{offer}\n" for offer in offers), end="")
    else:
        raise UserError(f"-sc knows install=bash and uninstall=bash, not '{request}'.")


def split(line: str) -> list[str]:
    """Split a line as typed so far into words; the last one is being typed and may be empty."""
    for closing in ("", "'", '"'):
        with suppress(ValueError):
            words = shlex.split(line + closing)
            return words if words and not line.endswith(" ") else [*words, ""]
    return line.split(" ")


def _offers(line: str, commands: Mapping[str, bool], compose: Compose) -> tuple[str, list[str]]:
    _, *words = split(line)
    if len(words) <= 1:
        typed = words[0] if words else ""
        return typed, [name for name in [*commands, "--version"] if _begins(name, typed)]
    command, *done, last = words
    if command not in commands or (done and done[-1] in arguments.VALUED):
        return last, []
    if command == "list":
        return last, [name for name in listing.HEADINGS if name.startswith(last)]
    if last.startswith("-"):
        flags = [*arguments.FLAGS] if command != "resume" else ["--help"]
        return last, [flag for flag in flags if flag.startswith(last)]
    takes_files = commands[command] or (command == "resume" and not done)
    if takes_files and "=" not in last and _is_file(last):
        return last, []
    return last, _values(command, done, last, compose)


def _is_file(typed: str) -> bool:
    """Whether a file's name begins like this, so that the shell had better complete it."""
    folder, slash, name = typed.rpartition("/")
    here = Path(folder + slash or ".").expanduser()
    return not typed or (
        here.is_dir() and any(path.name.startswith(name) for path in here.iterdir())
    )


def _begins(name: str, typed: str) -> bool:
    return name.startswith(typed) and (bool(typed) or not name.startswith("-"))


def _values(command: str, done: Sequence[str], last: str, compose: Compose) -> list[str]:
    given = arguments.sort([word for word in done if word])
    flags = ["--config-dir", given.config_dir] if given.config_dir else []
    folders = [listing.config_dir(), *(Path(flag) for flag in flags[1:])]
    group, chosen, _ = last.partition("=")
    options = listing.groups(folders)
    if chosen and group in options:
        return [f"{group}={name}" for name in sorted(options[group]) if _fits(last, group, name)]
    command = "train" if command == "resume" else command
    words = [word for word in given.overrides if " " not in word]
    offers = compose(command, flags, " ".join([*words, last]))
    hidden = ("hydra",) if not last.startswith("hydra") else ()
    return [offer for offer in offers if offer and not offer.startswith(hidden)]


def _fits(last: str, group: str, name: str) -> bool:
    return f"{group}={name}".startswith(last)
