"""Particle images in MRC stacks, found from a STAR file and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.data.image import Image, times
from bioreco.data.mrc import open_mrc
from bioreco.data.particles.values import Image as Pixels
from bioreco.errors import UserError, nearest


@dataclass(frozen=True)
class Stacks:
    """Images that lie in MRC stacks; nothing stays open or in memory.

    Attributes
    ----------
    name
        The STAR file, or the stack itself.
    stacks
        The files.
    file, section
        For each image the number of its file, and its section there from 0.
    lines
        The line of the STAR file that each image is named on; nothing without a STAR file.

    """

    name: str
    stacks: Sequence[Image] = field(repr=False)
    file: NDArray[np.int64] = field(repr=False)
    section: NDArray[np.int64] = field(repr=False)
    lines: Sequence[int] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.file)

    @property
    def box(self) -> int:
        """Pixels along y and x."""
        return self.stacks[0].shape[-1]

    def read(self, k: int) -> Pixels:
        """Return one image."""
        stack, section = self.stacks[self.file[k]], int(self.section[k])
        index = (slice(section, section + 1),) if len(stack.shape) == 3 else ()
        values = stack.read(index).reshape(stack.shape[-2:])
        return np.ascontiguousarray(values, dtype=np.float32)

    def where(self, k: int) -> str:
        """Say where an image comes from."""
        if not self.lines:
            return f"{self.name}, image {k + 1}"
        image = f"{self.section[k] + 1}@{self.stacks[self.file[k]].path.name}"
        return f"{self.name}, line {self.lines[k]} ({image})"


def stack_alone(path: Path) -> Stacks:
    """Open one stack without a STAR file."""
    stack = open_stack(path, path.name)
    count = _count(stack)
    every = np.arange(count, dtype=np.int64)
    return Stacks(path.name, [stack], np.zeros(count, np.int64), every)


def open_stack(path: Path, said: str) -> Image:
    """Open an MRC file as a stack of square images.

    Raises
    ------
    UserError
        If it isn't one, or is cut short; `said` is where it was named.

    """
    try:
        image = open_mrc(path)
    except UserError as error:
        raise UserError(str(error) if said == path.name else f"{said}: {error}") from None
    if len(image.shape) not in (2, 3) or image.shape[-1] != image.shape[-2]:
        raise UserError(f"{said}: {path.name} is {times(image.shape)}, not square images.")
    return image


def named_stacks(
    name: str, images: Sequence[str], lines: Sequence[int], folders: Sequence[Path]
) -> Stacks:
    """Open the stacks that the image names of a STAR file stand for.

    Parameters
    ----------
    name
        The STAR file.
    images
        `000012@path/stack.mrcs`, or the path of a single image.
    lines
        The line of each.
    folders
        Where relative paths may start from, in the order they are tried.

    Raises
    ------
    UserError
        If a stack is missing, cut short or of another box size, or has no such image.

    """
    numbers: dict[str, int] = {}
    file = np.empty(len(images), np.int64)
    section = np.empty(len(images), np.int64)
    stacks: list[Image] = []
    for k, text in enumerate(images):
        said = f"{name}, line {lines[k]}"
        at, path = _parts(text, said)
        if path not in numbers:
            numbers[path] = len(stacks)
            stacks.append(_fitting(open_stack(_found(path, folders, said), said), stacks, said))
        file[k] = numbers[path]
        section[k] = _section(stacks[file[k]], at, said)
    return Stacks(name, stacks, file, section, lines)


def _parts(text: str, said: str) -> tuple[int | None, str]:
    number, sign, path = text.partition("@")
    if not sign:
        return None, text
    if not number.isdigit() or not path:
        raise UserError(f"{said}: '{text}' is not an image of a stack, such as 000012@stack.mrcs.")
    return int(number), path


def _section(stack: Image, at: int | None, said: str) -> int:
    count = _count(stack)
    if at is None:
        if count > 1:
            raise UserError(
                f"{said}: {stack.name} holds {count} images; say which: 000001@{stack.name}"
            )
        return 0
    if not 1 <= at <= count:
        raise UserError(f"{said}: image {at} of {stack.name}, which holds 1 to {count}.")
    return at - 1


def _fitting(stack: Image, others: Sequence[Image], said: str) -> Image:
    if others and stack.shape[-2:] != others[0].shape[-2:]:
        raise UserError(
            f"{said}: the images of {stack.name} are {times(stack.shape[-2:])} pixels, those of"
            f" {others[0].name} {times(others[0].shape[-2:])}: one set has one box size."
        )
    return stack


def _found(path: str, folders: Sequence[Path], said: str) -> Path:
    """Look for a stack under each folder, as named and then by its name alone."""
    named = Path(path)
    tried = [named] if named.is_absolute() else [folder / named for folder in folders]
    for candidate in [*tried, *(folder / named.name for folder in folders)]:
        if candidate.is_file():
            return candidate
    near = nearest(named.name, [p.name for p in folders[0].iterdir()] if folders else [])
    raise UserError(
        f"{said}: there is no stack {path} under {folders[0]}.{near}\n"
        "Say data.root=FOLDER for the folder that the names in the STAR file start from."
    )


def _count(stack: Image) -> int:
    return stack.shape[0] if len(stack.shape) == 3 else 1


def folders_of(star: Path, root: str | None) -> list[Path]:
    """Return where the names in a STAR file may start from: the root, or its folder and above."""
    if root is None:
        folder = star.resolve().parent
        return [folder, *folder.parents]
    base = Path(root).expanduser()
    if not base.is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    return [base]
