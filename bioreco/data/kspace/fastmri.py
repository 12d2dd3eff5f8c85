"""k-space in HDF5 with the keys of fastMRI: kspace, mask, ismrmrd_header, sensitivity_maps.

In fastMRI's own files k-space is (slices, coils, rows, columns), where rows are the readout x and
columns are the phase encoding y; the mask is over columns (Zbontar et al., arXiv 1811.08839).
Other files use the same keys in other orders, which is why the header and the sizes are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.acquisition import Mask
from bioreco.data.hdf5 import Hdf5Array
from bioreco.data.image import DamageTold, times
from bioreco.data.kspace.axes import Axes, Named, named_axes
from bioreco.data.kspace.checks import binary, complex_type, samples_something
from bioreco.data.kspace.epi import reversal_of
from bioreco.data.kspace.header import Space, read_header
from bioreco.data.kspace.scans import Scan, plain_geometry
from bioreco.data.kspace.settle import looked_at, settled_axes
from bioreco.data.raw import Memory
from bioreco.errors import UserError


def open_fastmri(path: Path, axes: Sequence[str] | str | None) -> Scan:
    """Open k-space in an HDF5 file; one frame is read.

    Raises
    ------
    UserError
        If it holds no k-space, or what it holds doesn't fit together.

    """
    import h5py

    with DamageTold(path.name, "read as k-space in HDF5"), h5py.File(path, "r") as file:
        key = _chosen(path, file)
        node = file[key]
        shape, dtype = tuple(int(n) for n in node.shape), node.dtype
        complex_type(dtype, shape, f"{path.name}:/{key}")
        header = file["ismrmrd_header"][()] if "ismrmrd_header" in file else None
        others = {name: file[name][()] for name in _SMALL if name in file}
        maps = tuple(file["sensitivity_maps"].shape) if "sensitivity_maps" in file else None
        said = node.attrs.get("axes")
    told = read_header(header, path.name) if header is not None else None
    space = told.spaces[0] if told else None
    lines = others["mask"].size if "mask" in others and others["mask"].ndim == 1 else None
    given = said if axes is None and isinstance(said, str) else axes
    words, notes = settled_axes(f"{path.name}:/{key}", shape, given, space, lines)
    values = Named(Hdf5Array(path, key), shape, words)
    size = values.size("y"), values.size("x")
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
        sensitivities=_maps(path, maps, values) if maps else None,
        samples=_noise(others.get("noise"), values, path.name),
        oversampling=space.oversampling if space else None,
    )
    return finished(scan, space, others, notes)


_SMALL = ("mask", "noise", "line_reflected", "navigators")


def _chosen(path: Path, file: Any) -> str:
    """Return the name of the only array of k-space."""
    import h5py

    if "kspace" in file:
        return "kspace"
    found: list[str] = []
    file.visititems(
        lambda name, node: (
            found.append(name)
            if isinstance(node, h5py.Dataset) and node.dtype.kind == "c" and node.ndim > 1
            else None
        )
    )
    if len(found) != 1:
        there = ", ".join(found or list(file)) or "nothing"
        raise UserError(f"{path.name} holds no data set 'kspace'. There are: {there}.")
    return found[0]


def mask_of(values: np.ndarray[Any, Any] | None, like: Named, name: str) -> Named | None:
    """Return a mask with named axes: over lines (y,), over points (y, x), or series of these.

    Parameters
    ----------
    values
        As it is in the file; None for none.
    like
        The k-space that it belongs to, whose order of y and x it has.
    name
        Of the file.

    Raises
    ------
    UserError
        If it isn't binary, is 0 everywhere, or has another size than k-space.

    """
    if values is None:
        return None
    size = like.size("y"), like.size("x")
    swapped = like.axes.index("x") < like.axes.index("y")
    values = np.squeeze(values) if values.ndim > 2 and 1 in values.shape else np.asarray(values)
    if values.ndim == 1 or (values.ndim == 2 and values.shape[0] == 1):
        values = values.reshape(-1, 1)
        axes: Axes = ("y", "x")
        fits = len(values) == size[0]
    else:
        axes = ("x", "y") if swapped else ("y", "x")
        fits = values.shape[-2:] == (size[::-1] if swapped else size)
        one = "slice" if like.size("slice") == len(values) else "frame"
        axes = (*{2: (), 3: (one,), 4: ("frame", "slice")}.get(values.ndim, ()), *axes)
        fits = fits and len(axes) == values.ndim
    if not fits:
        shape = values.shape[:1] if values.shape[-1] == 1 else values.shape
        raise UserError(
            f"{name}: its mask is {times(shape)}, but k-space is {times(size)} (y x);"
            f" a mask over lines has {size[0]} entries."
        )
    mask = samples_something(binary(values, name), name)
    return Named(Memory(mask), mask.shape, axes)


def _maps(path: Path, shape: tuple[int, ...], values: Named) -> Named:
    """Return the coil maps with named axes: those of k-space without frames, or without slices."""
    place = "sensitivity_maps"
    words = tuple(word for word in values.axes if word != "frame")
    words = words if len(words) == len(shape) else tuple(w for w in words if w != "slice")
    if len(shape) != len(words):
        raise UserError(f"{path.name}:/{place} is {times(shape)}, which isn't slice coil y x.")
    return Named(Hdf5Array(path, place), shape, words)


def _noise(values: np.ndarray[Any, Any] | None, like: Named, name: str) -> Named | None:
    if values is None:
        return None
    if values.ndim != 2 or values.shape[0] != like.size("coil"):
        raise UserError(
            f"{name}: its noise scan is {times(values.shape)}; it should be"
            f" {like.size('coil')} coils x samples."
        )
    return Named(Memory(values), values.shape, named_axes("coil x", values.shape, name))


def finished(scan: Scan, space: Space | None, others: dict[str, Any], notes: list[str]) -> Scan:
    """Return the scan with its geometry, its reversed lines, and all that should be said."""
    notes = list(notes)
    _check_counts(scan)
    if space is not None and space.spacing:
        x, y, z = space.spacing
        geometry = plain_geometry(scan.groups, 1, (x, y, z), scan.size)
        scan = replace(scan, geometry=geometry)
        notes.append("the file doesn't say where the slices lie: the affine holds sizes only")
    else:
        notes.append("the file doesn't say how large a pixel is: 1 mm is written")
    reversal, told = reversal_of(
        others.get("line_reflected"), others.get("navigators"), scan.size, scan.name
    )
    scan = replace(scan, reversal=reversal)
    first = scan.measured(0, 0)
    said: Mask | None = None
    if scan.sampling is not None:
        said = np.broadcast_to(scan.sampling.cut(("y", "x")).astype(bool), scan.size)
    notes += [*told, *looked_at(first, said, scan.name, oversampled=(scan.oversampling or 1) > 1)]
    if scan.sampling is None:
        notes += _found(scan)
    if space is not None:
        notes += _conflicts(scan, space)
    if scan.coils == 1:
        notes.append("a single coil: its map is 1 in the object, and undersampling can't be undone")
    return replace(scan, notes=(*scan.notes, *notes))


def _check_counts(scan: Scan) -> None:
    """Refuse masks and maps of other frames, slices or coils than k-space has."""
    for what, part in (("mask is", scan.sampling), ("coil maps are", scan.sensitivities)):
        for axis in ("frame", "slice", "coil"):
            count = 1 if part is None else part.size(axis)
            if count not in {1, scan.values.size(axis)}:
                raise UserError(
                    f"{scan.name}: its {what} of {count} {axis}s, but k-space has"
                    f" {scan.values.size(axis)}."
                )


def _found(scan: Scan) -> list[str]:
    mask = scan.mask(0, 0)
    if mask.all():
        return []
    share = 100 * mask.mean()
    what = "lines" if (mask == mask[:, :1]).all() else "points"
    return [f"no mask in the file: the {what} that hold data are it ({share:.3g} % of k-space)"]


def _conflicts(scan: Scan, space: Space) -> list[str]:
    """Compare the header with the data."""
    lines, said = scan.size[0], space.encoded[1]
    if said and said != lines:
        return [f"the header says {said} lines, k-space has {lines}; k-space is believed"]
    if space.last is not None and space.centre is not None:
        before = said // 2 - space.centre
        taken = np.flatnonzero(scan.mask(0, 0).any(1))
        if taken[0] < before or taken[-1] > before + space.last:
            return ["there are measurements where the header has zero-padding; they are believed"]
    return []
