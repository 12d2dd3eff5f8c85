"""Which files are meant, and what their results are called."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import Image
from bioreco.errors import UserError, nearest

# Endings of two words count as one.
ENDINGS: dict[str, tuple[str, ...]] = {
    "tiff": (
        *(".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf2", ".ome.tf8"),
        *(".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk"),
    ),
    "png": (".png",),
    "npy": (".npy",),
    "mrc": (
        *(".mrc", ".mrcs", ".map", ".st", ".rec", ".ali", ".preali"),
        *(".mrc.gz", ".mrcs.gz", ".map.gz", ".mrc.bz2", ".mrcs.bz2", ".map.bz2"),
    ),
    "nifti": (".nii", ".nii.gz"),
    "hdf5": (".h5", ".hdf5", ".hdf"),
    "zarr": (".ome.zarr", ".zarr"),
}
MARK = "_denoised"  # what a result's name has more than its input's
STD, SAMPLES, DOUBT = (
    "_std",
    "_samples",
    "_doubt",
)  # and what is written beside it has more than the result's
_ALL = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
_READ_ONLY = {".lsm": ".tif", ".stk": ".tif"}
_DATASET = re.compile(
    r"^(?P<file>.+\.(?:h5|hdf5|hdf)):(?P<dataset>/?.+)$", re.IGNORECASE | re.DOTALL
)


def ending(path: Path) -> str:
    """Return the known ending of a path, longest first, in lower case; else its last suffix."""
    name = path.name.lower()
    fits = [known for known in _ALL if name.endswith(known)]
    return max(fits, key=len) if fits else path.suffix.lower()


def format_of(path: Path) -> str | None:
    """Return the format that the ending of a path stands for."""
    return _ALL.get(ending(path))


def split_dataset(path: str | Path) -> tuple[Path, str | None]:
    """Split ``file.h5:/dataset`` into file and data set.

    >>> split_dataset("a.h5:/raw/left")
    (PosixPath('a.h5'), '/raw/left')
    """
    match = _DATASET.match(str(path))
    if match is None or Path(path).exists():
        return Path(path), None
    return Path(match["file"]), "/" + match["dataset"].strip("/")


def find_images(inputs: Sequence[str]) -> list[str]:
    """Return the images that files, folders and quoted globs stand for.

    A folder stands for the readable images in it, in natural order, without hidden files and
    without our own results. What is named twice is returned once.

    Raises
    ------
    UserError
        If one of the inputs matches nothing.
    """
    found: dict[str, str] = {}
    for given in inputs:
        for path in _expanded(given):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _expanded(given: str) -> list[str]:
    path, dataset = split_dataset(Path(given).expanduser())
    if not given.strip():
        raise UserError("An empty file name was given.")
    if path.exists():
        if dataset is not None or not path.is_dir() or is_zarr(path):
            return [f"{path}:{dataset}" if dataset else str(path)]
        images = [str(child) for child in _natural(path.iterdir()) if _wanted(child)]
        if not images:
            raise UserError(f"The folder {given} holds no image that can be read ({_kinds()}).")
        return images
    if glob.has_magic(given):
        matches = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
        seen = [match for match in matches if not match.name.startswith(".") and not _ours(match)]
        images = [str(match) for match in _natural(seen) if match.is_file() or is_zarr(match)]
        if images:
            return images
        raise UserError(f"No file matches {given}.")
    raise missing(path)


def missing(path: Path) -> UserError:
    """Return the error for a file that isn't there, with the nearest name in its folder."""
    folder = path.parent
    if not folder.is_dir():
        return UserError(f"There is no folder {folder} (looking for {path.name}).")
    names = [child.name for child in folder.iterdir() if not child.name.startswith(".")]
    return UserError(f"There is no file {path}.{nearest(path.name, names)}")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array."""
    return path.is_dir() and any((path / n).exists() for n in ("zarr.json", ".zgroup", ".zarray"))


def _kinds() -> str:
    return ", ".join(endings[0 if kind != "tiff" else 5] for kind, endings in ENDINGS.items())


def _wanted(path: Path) -> bool:
    if path.name.startswith(".") or _ours(path) or format_of(path) is None:
        return False
    return path.is_file() or is_zarr(path)


def _ours(path: Path) -> bool:
    return is_beside(path) or stem(path).endswith(MARK)


def is_beside(path: Path) -> bool:
    """Tell whether a file was written beside a result: its standard deviation, or samples."""
    return stem(path).endswith((MARK + STD, MARK + SAMPLES, MARK + DOUBT))


def stem(path: Path) -> str:
    """Return the name of a path without its known ending."""
    return path.name[: len(path.name) - len(ending(path))]


def _natural(paths: Iterable[Path]) -> list[Path]:
    """Sort so that 2 comes before 10."""
    return sorted(
        paths,
        key=lambda path: [
            (0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part.lower())
            for part in re.split(r"(\d+)", str(path))
        ],
    )


def result_path(
    source: Image,
    output: str | None,
    *,
    several: bool,
    fallback: Path,
    suffix: str = MARK,
    dtype: np.dtype[Any] | None = None,
) -> Path:
    """Return where the result of one image goes.

    Parameters
    ----------
    source
        The image that was read.
    output
        A file, whose ending decides the format, or a folder; None is beside the input.
    several
        There are several inputs, so that ``output`` can only be a folder.
    fallback
        The folder that is used where the input's own isn't writable.
    dtype
        The type of the result. A PNG can't hold floating point numbers, so its default result is
        ``NAME_denoised.tif`` then.
    """
    name = _result_name(source, suffix, dtype)
    if output is None:
        folder = source.path.absolute().parent
        return (folder if os.access(folder, os.W_OK) else fallback) / name
    target = Path(output).expanduser()
    file, dataset = split_dataset(target)
    if not output.strip() or target.name in {"", "..", "."}:
        return target / name
    if (target.is_dir() and not is_zarr(target)) or output.endswith(("/", os.sep)):
        return target / name
    if format_of(file) is None and not file.suffix:
        return target / name
    if several:
        raise UserError(
            f"{output} is one file, but there are several results; give a folder:"
            f" -o {file.stem or 'results'}/"
        )
    if format_of(file) is None or ending(file) in _READ_ONLY:
        kinds = f"The ending decides the format: {_kinds()}."
        raise UserError(f"{output}: images can't be written as '{file.suffix}'. {kinds}")
    if dataset is None and format_of(file) == "hdf5":
        inner = source.name.partition(":")[2] if source.format == "hdf5" else "/data"
        return Path(f"{file}:{inner or '/data'}")
    return target


def _result_name(source: Image, suffix: str, dtype: np.dtype[Any] | None) -> str:
    """Return NAME_denoised.EXT; compressed MRC is written plain, a float PNG becomes a TIFF."""
    end = ending(source.path)
    stem = source.path.name[: len(source.path.name) - len(end)] if end else source.path.name
    end = source.path.name[len(stem) :]
    if source.format == "mrc" and end.lower().endswith((".gz", ".bz2")):
        end = end[: end.rindex(".")]
    if source.format == "png" and dtype is not None and dtype not in (np.uint8, np.uint16):
        end = ".tif"
    end = _READ_ONLY.get(end.lower(), end)
    if _ALL.get(end.lower()) != source.format and end != ".tif":
        end = ENDINGS[source.format][0 if source.format != "tiff" else 5]
    inner = source.name.partition(":")[2] if source.format == "hdf5" else ""
    return f"{stem}{suffix}{end}" + (f":{inner}" if inner else "")


def check_distinct(sources: Sequence[Image], targets: Sequence[Path]) -> None:
    """Refuse results that would overwrite each other or an input."""
    takers: dict[str, Image] = {}
    inputs = {os.path.realpath(source.path) for source in sources}
    for source, target in zip(sources, targets, strict=True):
        other = takers.setdefault(os.path.realpath(target), source)
        if other is not source:
            raise UserError(
                f"{other.path} and {source.path} would both be written to {target};"
                " give them different names or denoise them one by one."
            )
        if os.path.realpath(split_dataset(target)[0]) in inputs:
            raise UserError(f"{target} is an input, and inputs are never changed.")
