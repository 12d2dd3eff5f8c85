"""Bioreco's own HDF5 files of k-space, which simulations are written to.

Axes are fixed: `kspace` is (frame, group, coil, ky, kx). A frame and group is one chunk, so that
a series larger than memory is read and written piece by piece.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.acquisition import Geometry, Paradigm
from bioreco.data.hdf5 import Hdf5Array
from bioreco.data.image import DamageTold, times
from bioreco.data.kspace.axes import Axes, Named
from bioreco.data.kspace.checks import complex_type
from bioreco.data.kspace.scans import Scan
from bioreco.errors import UserError

FORMAT = "bioreco k-space 1"
KSPACE: Axes = ("frame", "slice", "coil", "y", "x")
MAPS: Axes = ("slice", "band", "coil", "y", "x")
TRUTH: Axes = ("frame", "slice", "band", "y", "x")
MASKS: dict[int, Axes] = {
    2: ("y", "x"),
    3: ("frame", "y", "x"),
    4: ("frame", "slice", "y", "x"),
}


def open_layout(path: Path) -> Scan:
    """Open a file; nothing but its description is read.

    Raises
    ------
    UserError
        If something is missing, or sizes don't fit together.

    """
    import h5py

    with DamageTold(path.name, "read as k-space in HDF5"), h5py.File(path, "r") as file:
        sizes = {name: tuple(file[name].shape) for name in _KEYS if name in file}
        if "kspace" not in sizes or len(sizes["kspace"]) != 5:
            raise UserError(f"{path.name} holds no 'kspace' with the axes {' '.join(KSPACE)}.")
        complex_type(file["kspace"].dtype, sizes["kspace"], f"{path.name}:/kspace")
        said = dict(file.attrs)
        paradigm = _paradigm(file["paradigm"]) if "paradigm" in file else None
    frames, groups, coils, *size = sizes["kspace"]
    bands = int(said.get("bands", 1))
    _check(path.name, sizes, bands)
    caipi = tuple(float(shift) for shift in said.get("caipi", np.zeros(bands)))
    geometry = _geometry(path.name, said, groups, bands)
    if len(caipi) != bands:
        raise UserError(f"{path.name}: {len(caipi)} CAIPI shifts for {bands} bands.")
    return Scan(
        name=path.name,
        frames=frames,
        groups=groups,
        bands=bands,
        coils=coils,
        size=(size[0], size[1]),
        caipi=caipi,
        geometry=geometry,
        paradigm=paradigm,
        values=_named(path, sizes, "kspace", KSPACE),
        sampling=_named(path, sizes, "mask", MASKS[len(sizes.get("mask", (0, 0)))]),
        sensitivities=_named(path, sizes, "sensitivity_maps", MAPS),
        lines=_named(path, sizes, "calibration", MAPS),
        truth=_named(path, sizes, "reference", TRUTH),
        samples=_named(path, sizes, "noise", ("coil", "x")),
    )


_KEYS = ("kspace", "mask", "sensitivity_maps", "calibration", "reference", "noise")


def _named(path: Path, sizes: dict[str, tuple[int, ...]], key: str, axes: Axes) -> Any:
    return Named(Hdf5Array(path, key), sizes[key], axes) if key in sizes else None


def _check(name: str, sizes: dict[str, tuple[int, ...]], bands: int) -> None:
    frames, groups, coils, rows, columns = sizes["kspace"]
    lines = sizes["calibration"][3] if len(sizes.get("calibration", ())) == 5 else 0
    count = sizes["noise"][1] if len(sizes.get("noise", ())) == 2 else 0
    masks = {
        len(axes): (*(frames, groups)[: len(axes) - 2], rows, columns) for axes in MASKS.values()
    }
    wanted = {
        "mask": masks.get(len(sizes.get("mask", ())), (rows, columns)),
        "sensitivity_maps": (groups, bands, coils, rows, columns),
        "calibration": (groups, bands, coils, lines, columns),
        "reference": (frames, groups, bands, rows, columns),
        "noise": (coils, count),
    }
    for key, shape in wanted.items():
        if key in sizes and sizes[key] != shape:
            raise UserError(
                f"{name}: '{key}' is {times(sizes[key])}, but k-space of {frames} frames,"
                f" {groups} groups, {bands} bands, {coils} coils and {rows} x {columns} (y x)"
                f" needs {times(shape)}."
            )


def _paradigm(node: Any) -> Paradigm:
    return Paradigm(
        regressor=np.asarray(node["regressor"][()], dtype=np.float64),
        frequency=float(node.attrs["frequency"]),
        beta=np.asarray(node["beta"][()], dtype=np.float32) if "beta" in node else None,
    )


def _geometry(name: str, said: dict[str, Any], groups: int, bands: int) -> Geometry:
    numbers = np.arange(groups)[:, None] + groups * np.arange(bands)
    slices = np.asarray(said.get("slices", numbers), dtype=np.int64)
    affine = np.asarray(said.get("affine", np.eye(4)), dtype=np.float64)
    if slices.shape != (groups, bands) or affine.shape != (4, 4):
        raise UserError(
            f"{name}: slices are {times(slices.shape)} and the affine {times(affine.shape)};"
            f" they should be {groups} x {bands} (groups, bands) and 4 x 4."
        )
    time = float(said.get("repetition_time", 0.0))
    return Geometry(affine=affine, repetition_time=time or None, slices=slices)
