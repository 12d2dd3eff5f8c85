"""Tomograms in files: quantitative phase series (HDF5 of qpimage's layout) and NumPy archives.

HDF5: `qpi_N/phase/raw` and `qpi_N/amplitude/raw` (y, x) of each view, with the attributes
"wavelength", "pixel size" (metres) and "medium index". bioreco adds `illumination` (views, 3) or
`angles` (views,), `truth/index` and `truth/labels` (z, y, x), and "numerical aperture". Angles that
aren't inside stand in `angles.txt` beside the file, in radians.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.tomograms.values import Array, Light, Truth
from bioreco.errors import UserError

FORMAT = "bioreco tomogram 1"
ATTRIBUTES = {"wavelength": 1e9, "pixel size": 1e9, "medium index": 1.0, "numerical aperture": 1.0}
ASSUMED = 500.0  # nanometres: a file that only says pixels in a wavelength fixes no other length
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


class Stored(dict[str, Any]):
    """What a file holds: phase, amplitude, angles or illumination, light, truth."""


def is_tomogram(path: str | Path) -> bool:
    """Tell whether a file holds a tomogram; only names in it are read."""
    return _kind(Path(path)) is not None


def _kind(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(8)
    if head == _HDF5:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return "hdf5" if "qpi_0/phase" in file else None
        except OSError:
            return None
    if head[:4] == _ZIP and path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).stem for name in archive.namelist()}
        angles = {"angles_rad", "angles", "illumination"} & names
        return "npz" if angles and {"phase", "field", "field_real_x100"} & names else None
    return None


def read(path: Path) -> Stored:
    """Read a tomogram as it is stored.

    Raises
    ------
    UserError
        If it is none, or incomplete.

    """
    kind = _kind(path)
    if kind is None:
        raise UserError(
            f"{path.name} is no tomogram that can be read: an HDF5 series of phase images (qpi_0,"
            " qpi_1, ...), or a NumPy archive of fields with angles"
        )
    return _read_hdf5(path) if kind == "hdf5" else _read_npz(path)


def _read_hdf5(path: Path) -> Stored:
    import h5py

    with h5py.File(path, "r") as file:
        views = sorted(
            (name for name in file if name.startswith("qpi_")), key=lambda name: int(name[4:])
        )
        found = Stored(phase=_stack(file, views, "phase", path))
        if "amplitude" in file[views[0]]:
            found["amplitude"] = _stack(file, views, "amplitude", path)
        attributes = {**dict(file[views[0]].attrs), **dict(file.attrs)}
        found["light"] = Light(
            *(
                float(attributes[key]) * unit if key in attributes else None
                for key, unit in ATTRIBUTES.items()
            )
        )
        for key in ("illumination", "angles"):
            if key in file:
                found[key] = file[key][()]
        if "truth/index" in file:
            node = file["truth"]
            labels = node["labels"][()] if "labels" in node else None
            parts = tuple(str(name) for name in node.attrs.get("parts", ()))
            found["truth"] = Truth(node["index"][()], labels, parts)
    beside = path.parent / "angles.txt"
    if "illumination" not in found and "angles" not in found and beside.is_file():
        found["angles"] = np.loadtxt(beside, ndmin=1)
    return found


def _stack(file: Any, views: list[str], what: str, path: Path) -> Array:
    """Return the images (v, y, x) of all views."""
    images = []
    for view in views:
        node = file[view].get(f"{what}/raw")
        if node is None:
            raise UserError(f"{path.name}: {view} has no {what}")
        image = node[()].astype(np.float64)
        background = file[view].get(f"{what}/bg_data/fit", None)
        if background is not None:
            image = image - background[()] if what == "phase" else image / background[()]
        images.append(image)
    if len({image.shape for image in images}) > 1:
        raise UserError(f"{path.name}: the views have different sizes")
    return np.stack(images)


def _read_npz(path: Path) -> Stored:
    with np.load(path, allow_pickle=False) as archive:
        held: Mapping[str, Array] = {key: archive[key] for key in archive.files}
    found = Stored()
    if "phase" in held:
        found["phase"] = held["phase"].astype(np.float64)
        if "amplitude" in held:
            found["amplitude"] = held["amplitude"].astype(np.float64)
    else:
        field = held.get("field")
        if field is None:
            field = (held["field_real_x100"] + 1j * held["field_imag_x100"].astype(float)) / 100
        found |= {"phase": np.angle(field), "amplitude": np.abs(field)}
    for key in ("illumination", "angles_rad", "angles"):
        if key in held:
            found["angles" if key == "angles_rad" else key] = held[key]
    found["light"] = _light(held)
    if "phantom_ri_x1000_minus_1333" in held:
        found["truth"] = Truth((held["phantom_ri_x1000_minus_1333"] + 1333.0) / 1000)
    elif "index" in held:
        found["truth"] = Truth(held["index"])
    return found


def _light(held: Mapping[str, Array]) -> Light:
    """Read the optics: arrays of their names, or lines such as `nm = 1.333` in `info`."""
    told = {}
    for line in str(held.get("info", "")).splitlines():
        key, _, value = line.partition("=")
        if value.strip():
            told[key.strip()] = float(value)
    if told.get("lD"):
        raise UserError(
            f"the detector was {told['lD']:g} wavelengths off the centre: refocus the fields before"
        )
    names = {"wavelength": "wavelength", "pixel_size": "pixel_size", "medium": "nm", "na": "na"}
    values = {
        name: float(held[name]) if name in held else told.get(key) for name, key in names.items()
    }
    if "res" in told and values["pixel_size"] is None:  # pixels in a wavelength
        wavelength = values["wavelength"] or ASSUMED
        values |= {"wavelength": wavelength, "pixel_size": wavelength / told["res"]}
    return Light(**values)
