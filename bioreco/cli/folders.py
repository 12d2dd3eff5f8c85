"""The folder of a run: claimed for one run alone, and removed when its request is refused."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from omegaconf import OmegaConf

from bioreco.errors import UserError

NOTHING = {".hydra", "bioreco.log", "multirun.yaml", "metrics.json"}  # said of a run without result

_claimed: set[Path] = set()


def claim(wanted: str) -> str:
    """Make the first of the folders NAME, NAME-2, NAME-3 ... that nobody has, and return it."""
    for count in range(1, 1000):
        folder = Path(wanted if count == 1 else f"{wanted}-{count}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        _claimed.add(folder.absolute())
        return str(folder)
    raise UserError(f"there are a thousand folders named {wanted}-N already.")


OmegaConf.register_new_resolver("claim", claim, use_cache=True, replace=True)


def forget(folder: Path) -> None:
    """Remove the folder of a refused request, unless it holds more than its configuration."""
    if not folder.is_dir() or Path.cwd().is_relative_to(folder.absolute()):
        return
    if any(path.name not in NOTHING and _holds_files(path) for path in folder.iterdir()):
        return
    close_logs(folder)
    shutil.rmtree(folder)
    if folder.absolute() in _claimed:
        for parent in list(folder.absolute().parents)[:3]:
            if parent == Path.cwd() or any(parent.iterdir()):
                return
            parent.rmdir()


def _holds_files(path: Path) -> bool:
    return not path.is_dir() or any(inside.is_file() for inside in path.rglob("*"))


def forget_claimed() -> None:
    """Remove the folders claimed since the last time, unless a result is in them."""
    for folder in sorted(_claimed):
        forget(folder)
    _claimed.clear()


def keep_claimed() -> None:
    """Leave the folders claimed since the last time alone from now on."""
    _claimed.clear()


def close_logs(folder: Path | None = None) -> None:
    """Close and detach the root logger's handlers: all, or those that write into a folder."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        name = getattr(handler, "baseFilename", "")
        if folder is None or (name and Path(name).is_relative_to(folder.absolute())):
            root.removeHandler(handler)
            handler.close()
