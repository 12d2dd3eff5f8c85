"""What is written beside a result: how sure it is, and samples of what it could be as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import Array, Image
from bioreco.data.paths import DOUBT, SAMPLES, STD, format_of, split_dataset, stem
from bioreco.data.writing import Writer


def std_path(result: Path, *, apart: bool = False) -> Path:
    """Return where the standard deviation of a result goes.

    Parameters
    ----------
    result
        The result. In an HDF5 file its deviation is a data set beside it; a PNG can't hold one,
        so it is a TIFF then.
    apart
        Keep its name and put it in the folder ``std``, where no image of that name is.

    Examples
    --------
    >>> std_path(Path("a_denoised.ome.tif")), std_path(Path("a_denoised.h5:/raw"))
    (PosixPath('a_denoised_std.ome.tif'), PosixPath('a_denoised.h5:/raw_std'))
    >>> std_path(Path("results/a.tif"), apart=True)
    PosixPath('results/std/a.tif')
    """
    file, dataset = split_dataset(result)
    if dataset is not None:
        return _apart(file, STD, f":{dataset}") if apart else Path(f"{file}:{dataset}{STD}")
    end = ".tif" if format_of(file) == "png" else file.name[len(stem(file)) :]
    named = file.with_name(stem(file) + ("" if apart else STD) + end)
    return _apart(named, STD) if apart else named


def samples_path(result: Path, *, apart: bool = False) -> Path:
    """Return where samples of a result go: a TIFF, whatever the format of the result.

    Examples
    --------
    >>> samples_path(Path("a_denoised.mrc")), samples_path(Path("a_denoised.h5:/left/raw"))
    (PosixPath('a_denoised_samples.tif'), PosixPath('a_denoised_left_raw_samples.tif'))
    """
    return _stack_path(result, SAMPLES, apart=apart)


def doubt_path(result: Path, *, apart: bool = False) -> Path:
    """Return where the maps of doubt of a result go, likewise."""
    return _stack_path(result, DOUBT, apart=apart)


def _stack_path(result: Path, word: str, *, apart: bool) -> Path:
    file, dataset = split_dataset(result)
    name = stem(file) + (dataset or "").replace("/", "_")
    named = file.with_name(f"{name}{'' if apart else word}.tif")
    return _apart(named, word) if apart else named


def _apart(path: Path, word: str, rest: str = "") -> Path:
    return Path(str(path.parent / word.strip("_") / path.name) + rest)


def stacked(like: Image, count: int) -> Image:
    """Return what a stack of samples of an image looks like: the samples are its first axis.

    The axis is called T, which ImageJ knows, or by another letter where the image has a T.
    """
    letter = next(free for free in "TIZC" if free not in like.axes)
    return replace(like, axes=letter + like.axes, shape=(count, *like.shape), meta=None)


@dataclass(frozen=True)
class Sample:
    """One sample in a stack of them, written region by region."""

    stack: Writer
    number: int
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))

    def write(self, index: Sequence[slice], values: Array) -> None:
        """Store one region of the sample."""
        self.stack.write((slice(self.number, self.number + 1), *index), values[None])
