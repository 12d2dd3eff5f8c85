"""k-space in plain arrays: .npy, .npz, MATLAB .mat and BART .cfl, with mask and coil maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import DamageTold, times
from bioreco.data.kspace.axes import Axes, Named, named_axes
from bioreco.data.kspace.checks import complex_type
from bioreco.data.kspace.fastmri import finished, mask_of
from bioreco.data.kspace.scans import Scan, plain_geometry
from bioreco.data.kspace.settle import settled_axes
from bioreco.data.packed import check_end
from bioreco.data.raw import Memory, Raw
from bioreco.errors import UserError

_KSPACE = ("kspace", "ksp", "k", "data")
_MAPS = ("sensitivity_maps", "maps", "csm", "sens")
_BART = {0: "x", 1: "y", 3: "coil", 10: "frame", 13: "slice"}


def open_npy(path: Path, axes: Sequence[str] | str | None) -> Scan:
    """Open one complex array that NumPy saved; it stays in the file."""
    with DamageTold(path.name, "read as NPY"):
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        order = "C" if values.flags.c_contiguous else "F"
        raw = Raw(path, values.offset, values.dtype, values.shape, order)
    return _scan(path, raw, raw.shape, raw.dtype, axes, {}, [])


def open_npz(path: Path, axes: Sequence[str] | str | None) -> Scan:
    """Open arrays that NumPy saved together: kspace, and mask and maps if there are any."""
    with DamageTold(path.name, "read as NPZ"), np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    values = _chosen(path, arrays)
    return _scan(path, Memory(values), values.shape, values.dtype, axes, arrays, [])


def open_mat(path: Path, axes: Sequence[str] | str | None) -> Scan:
    """Open the complex array of a MATLAB file; its last axis is the coil."""
    from scipy import io

    with DamageTold(path.name, "read as MATLAB file"):
        arrays = {k: v for k, v in io.loadmat(path).items() if isinstance(v, np.ndarray)}
    values = _chosen(path, arrays)
    notes: list[str] = []
    if axes is None and values.ndim == 3:
        axes = ("y", "x", "coil")
        notes = [f"{times(values.shape)} in a MATLAB file, read as y x coil"]
    return _scan(path, Memory(values), values.shape, values.dtype, axes, arrays, notes)


def _chosen(path: Path, arrays: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the array of k-space: by its name, or the only complex one."""
    for name in _KSPACE:
        if name in arrays:
            return np.asarray(arrays[name])
    complex_ones = [n for n, v in arrays.items() if v.dtype.kind == "c" and n not in _MAPS]
    if len(complex_ones) != 1:
        there = ", ".join(f"{n} ({times(v.shape)} {v.dtype})" for n, v in arrays.items())
        raise UserError(
            f"{path.name}: call the array of k-space 'kspace'. There are: {there or 'none'}."
        )
    return np.asarray(arrays[complex_ones[0]])


def open_cfl(path: Path, axes: Sequence[str] | str | None) -> Scan:
    """Open a pair of BART's: NAME.hdr with the sizes, NAME.cfl with the values, x fastest."""
    dims = cfl_dims(path)
    shape = tuple(n for n in dims if n > 1)
    words: list[str] = []
    notes: list[str] = []
    named = dict(_BART)
    if dims[0] == 1 and len(dims) > 2 and dims[2] > 1:
        named = {**_BART, 2: "x"}
        notes = ["no readout (dimension 0 is 1): the two phase encodings are y and x"]
    for place, length in enumerate(dims):
        if length > 1 and axes is None:
            if place not in named:
                raise UserError(
                    f"{path.name}: dimension {place} of BART's has length {length}; bioreco reads"
                    f" {', '.join(f'{i} ({w})' for i, w in _BART.items())}."
                    " Fourier transform dimension 2 of a 3D scan into slices (dimension 13)."
                )
            words.append(named[place])
    raw = Raw(path.with_suffix(".cfl"), 0, np.dtype("<c8"), shape, "F")
    check_end(raw.path.name, raw, raw.path.stat().st_size)
    return _scan(raw.path, raw, shape, raw.dtype, axes or words, {}, notes)


def cfl_dims(path: Path) -> tuple[int, ...]:
    """Return the sizes that a BART header gives, fastest first.

    Raises
    ------
    UserError
        If one file of the pair is missing, or the header has no sizes.

    """
    header, values = path.with_suffix(".hdr"), path.with_suffix(".cfl")
    for file in (header, values):
        if not file.exists():
            raise UserError(f"{path.name}: BART files come in pairs; there is no {file.name}.")
    lines = header.read_text(encoding="ascii", errors="replace").splitlines()
    numbers = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not numbers or not all(word.isdigit() and int(word) > 0 for word in numbers[0]):
        raise UserError(f"{header.name} doesn't give the sizes of {values.name}.")
    return tuple(int(word) for word in numbers[0])


def _scan(
    path: Path,
    pixels: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: Sequence[str] | str | None,
    others: dict[str, Any],
    notes: list[str],
) -> Scan:
    """Return the scan in an array."""
    complex_type(dtype, shape, path.name)
    words, told = settled_axes(path.name, shape, axes)
    values = Named(pixels, shape, words)
    size = values.size("y"), values.size("x")
    maps = next((others[name] for name in _MAPS if name in others), None)
    scan = Scan(
        name=path.name,
        frames=values.size("frame"),
        groups=values.size("slice"),
        bands=1,
        coils=values.size("coil"),
        size=size,
        caipi=(0.0,),
        geometry=plain_geometry(values.size("slice"), 1, (1.0, 1.0, 1.0), size),
        values=values,
        sampling=mask_of(others.get("mask"), values, path.name),
        sensitivities=None if maps is None else _maps(maps, words, path.name),
    )
    return finished(scan, None, {}, [*notes, *told])


def _maps(maps: np.ndarray[Any, Any], words: Axes, name: str) -> Named:
    """Name the axes of coil maps: those of k-space without frames, or without slices."""
    axes = tuple(word for word in words if word != "frame")
    axes = axes if len(axes) == maps.ndim else tuple(w for w in axes if w != "slice")
    return Named(Memory(maps), maps.shape, named_axes(axes, maps.shape, f"the maps of {name}"))
