"""Write an acquisition to bioreco's own HDF5 layout, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.acquisition import Acquisition, Mask
from bioreco.data.kspace.layout import FORMAT
from bioreco.data.writing import disk_told, remove, temporary_name
from bioreco.errors import UserError


def write(acquisition: Acquisition, path: Path, tick: Callable[[], None] | None = None) -> None:
    """Write an acquisition; the file appears under its name when it is complete.

    Parameters
    ----------
    acquisition
        What to write; one frame and group is in memory at a time.
    path
        The file. One that is there is replaced.
    tick
        Called after each frame and group.

    Raises
    ------
    UserError
        If the file can't be written.

    """
    import h5py

    temporary = temporary_name(path)
    with disk_told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_told(path):
            with h5py.File(temporary, "w") as file:
                _describe(file, acquisition)
                _groups(file, acquisition)
                _frames(file, acquisition, tick)
            temporary.replace(path)
    finally:
        remove(temporary)


def _describe(file: Any, acquisition: Acquisition) -> None:
    file.attrs.update(
        format=FORMAT,
        bands=acquisition.bands,
        caipi=np.asarray(acquisition.caipi, dtype=np.float64),
        slices=np.asarray(acquisition.geometry.slices, dtype=np.int64),
        affine=np.asarray(acquisition.geometry.affine, dtype=np.float64),
        repetition_time=acquisition.geometry.repetition_time or 0.0,
    )
    if acquisition.paradigm is not None:
        node = file.create_group("paradigm")
        node["regressor"] = acquisition.paradigm.regressor
        node.attrs["frequency"] = acquisition.paradigm.frequency
        if acquisition.paradigm.beta is not None:
            node["beta"] = acquisition.paradigm.beta
    samples = acquisition.noise()
    if samples is not None:
        file["noise"] = samples


def _groups(file: Any, acquisition: Acquisition) -> None:
    """Write what doesn't change from frame to frame: coil maps, if any, and calibration."""
    for group in range(acquisition.groups):
        try:
            maps = acquisition.maps(group)
        except UserError:  # none in the file, and none estimated
            maps = None
        for key, values in (
            ("sensitivity_maps", maps),
            ("calibration", acquisition.calibration(group)),
        ):
            if values is not None:
                _part(file, key, (acquisition.groups, *values.shape))[group] = values


def _frames(file: Any, acquisition: Acquisition, tick: Callable[[], None] | None) -> None:
    frames, groups = acquisition.frames, acquisition.groups
    kspace = _part(file, "kspace", (frames, groups, acquisition.coils, *acquisition.size), 2)
    kspace.attrs["axes"] = "frame group coil ky kx"
    first: Mask = acquisition.mask(0, 0)
    masks = file.create_dataset(
        "mask",
        (frames, groups, *first.shape),
        np.uint8,
        chunks=(1, 1, *first.shape),
        compression="gzip",
    )
    same = True
    for frame in range(frames):
        for group in range(groups):
            kspace[frame, group] = acquisition.kspace(frame, group)
            mask = acquisition.mask(frame, group)
            masks[frame, group] = mask
            same = same and bool(np.array_equal(mask, first))
            truth = acquisition.reference(frame, group)
            if truth is not None:
                _part(file, "reference", (frames, groups, *truth.shape), 2)[frame, group] = truth
            if tick is not None:
                tick()
    if same:
        del file["mask"]
        file["mask"] = first.astype(np.uint8)


def _part(file: Any, key: str, shape: tuple[int, ...], leading: int = 1) -> Any:
    """Return the array of that name, chunked along its leading axes."""
    if key not in file:
        chunks = (*[1] * leading, *shape[leading:])
        file.create_dataset(key, shape, np.complex64, chunks=chunks)
    return file[key]
