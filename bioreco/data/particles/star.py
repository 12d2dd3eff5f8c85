"""STAR files, the tables of RELION: blocks of named values and loops of rows.

What is understood is what RELION and its neighbours write: comments, quoted values, several blocks
and one loop or one list of values in each. All else is refused with its line, never guessed.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioreco.data.image import DamageTold
from bioreco.data.paths import missing
from bioreco.errors import UserError, nearest

_TOKEN = re.compile(
    r"""\s*(?:(?P<comment>\#.*)|"(?P<double>(?:[^"]|"(?=\S))*)"(?=\s|$)"""
    r"""|'(?P<single>(?:[^']|'(?=\S))*)'(?=\s|$)|(?P<plain>\S+))"""
)
_SPECIAL = re.compile(r"""["'#]""")


@dataclass
class Block:
    """One block: a loop of rows, or a list of single values, which is a loop of one row.

    Attributes
    ----------
    name
        What follows `data_`; may be empty.
    columns
        Names of the values, without the leading underscore.
    rows
        The text of each row; columns are cut out when they are asked for.
    lines
        The line of the file that each row stands on, from 1.
    loop
        Whether it is a loop.

    """

    name: str
    columns: tuple[str, ...] = ()
    rows: list[str] = field(default_factory=list, repr=False)
    lines: array[int] = field(default_factory=lambda: array("L"), repr=False)
    loop: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def take(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return some of the columns, in one pass over the rows."""
        where = {name: self.columns.index(name) for name in names}
        out: dict[str, list[str]] = {name: [] for name in names}
        for row in self.rows:
            values = split(row)
            for name, k in where.items():
                out[name].append(values[k])
        return out

    def column(self, name: str) -> list[str]:
        """Return one column."""
        return self.take([name])[name]


def read_star(path: Path) -> dict[str, Block]:
    """Read the blocks of a STAR file by name.

    Raises
    ------
    UserError
        If the file isn't there or isn't a STAR file as RELION writes them, with the line.

    """
    if not path.is_file():
        raise missing(path)
    with DamageTold(path.name, "read"):
        data = path.read_bytes()
    if b"\0" in data[:4096]:
        raise UserError(f"{path.name} is not a STAR file: it isn't text.")
    text = data.decode("utf-8", "replace")
    del data
    blocks: dict[str, Block] = {}
    reader = _Reader(path.name, blocks)
    for number, line in enumerate(_lines(text), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            reader.line(number, stripped)
    if not blocks:
        raise UserError(f"{path.name} is not a STAR file: no line of it starts a block (data_).")
    return blocks


def _lines(text: str) -> Iterator[str]:
    """Return the lines one by one, whatever ends them, without a second copy of them all."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


class _Reader:
    """Where in a file the reading stands."""

    def __init__(self, name: str, blocks: dict[str, Block]) -> None:
        self.name, self.blocks = name, blocks
        self.block: Block | None = None
        self.values: list[str] = []

    def line(self, number: int, text: str) -> None:
        """Take the next line that isn't empty."""
        word = text.split(None, 1)[0]
        if word.startswith("data_"):
            self._start(number, word[5:])
        elif self.block is None:
            raise self._wrong(number, "stands before the first block (data_)")
        elif word == "loop_":
            if self.block.columns:
                raise self._wrong(number, "starts a second table in one block")
            self.block.loop = True
        elif word.startswith("_"):
            self._name(self.block, number, text)
        elif self.block.loop and self.block.columns:
            self._row(self.block, number, text)
        else:
            raise self._wrong(number, "is neither a name nor a row of a loop")

    def _start(self, number: int, name: str) -> None:
        if name in self.blocks:
            raise self._wrong(number, f"starts a second block data_{name}")
        self.block = self.blocks[name] = Block(name)
        self.values = []

    def _name(self, block: Block, number: int, text: str) -> None:
        name, *values = self._split(number, text)
        if block.loop and block.rows:
            raise self._wrong(number, "names a column after the first row")
        if name[1:] in block.columns:
            raise self._wrong(number, f"names {name} for the second time")
        if len(values) != (not block.loop):
            wanted = "a column has no value" if block.loop else "a name has one value"
            raise self._wrong(number, f"has {len(values)} values; {wanted}")
        block.columns += (name[1:],)
        if not block.loop:
            self.values.append(quoted(values[0]))
            block.rows[:] = [" ".join(self.values)]
            block.lines[:] = array("L", [number])

    def _row(self, block: Block, number: int, text: str) -> None:
        found = len(self._split(number, text))
        if found != len(block.columns):
            raise self._wrong(number, f"has {found} values for {len(block.columns)} columns")
        block.rows.append(text)
        block.lines.append(number)

    def _split(self, number: int, text: str) -> list[str]:
        try:
            return split(text)
        except ValueError as error:
            raise self._wrong(number, str(error)) from None

    def _wrong(self, number: int, what: str) -> UserError:
        return UserError(f"{self.name}, line {number}: the line {what}.")


def split(text: str) -> list[str]:
    """Split a line into its values.

    >>> split("a 'two words' '' 3.0  # a comment")
    ['a', 'two words', '', '3.0']
    """
    if not _SPECIAL.search(text):
        return text.split()
    values = []
    for match in _TOKEN.finditer(text):
        kind, value = str(match.lastgroup), str(match[str(match.lastgroup)])
        if kind == "comment":
            break
        if kind == "plain" and value[0] in "\"'":
            raise ValueError("opens a quote that isn't closed")
        values.append(value)
    return values


def quoted(value: str) -> str:
    """Return a value as it stands in a file.

    >>> quoted("plain"), quoted("two words"), quoted("")
    ('plain', '"two words"', '""')
    """
    if value and not re.search(r"\s", value) and value[0] not in "\"'#_":
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'


def block_of(blocks: Mapping[str, Block], names: Iterable[str], file: str) -> Block:
    """Return the first block that has one of the names.

    Raises
    ------
    UserError
        If there is none.

    """
    wanted = list(names)
    for name in wanted:
        if name in blocks:
            return blocks[name]
    held = ", ".join(f"data_{name}" for name in blocks)
    raise UserError(
        f"{file} has no table of particles (data_{wanted[0]}): it holds {held}."
        + nearest(wanted[0], blocks)
    )


def star_text(blocks: Iterable[tuple[str, Mapping[str, Sequence[object]]]]) -> Iterator[str]:
    """Return the lines of a STAR file in RELION's manner: a loop for each block."""
    for name, columns in blocks:
        yield f"\n# version 30001\n\ndata_{name}\n\nloop_\n"
        for number, column in enumerate(columns, 1):
            yield f"_{column} #{number}\n"
        for row in zip(*columns.values(), strict=True):
            yield " ".join(quoted(_shown(value)) for value in row) + "\n"
        yield "\n"


def _shown(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)
