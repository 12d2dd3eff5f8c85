"""`bioreco list`: what can be chosen, read from the configuration folders alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioreco.errors import UserError, nearest

HIDDEN = {"hydra"}
HEADINGS = {
    "method": "methods",
    "data": "data",
    "forward": "forward models",
    "network": "networks",
    "trainer": "trainers",
    "inference": "inference",
    "experiment": "experiments",
}


def config_dir() -> Path:
    """Return the folder of the configurations: inside an installed package or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside, checkout = package / "configs", package.parent / "configs"
    return inside if inside.is_dir() else checkout


def groups(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Find every group and its options; an option of a later folder replaces an earlier one."""
    found: dict[str, dict[str, Path]] = {name: {} for name in HEADINGS}
    for folder in folders:
        for path in sorted(folder.glob("*/**/*.yaml")):
            group, *rest = path.relative_to(folder).with_suffix("").parts
            if group not in HIDDEN and not group.startswith((".", "_")):
                found.setdefault(group, {})["/".join(rest)] = path
    return {name: options for name, options in found.items() if options}


def describe(path: Path) -> str:
    """Return the first comment of a configuration file: the line that describes it."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").rstrip()
        if line.strip() and not line.startswith("#"):
            break
    return ""


def named(word: str, known: Sequence[str]) -> str:
    """Find the group that a word names, in the singular or the plural."""
    word = word.lower().rstrip("/=")
    for name in (word, word.removesuffix("s")):
        if name in known:
            return name
    allowed = [name if name in {"data", "forward", "inference"} else f"{name}s" for name in known]
    raise UserError(
        f"there is no group '{word}' to list.{nearest(word, allowed)}\n"
        f"There are: {', '.join(allowed)}."
    )


def show(words: Sequence[str], own: Path | None = None) -> str:
    """Write the listing of some groups, or of all when no word names one.

    Parameters
    ----------
    words : sequence of str
        The groups to list.
    own : Path, optional
        A folder of the user's own configurations; what comes from it is marked.
    """
    found = groups([config_dir(), *([own] if own else [])])
    chosen = [named(word, [*dict.fromkeys([*found, *HEADINGS])]) for word in words] or list(found)
    return "\n\n".join(_section(group, found.get(group, {}), own) for group in chosen)


def _section(group: str, options: dict[str, Path], own: Path | None) -> str:
    lines = [f"{HEADINGS.get(group, group)} ({group}=NAME)"]
    width = max([12, *map(len, options)])
    for name, path in sorted(options.items()):
        mark = " (yours)" if own is not None and path.is_relative_to(own) else ""
        lines.append(f"  {name:{width}s}  {describe(path)}{mark}".rstrip())
    return "\n".join(lines if options else [*lines, "  none yet"])
