"""Which file of particles is meant."""

from __future__ import annotations

from pathlib import Path

from bioreco.errors import UserError


def under(path: str, root: str | None) -> str:
    """Return a path from the root, if it is there, else as it is."""
    inside = Path(root or "").expanduser() / path
    return str(inside if inside.exists() else path)


def file_of(paths: list[str] | str | None, root: str | None) -> Path:
    """Return the one file of particles that is meant."""
    named = [paths] if isinstance(paths, str) else list(paths or [])
    if len(named) > 1:
        raise UserError(
            f"data.paths: {len(named)} files of particles; join them into one STAR file"
        )
    if named:
        return Path(under(named[0], root)).expanduser()
    folder = Path(root or "").expanduser()
    if not folder.is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    found = sorted(folder.glob("*.star"))
    if len(found) != 1:
        told = ", ".join(path.name for path in found[:5]) or "none"
        raise UserError(f"data.root={root} holds {len(found)} STAR files ({told}); say data.paths")
    return found[0]
