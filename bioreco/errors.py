"""The errors that are the user's to mend: told in plain lines, never as a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A request that can't be carried out as given.

    The message is what the user reads: one to three plain lines with what was given, what is
    allowed and the nearest guess. The command line prints it and exits with status 2.
    """


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" for the closest allowed word, or an empty string."""
    close = difflib.get_close_matches(given, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def choose(key: str, given: str, allowed: Iterable[str]) -> None:
    """Refuse a word that isn't among those allowed, and tell the nearest.

    Raises
    ------
    UserError
        If it isn't.

    """
    words = tuple(allowed)
    if given not in words:
        told = ", ".join(words)
        raise UserError(f"{key}={given}: choose one of {told}.{nearest(given, words)}")
