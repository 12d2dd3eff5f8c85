"""What `baselines=` asks for: names among those that a kind of data allows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from omegaconf import DictConfig

from bioreco.errors import UserError, choose


def wanted(
    config: DictConfig,
    allowed: Collection[str],
    *,
    own: Sequence[str] = (),
    known: bool = True,
    missing: str = "",
) -> list[str]:
    """Return the names asked for; "auto" asks for the data's `own`.

    Parameters
    ----------
    config
        Of the run.
    allowed
        Names that there are.
    own
        What the data compare with when nothing is named; nothing where no truth is known.
    known, missing
        Whether there is a truth to compare with, and what is told where there is none.

    Raises
    ------
    UserError
        If a name is unknown, or there is nothing to compare with.

    """
    given = config.get("baselines") or []
    if given == "auto":
        return list(own) if known else []
    names = [given] if isinstance(given, str) else list(dict.fromkeys(map(str, given)))
    for name in names:
        choose("baselines", name, allowed)
    if names and not known:
        raise UserError(f"baselines=[{','.join(names)}]: {missing}")
    return names
