"""Write tomograms as HDF5 series of phase images, and volumes of refractive index as images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bioreco.data.formats import create
from bioreco.data.image import Image
from bioreco.data.paths import format_of
from bioreco.data.raw import Memory
from bioreco.data.tomograms.files import ATTRIBUTES, FORMAT
from bioreco.data.tomograms.values import Array, Tomogram
from bioreco.data.writing import disk_told, remove, temporary_name


def write_tomogram(path: Path, tomogram: Tomogram) -> None:
    """Write a tomogram whole or not at all; the layout is that of `bioreco.data.tomograms.files`.

    Raises
    ------
    UserError
        If it can't be written.

    """
    import h5py

    temporary = temporary_name(path)
    values = zip(ATTRIBUTES.items(), tomogram.light.values, strict=True)
    optics = {key: value / unit for (key, unit), value in values if value is not None}
    try:
        with disk_told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(temporary, "w") as file:
                file.attrs["format"] = FORMAT
                file["illumination"] = tomogram.illumination
                for number, field in enumerate(tomogram.fields):
                    node = file.create_group(f"qpi_{number}")
                    node.attrs.update(optics)
                    node.create_dataset("phase/raw", data=field.imag.astype(np.float32))
                    amplitude = np.exp(field.real).astype(np.float32)
                    node.create_dataset("amplitude/raw", data=amplitude)
                if tomogram.truth is not None:
                    truth = file.create_group("truth")
                    truth.create_dataset("index", data=tomogram.truth.index, compression="gzip")
                    if tomogram.truth.labels is not None:
                        labels = tomogram.truth.labels
                        truth.create_dataset("labels", data=labels, compression="gzip")
                        truth.attrs["parts"] = list(tomogram.truth.parts)
            temporary.replace(path)
    finally:
        remove(temporary)


def write_index(path: Path, index: Array, voxel: float, *, note: str, overwrite: bool) -> None:
    """Write refractive indices (z, y, x) with their voxel size in nanometres."""
    kind = format_of(path) or "tiff"
    size, unit = (10 * voxel, "angstrom") if kind == "mrc" else (voxel / 1000, "um")
    image = Image(
        path=Path("refractive_index"),
        name=path.name,
        format=kind,
        axes="ZYX",
        shape=index.shape,
        dtype=np.dtype(np.float32),
        pixels=Memory(index),
        spacing=dict.fromkeys("ZYX", size),
        units=dict.fromkeys("ZYX", unit),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with create(path, image, dtype=image.dtype, overwrite=overwrite, note=note) as writer:
        writer.write((), index.astype(np.float32))
