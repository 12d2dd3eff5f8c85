"""Which file is the second measurement of which image: told by their names, never by their order.

Names of partners are alike but for one word: even/odd, EVN/ODD, 1/2, 0/1 or a/b; or they are
alike in two folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bioreco.data.paths import ending, split_dataset
from bioreco.errors import UserError

RULE = (
    "partners are called NAME_even and NAME_odd (EVN/ODD, 1/2, 0/1, a/b), or alike in two folders"
)
HALVES = (("even", "odd"), ("evn", "odd"))
SINGLE = ({"a", "b"}, {"0", "1"}, {"1", "2"})
_WORDS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")


def match(images: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the partner of each image.

    Parameters
    ----------
    images
        Files, as `find_images` names them.
    others
        Files among which their partners are. What is an image itself is passed over.

    Raises
    ------
    UserError
        If an image has no partner or several, or a file is the partner of none.

    """
    known = {_identity(path) for path in images}
    left = [path for path in others if _identity(path) not in known]
    if not left:
        raise UserError(
            "the pairs are the images themselves: name one half of the files as the images, the"
            " other half as their pairs"
        )
    found = [_partner(path, left) for path in images]
    for path in left:
        takers = [image for image, other in zip(images, found, strict=True) if other == path]
        if len(takers) > 1:
            raise UserError(f"{path} could be the pair of {takers[0]} or of {takers[1]}: {RULE}")
        if not takers:
            raise UserError(f"{path} is among the pairs, but no image belongs to it: {RULE}")
    return found


def _partner(image: str, others: Sequence[str]) -> str:
    words = _words(image)
    found = [path for path in others if _words(path) == words] or [
        path for path in others if _are_halves(words, _words(path))
    ]
    if not found:
        raise UserError(f"{image} has no partner among the pairs: {RULE}")
    if len(found) > 1:
        raise UserError(f"{image} could be paired with {found[0]} or {found[1]}: {RULE}")
    return found[0]


def _are_halves(one: Sequence[str], two: Sequence[str]) -> bool:
    """Whether names differ in one word only, and by no more than halves do."""
    if len(one) != len(two):
        return False
    different = [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]]
    if len(different) != 1:
        return False
    a, b = different[0]
    if {a, b} in SINGLE:
        return True
    return any(
        x.replace(first, second, 1) == y
        for x, y in ((a, b), (b, a))
        for first, second in HALVES
        if first in x
    )


def _words(path: str) -> list[str]:
    """Return the words, numbers and separators of a name without its ending."""
    file, dataset = split_dataset(path)
    stem = file.name[: len(file.name) - len(ending(file))]
    words = _WORDS.findall(f"{stem}:{dataset or ''}".lower())
    return [str(int(word)) if word.isdecimal() else word for word in words]


def _identity(path: str) -> str:
    file, dataset = split_dataset(path)
    return f"{Path(file).resolve()}:{dataset or ''}"
