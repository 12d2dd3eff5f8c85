"""`bioreco COMMAND --help`: Hydra's help, with the comments of the configuration files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bioreco.cli.listing import describe

_LINE = re.compile(r"(?P<indent> *)(?P<key>[\w-]+):(?P<rest>.*)")
_COMMENT = re.compile(r"\s#\s+(?P<text>.*)")
_BASE = re.compile(r"  - (?P<name>[\w/-]+)\s*$")
_WIDTH = 30


def annotate(text: str, comments: Mapping[str, str]) -> str:
    """Put the comment of each option behind it, and leave out what only the program needs."""
    lines, silent = [], -1
    options = False
    for line in text.splitlines():
        options = options or line.startswith("Options")
        found = _LINE.fullmatch(line) if options else None
        indent = len(line) - len(line.lstrip(" -"))
        if silent >= 0 and line and indent > silent:
            continue
        silent = indent if found and found["key"] in {"suits", "_target_"} else -1
        if silent < 0:
            lines.append((line, found))
    return "\n".join(_beside(line, comments.get(key, "")) for line, key in _keyed(lines))


def comments(
    folders: Sequence[Path], command: str, choices: Mapping[str, str | None]
) -> dict[str, str]:
    """Collect the comments of the primary configuration and of the chosen options.

    Parameters
    ----------
    folders : sequence of Path
        Where configurations are searched for.
    command : str
        The primary configuration.
    choices : mapping
        The chosen option of each group; ``network@method.critic`` is mounted at that place.
    """
    found: dict[str, str] = {}
    for folder in folders:
        found.update(_inline(folder, Path(f"{command}.yaml"), ""))
        for place, choice in choices.items():
            group, _, package = place.partition("@")
            path = folder / group / f"{choice}.yaml"
            package = package or group.replace("/", ".")
            if path.is_file():
                found[package] = describe(path)
                found.update(_inline(folder / group, Path(path.name), f"{package}."))
    return found


def _keyed(lines: Sequence[tuple[str, re.Match[str] | None]]) -> Iterator[tuple[str, str]]:
    """Give every line its dotted key, or none."""
    stack: list[tuple[int, str]] = []
    for line, found in lines:
        if found is None:
            yield line, ""
            continue
        while stack and stack[-1][0] >= len(found["indent"]):
            stack.pop()
        stack.append((len(found["indent"]), found["key"]))
        yield line, ".".join(key for _, key in stack)


def _beside(line: str, comment: str) -> str:
    return f"{line:{_WIDTH}s}  # {comment}" if comment else line


def _inline(folder: Path, name: Path, prefix: str) -> dict[str, str]:
    """Read the comments behind the keys of one file, after those of the files it builds on."""
    path = folder / name
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for base in filter(None, map(_BASE.fullmatch, lines)):
        if base["name"] not in {"_self_", name.stem}:
            found.update(_inline(folder, Path(f"{base['name']}.yaml"), prefix))
    for line, key in _keyed([(line, _LINE.fullmatch(line)) for line in lines]):
        if key and (comment := _COMMENT.search(line)):
            found[prefix + key] = comment["text"]
    return found
