"""Raw data of scanners in ISMRMRD: one record for each readout, in an HDF5 file.

The header of a readout says which line, slice and repetition it belongs to, and by flags whether
it is noise, calibration, or read from the far end (Inati et al., Magn Reson Med 77:411, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.acquisition import Complex
from bioreco.data.image import DamageTold, times
from bioreco.data.kspace.axes import Axes, Named
from bioreco.data.kspace.header import Header, Space, read_header
from bioreco.data.kspace.patient import geometry_of
from bioreco.data.kspace.readouts import Places, Readouts, Table, read_lines, read_table
from bioreco.data.kspace.scans import Scan
from bioreco.data.kspace.settle import looked_at
from bioreco.data.raw import Memory
from bioreco.errors import UserError

NOISE, CALIBRATION, BOTH, REVERSE, PHASE = 19, 20, 21, 22, 24
_ASIDE = (NOISE, 23, PHASE, 26, 27, 28, 29, 30, 31)  # navigators, feedback, dummies


def group_of(file: Any) -> str | None:
    """Return the name of the group that holds the data set of an ISMRMRD file."""
    names = [name for name, node in file.items() if hasattr(node, "keys")]
    fits = [name for name in names if {"xml", "data"} <= set(file[name].keys())]
    return str(fits[0]) if fits else None


def open_ismrmrd(path: Path) -> Scan:
    """Open raw data; the headers of all readouts and one frame are read.

    Raises
    ------
    UserError
        If the trajectory isn't Cartesian, the scan is 3D, or headers conflict.

    """
    import h5py

    with DamageTold(path.name, "read as ISMRMRD"), h5py.File(path, "r") as file:
        group = group_of(file) or "dataset"
        xml = file[group]["xml"][()]
        text = xml[0] if isinstance(xml, np.ndarray) and xml.size else xml
        table = read_table(file[group]["data"])
    header = read_header(text, path.name)
    space = header.spaces[0]
    if "cartesian" not in space.trajectory and space.trajectory != "epi":
        raise UserError(
            f"{path.name}: its trajectory is {space.trajectory}; bioreco reads Cartesian k-space."
        )
    imaging = ~table.flagged(*_ASIDE) & (table.space == 0)
    only = table.flagged(CALIBRATION) & ~table.flagged(BOTH)
    rows = np.flatnonzero(imaging & ~only)
    _check(path.name, table, rows, space)
    return _assembled(path, group, table, header, rows)


def _check(name: str, table: Table, rows: Any, space: Space) -> None:
    if not rows.size:
        raise UserError(f"{name}: none of its {len(table.flags)} readouts is of an image.")
    coils = np.unique(table.coils[rows])
    if coils.size > 1:
        raise UserError(f"{name}: its readouts are of {coils[0]} to {coils[-1]} coils.")
    if space.bands == 1 and np.ptp(table.second[rows]) > 0:
        raise UserError(
            f"{name} is a 3D scan ({int(np.ptp(table.second[rows])) + 1} partitions);"
            " bioreco reads slices. Fourier transform the partitions before."
        )
    most = int(table.samples[rows].max())
    if space.encoded[0] and most > space.encoded[0]:
        raise UserError(
            f"{name}: its readouts have {most} samples, but its header says {space.encoded[0]}."
        )
    centre = _centre(space)
    lines = table.line[rows] + space.encoded[1] // 2 - centre
    if space.encoded[1] and (lines.min() < 0 or lines.max() >= space.encoded[1]):
        raise UserError(
            f"{name}: its lines are {int(table.line[rows].min())} to"
            f" {int(table.line[rows].max())} with the centre at {centre}, but its header says"
            f" that there are {space.encoded[1]}."
        )


def _centre(space: Space) -> int:
    return space.encoded[1] // 2 if space.centre is None else space.centre


def _assembled(path: Path, group: str, table: Table, header: Header, rows: Any) -> Scan:
    space = header.spaces[0]
    size = (
        space.encoded[1] or int(table.line[rows].max()) + 1,
        space.encoded[0] or int(table.samples[rows].max()),
    )
    places = Places.of(table, rows, size, size[0] // 2 - _centre(space))
    readouts = Readouts(path, group, table, places)
    groups = len(places.slices)
    notes = _notes(table, rows, header)
    lines, told = _calibration(path, group, table, header, readouts)
    geometry, said = geometry_of(table, rows, space, places, header.repetition_time, lines)
    scan = Scan(
        name=path.name,
        frames=len(places.frames),
        groups=groups,
        bands=space.bands,
        coils=int(table.coils[rows[0]]),
        size=size,
        caipi=(0.0,) * space.bands,
        geometry=geometry,
        values=readouts,
        samples=_noise(path, group, table, rows),
        lines=lines,
        oversampling=space.oversampling,
        notes=(*notes, *told, *said),
    )
    first = scan.kspace(0, 0)
    return replace(
        scan,
        notes=(*scan.notes, *looked_at(first, None, path.name, oversampled=space.oversampling > 1)),
    )


def _notes(table: Table, rows: Any, header: Header) -> list[str]:
    notes = []
    turned = int(table.flagged(REVERSE)[rows].sum())
    if turned:
        notes.append(f"{turned} of {rows.size} readouts are reversed: they are turned around")
        if not table.flagged(PHASE).any():
            notes.append("no phase-correction lines: a ghost of half the field of view may be left")
    aside = int(table.flagged(*_ASIDE).sum())
    if aside:
        notes.append(f"readouts of noise, navigators and the like, not of the image: {aside}")
    others = int((table.space != 0).sum())
    if others and header.spaces[0].bands == 1:
        notes.append(f"readouts of further encodings, left out: {others}")
    if header.spaces[0].bands > 1:
        notes.append(
            f"{header.spaces[0].bands} slices at once, as the header says; it doesn't say their"
            " CAIPI shifts, which are taken as 0: say data.caipi=[...], in pixels along y"
        )
    return notes


def _noise(path: Path, group: str, table: Table, rows: Any) -> Named | None:
    """Return the noise scan, scaled to the bandwidth of the image."""
    found = np.flatnonzero(table.flagged(NOISE))[:64]
    found = found[table.coils[found] == table.coils[rows[0]]] if found.size else found
    if not found.size:
        return None
    values: Complex = np.concatenate(read_lines(path, group, found, table), axis=1)
    before, now = float(table.dwell[found[0]]), float(table.dwell[rows[0]])
    if before > 0 and now > 0:
        values = (values * np.sqrt(before / now)).astype(np.complex64)
    return Named(Memory(values), values.shape, ("coil", "x"))


@dataclass(frozen=True)
class SingleBand:
    """Calibration lines of each band of each group, from the slices of another encoding."""

    readouts: Readouts
    groups: int
    bands: int

    def size(self, axis: str) -> int:
        """Return the number of bands, and what the readouts say."""
        return self.bands if axis == "band" else self.readouts.size(axis)

    def cut(self, wanted: Axes, **at: int) -> np.ndarray[Any, Any]:
        """Return the lines (band, coil, y, x) of one group; band s is slice g + s * groups."""
        from bioreco.data.kspace.centre import sampled_centre
        from bioreco.data.kspace.scans import found_mask

        del wanted
        places = [at.get("slice", 0) + band * self.groups for band in range(self.bands)]
        bands = [self.readouts.cut(("coil", "y", "x"), slice=place) for place in places]
        rows = sampled_centre(np.all([found_mask(band) for band in bands], axis=0))[0]
        half = min(bands[0].shape[1] // 2 - rows.start, rows.stop - bands[0].shape[1] // 2)
        middle = bands[0].shape[1] // 2
        return np.stack([band[:, middle - half : middle + half] for band in bands])


def _calibration(
    path: Path, group: str, table: Table, header: Header, like: Readouts
) -> tuple[SingleBand | None, list[str]]:
    """Find single-band lines: flagged in the same encoding, or all of the one the header names."""
    space, groups = header.spaces[0], len(like.places.slices)
    if space.bands == 1:
        chosen = table.flagged(CALIBRATION) & ~table.flagged(BOTH) & (table.space == 0)
    else:
        number = 1 if space.calibration is None else space.calibration
        chosen = ~table.flagged(*_ASIDE) & (table.space == number)
    rows = np.flatnonzero(chosen)
    if not rows.size:
        lack = ["multiband without single-band calibration lines: coil maps have to be given"]
        return None, lack if space.bands > 1 else []
    other = header.spaces[min(int(table.space[rows[0]]), len(header.spaces) - 1)]
    size = other.encoded[1] or like.places.size[0], like.places.size[1]
    places = Places.of(table, rows, size, size[0] // 2 - _centre(other))
    if len(places.slices) != groups * space.bands:
        raise UserError(
            f"{path.name}: its header says {space.bands} bands of {groups} groups, but calibration"
            f" lines are of {times((len(places.slices),))} slices, not {groups * space.bands}."
        )
    told = [f"calibration lines of {len(places.slices)} slices"]
    if space.bands > 1:
        told.append("they are taken to be without CAIPI shift")
    return SingleBand(Readouts(path, group, table, places), groups, space.bands), told
