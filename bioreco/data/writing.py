"""Results appear under their name only when they are complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from bioreco.data.image import Array, Sink, full_index, region_shape
from bioreco.errors import UserError


class Writer:
    """Writes a result region by region under a temporary name, and renames it at the end.

    A context manager: leaving it after an exception removes what was written. A result `within`
    the file of another one appears when that one does.
    """

    def __init__(
        self,
        target: Path,
        temporary: Path,
        sink: Sink,
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[np.generic],
        within: bool = False,
    ) -> None:
        self.path = target
        self.shape = shape
        self.dtype = dtype
        self.temporary = temporary
        self._within = within
        self._sink = sink

    def write(self, index: Sequence[slice], values: Array) -> None:
        """Store one region.

        Parameters
        ----------
        index
            A slice for each leading axis; axes left out are written whole.
        values
            Exactly as many values, already rounded and clipped where the type needs it.
        """
        index = full_index(index, self.shape)
        if values.shape != region_shape(index):
            raise ValueError(f"{values.shape} values for a region of {region_shape(index)}")
        with disk_told(self.path):
            self._sink.write(index, values.astype(self.dtype, copy=False))

    def finish(self) -> None:
        """Complete the file, still under its temporary name."""
        with disk_told(self.path):
            self._sink.close()

    def publish(self) -> None:
        """Give a finished file its name."""
        if not self._within:
            with disk_told(self.path):
                replace(self.temporary, self.path)

    def discard(self) -> None:
        """Remove what was written and has no name yet."""
        if not self._within:
            remove(self.temporary)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        group = Together()
        group.add(self)
        group.__exit__(kind, error, trace)


class Together:
    """Results that appear together, when all of them are complete, or not at all."""

    def __init__(self) -> None:
        self._writers: list[Writer] = []

    def add(self, writer: Writer) -> Writer:
        """Let a result wait for the others."""
        self._writers.append(writer)
        return writer

    def discard(self) -> None:
        """Remove what has no name yet."""
        for writer in self._writers:
            writer.discard()

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for writer in self._writers:
                    writer.finish()
                for writer in reversed(self._writers):
                    writer.publish()
        finally:
            self.discard()


@contextmanager
def disk_told(target: Path) -> Iterator[None]:
    """Tell a full disk or a missing permission in plain words."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{target} can't be written: {error.strerror or error}.") from error


def temporary_name(target: Path) -> Path:
    """Return the hidden name, in the same folder, under which a result is written."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def remove(path: Path) -> None:
    """Delete a file or folder that may be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def replace(temporary: Path, target: Path) -> None:
    """Give a finished result its name."""
    if target.is_dir():
        remove(target)
    temporary.replace(target)
