"""Open k-space, in whatever format it was saved."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from bioreco.data.acquisition import Acquisition
from bioreco.data.kspace.maps import with_maps
from bioreco.data.kspace.scans import Scan
from bioreco.data.paths import missing
from bioreco.errors import UserError

_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_scan(path: str | Path) -> bool:
    """Tell whether a file holds k-space: complex arrays, or raw data of a scanner.

    Only a few bytes are read.
    """
    return _kind(Path(path)) is not None


def _kind(path: Path) -> str | None:
    """Return "layout", "ismrmrd", "fastmri", "npy", "npz", "mat", "cfl", or None."""
    if path.suffix.lower() in {".cfl", ".hdr"} and path.with_suffix(".cfl").is_file():
        return "cfl"
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(16)
    if head[:8] == _HDF5:
        return _kind_of_hdf5(path)
    if head[:6] == b"\x93NUMPY":
        with path.open("rb") as file:
            return "npy" if _is_complex(file) else None
    if head[:4] == b"PK\x03\x04" and path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return "npz" if any(_is_complex(archive.open(name)) for name in names) else None
    if head[:10] == b"MATLAB 5.0":
        return "mat"
    return None


def _is_complex(file: IO[bytes]) -> bool:
    """Read the header of a NumPy array."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    dtype = read(file)[2]
    return bool(dtype.kind == "c")


def _kind_of_hdf5(path: Path) -> str | None:
    import h5py

    from bioreco.data.kspace.ismrmrd import group_of
    from bioreco.data.kspace.layout import FORMAT

    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") == FORMAT:
                return "layout"
            if group_of(file) is not None:
                return "ismrmrd"
            if "kspace" in file or any(
                isinstance(node, h5py.Dataset) and node.dtype.kind == "c" for node in file.values()
            ):
                return "fastmri"
    except OSError:
        return None
    return None


def open_scan(
    path: str | Path,
    *,
    axes: Sequence[str] | str | None = None,
    maps: str | None = "auto",
    lines: int = 24,
    crop: float = 0.8,
    caipi: Sequence[float] | None = None,
) -> Acquisition:
    """Open k-space without reading more than one frame.

    Parameters
    ----------
    path
        fastMRI HDF5, ISMRMRD, bioreco's own HDF5, BART .cfl or .hdr, .npy, .npz or .mat.
    axes
        What the axes of the array are, slowest first, from frame, slice, coil, y, x; None is
        what the file says, or else what its sizes suggest, which the notes tell.
    maps
        "auto", "espirit", "lowres" or "file", see `with_maps`; or None for none, or those of the
        file as they are.
    lines, crop
        See `WithMaps`.
    caipi
        Shift of each band along y in pixels, where the file doesn't say so.

    Raises
    ------
    UserError
        If the file isn't k-space, or what it holds doesn't fit together.

    """
    scan = opened(Path(path).expanduser(), axes=axes, caipi=caipi)
    if maps is None:
        return scan
    return with_maps(scan, maps, file=scan.sensitivities is not None, lines=lines, crop=crop)


def opened(
    path: Path, *, axes: Sequence[str] | str | None = None, caipi: Sequence[float] | None = None
) -> Scan:
    """Open k-space as it is in the file; see `open_scan`."""
    scan = _opened(path, axes)
    if caipi is None:
        return scan
    if len(caipi) != scan.bands:
        raise UserError(
            f"data.caipi has {len(caipi)} shifts, but {scan.name} has {scan.bands} bands."
        )
    return replace(scan, caipi=tuple(float(shift) for shift in caipi))


def _opened(path: Path, axes: Sequence[str] | str | None) -> Scan:
    if not path.exists():
        raise missing(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder, not k-space.")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: permission denied.")
    if path.stat().st_size == 0:
        raise UserError(f"{path.name} is empty (0 bytes).")
    by_name = {".cfl": "cfl", ".hdr": "cfl", ".npy": "npy", ".npz": "npz"}
    kind = _kind(path) or by_name.get(path.suffix.lower())
    if kind in {"layout", "ismrmrd"}:
        if axes is not None:
            raise UserError(f"{path.name} names its axes itself; leave data.axes out.")
        if kind == "layout":
            from bioreco.data.kspace.layout import open_layout

            return open_layout(path)
        from bioreco.data.kspace.ismrmrd import open_ismrmrd

        return open_ismrmrd(path)
    if kind == "fastmri":
        from bioreco.data.kspace.fastmri import open_fastmri

        return open_fastmri(path, axes)
    from bioreco.data.kspace import arrays

    readers = {
        "npy": arrays.open_npy,
        "npz": arrays.open_npz,
        "mat": arrays.open_mat,
        "cfl": arrays.open_cfl,
    }
    if kind not in readers:
        raise UserError(
            f"{path.name} isn't k-space that can be read: fastMRI or ISMRMRD HDF5, BART .cfl,"
            " or complex arrays in .npy, .npz or .mat."
        )
    return readers[kind](path, axes)
