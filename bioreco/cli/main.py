"""The one entry point: `bioreco COMMAND [FILE ...] [key=value ...] [flags]`.

Nothing here imports torch or Hydra before a command needs them, so that help, lists and completed
words come at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from bioreco import __version__
from bioreco.cli import arguments, completion, listing
from bioreco.cli.context import follower
from bioreco.errors import UserError, nearest


class Command(NamedTuple):
    """One command: what it is for, the function that does it, and what it takes."""

    text: str
    run: str  # module:function, imported when the command runs
    files: bool = False  # takes FILE arguments
    output: str = ""  # the option that -o PATH sets, where it is taken


COMMANDS = {
    "train": Command("learn from measurements alone", "bioreco.cli.training:run"),
    "denoise": Command(
        "train on the images given and write denoised copies",
        "bioreco.cli.denoising:run",
        files=True,
        output="output.path",
    ),
    "infer": Command(
        "apply a finished run to new measurements",
        "bioreco.cli.inferring:run",
        files=True,
        output="output.path",
    ),
    "resume": Command("go on with a run", ""),
    "evaluate": Command(
        "scores, with or without a reference",
        "bioreco.cli.evaluating:run",
        files=True,
        output="output.path",
    ),
    "compare": Command(
        "one leaderboard of runs", "bioreco.cli.comparing:run", files=True, output="output.path"
    ),
    "simulate": Command(
        "write a simulated data set in its field's format",
        "bioreco.cli.simulating:run",
        output="output",
    ),
    "inspect": Command(
        "axes, type, pixel size, noise and advice for a file",
        "bioreco.cli.inspecting:run",
        files=True,
    ),
    "calibrate": Command(
        "measure the noise of a camera from frames of a still target",
        "bioreco.cli.calibrating:run",
        files=True,
        output="output.path",
    ),
    "list": Command("what can be chosen, with one line each", ""),
}

FOOTER = """
bioreco denoise cells.tif            writes cells_denoised.tif beside it
bioreco COMMAND --help               the options of a command
bioreco list                         methods, data, networks
eval "$(bioreco -sc install=bash)"   tab completion
"""


def usage(stream: TextIO | None = None) -> None:
    """Print the commands, one line each."""
    lines = ["usage: bioreco COMMAND [FILE ...] [key=value ...]", ""]
    lines += [f"  {name:10s}{command.text}" for name, command in COMMANDS.items()]
    print("\n".join(lines) + "\n" + FOOTER, end="", file=stream or sys.stdout)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command line; exit with 2 for a wrong request and 130 when interrupted.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default. May be called repeatedly in one process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words and words[0] in COMMANDS else ""
    before = _end_quietly_with_the_pipe()
    try:
        _dispatch(words)
    except UserError as error:
        rank = f"[rank {os.environ['RANK']}] " if follower() else ""
        print(f"{rank}bioreco {command}".rstrip() + f": {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGPIPE, before)


def _end_quietly_with_the_pipe() -> signal.Handlers | Callable[..., object] | int | None:
    """Let `bioreco list | head` end without a word; return the former handler, if changed."""
    try:
        return signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    except (AttributeError, ValueError):  # no such signal here, or not the main thread
        return None


def _dispatch(words: list[str]) -> None:
    first = words[0] if words else "--help"
    if first in {"-sc", "--shell-completion"} or first.startswith("--shell-completion="):
        shell = first.partition("=")[2] or " ".join(words[1:2])
        takes_files = {name: command.files for name, command in COMMANDS.items()}
        completion.answer(shell, takes_files, _compose)
    elif first in {"-h", "--help", "help"}:
        _help(words[1:])
    elif first in {"-V", "--version", "version"}:
        print(f"bioreco {__version__}")
    elif first not in COMMANDS:
        raise UserError(
            f"there is no command '{first}'.{nearest(first, COMMANDS)}\n"
            f"There are: {', '.join(COMMANDS)}."
        )
    else:
        _command(first, words[1:])


def _help(words: Sequence[str]) -> None:
    if words and words[0] in COMMANDS:
        _command(words[0], ["--help"])
    else:
        usage()


def _command(name: str, words: Sequence[str]) -> None:
    given = arguments.sort(words)
    if given.output is not None and not COMMANDS[name].output:
        able = ", ".join(other for other, command in COMMANDS.items() if command.output)
        raise UserError(f"takes no -o PATH; these do: {able}.")
    if name == "list":
        _list(given)
    elif name == "resume":
        _resume(given)
    else:
        _run(name, given)


def _list(given: arguments.Arguments) -> None:
    if given.asks:
        print("usage: bioreco list [GROUP ...] [--config-dir DIR]\n")
        print("GROUP: " + ", ".join(listing.HEADINGS))
        return
    own = Path(given.config_dir) if given.config_dir else None
    print(listing.show([*given.files, *given.overrides], own))


def _resume(given: arguments.Arguments) -> None:
    from bioreco.cli import resuming

    if given.asks and not given.files:
        print(resuming.USAGE)
        return
    resuming.resume(given, {name: command.run for name, command in COMMANDS.items()})


def _run(name: str, given: arguments.Arguments) -> None:
    from bioreco.cli import running
    from bioreco.cli.task import Task

    command = COMMANDS[name]
    overrides = list(given.overrides)
    if given.files and not command.files:
        raise UserError(_stray(given.files[0]))
    if given.files:
        overrides.append(arguments.as_input(given.files))
    if given.output is not None:
        overrides.append(f"{command.output}={arguments.quote(given.output)}")
    task = Task(name, command.run, running.own_code(given.config_dir))
    do = running.explain if "--help" in given.flags else running.run
    do(task, given.flags, overrides)


def _stray(word: str) -> str:
    """Say what to do with a word where only key=value is taken."""
    known = listing.groups([listing.config_dir()])
    likely = [f"{group}={word}" for group, options in known.items() if word in options]
    if likely:
        return f"can't read '{word}'. Did you mean {likely[0]}?"
    return (
        f"can't read '{word}'. It takes key=value, for example data=files data.paths=[{word}].\n"
        "To denoise a file: bioreco denoise FILE."
    )


def _compose(command: str, flags: Sequence[str], line: str) -> list[str]:
    from bioreco.cli import running

    return running.complete(command, flags, line)


if __name__ == "__main__":
    main()
