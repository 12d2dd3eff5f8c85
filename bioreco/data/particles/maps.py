"""Density maps: read onto the grid that is asked for, and written so that others read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.data.formats import create
from bioreco.data.image import Image, times
from bioreco.data.mrc import MrcMeta, open_mrc
from bioreco.data.mrcheader import Header
from bioreco.data.particles.resample import interpolation, resampled
from bioreco.data.particles.values import Volume
from bioreco.data.paths import missing
from bioreco.data.raw import Memory
from bioreco.errors import UserError

_STANDING = 0.1  # of the maximum; what is less is not counted as matter
_SHARE = 0.99


def read_map(path: Path) -> tuple[NDArray[np.float32], tuple[float, float, float], str]:
    """Return a map (z, y, x), its voxel size along z, y and x in Angstrom, and its name.

    Raises
    ------
    UserError
        If it is no volume, its axes aren't at right angles, or it has no voxel size.

    """
    if not path.is_file():
        raise missing(path)
    image = open_mrc(path)
    meta = image.meta
    if len(image.shape) != 3 or not isinstance(meta, MrcMeta):
        raise UserError(f"{path.name} is {times(image.shape)} ({image.axes}), not a density map.")
    angles = Header(bytearray(meta.header), meta.order).get("angles")
    if any(angle not in (0, 90) for angle in angles):
        told = ", ".join(f"{angle:g}" for angle in angles)
        raise UserError(
            f"{path.name}: its axes are at angles of {told} degrees, as in a crystal; resample it"
            " to right angles with another program."
        )
    axes = image.axes if set(image.axes) == set("ZYX") else "ZYX"
    values = image.read().astype(np.float32).transpose([axes.index(a) for a in "ZYX"])
    header = Header(bytearray(meta.header), meta.order).voxel
    if not {"X", "Y", "Z"} <= header.keys():
        raise UserError(f"{path.name} doesn't say its voxel size.")
    if not np.isfinite(values).all():
        raise UserError(f"{path.name} holds values that aren't finite numbers.")
    return np.ascontiguousarray(values), (header["Z"], header["Y"], header["X"]), path.name


def on_grid(path: Path, *, box: int, voxel: float | None) -> Volume:
    """Read a map onto a cube of `box` voxels.

    Parameters
    ----------
    path
        An MRC file.
    box
        Voxels along an axis of the cube; its centre is that of the map.
    voxel
        Their size in Angstrom; None: so that the longest side of the map fits.

    """
    values, sizes, name = read_map(path)
    if voxel is None:
        voxel = max(n * size for n, size in zip(values.shape, sizes, strict=True)) / box
    steps = zip(values.shape, sizes, strict=True)
    matrices = [interpolation(n, box, voxel / size) for n, size in steps]
    return Volume(resampled(values, matrices), float(voxel), name)


def radius(volume: Volume) -> float:
    """Return the radius in Angstrom of the centred sphere that holds 99 % of the matter.

    Matter is density above a tenth of the maximum.
    """
    box = len(volume.values)
    at = (np.arange(box) - box // 2) ** 2
    distance = np.sqrt(at[:, None, None] + at[:, None] + at)
    matter = np.where(volume.values > _STANDING * volume.values.max(), volume.values, 0)
    order = np.argsort(distance, axis=None)
    held = np.cumsum(matter.ravel()[order], dtype=np.float64)
    if held[-1] <= 0:
        raise UserError(f"{volume.name} holds no positive density.")
    where = int(np.searchsorted(held, _SHARE * held[-1]))
    return float(distance.ravel()[order][min(where, len(order) - 1)] * volume.voxel)


def volume_image(volume: Volume) -> Image:
    """Return a volume as an image in memory, with its voxel size, to be written."""
    spacing = dict.fromkeys("ZYX", volume.voxel)
    return Image(
        path=Path(volume.name),
        name=volume.name,
        format="mrc",
        axes="ZYX",
        shape=volume.values.shape,
        dtype=np.dtype(np.float32),
        pixels=Memory(volume.values),
        spacing=spacing,
        units=dict.fromkeys(spacing, "angstrom"),
    )


def write_map(path: Path, volume: Volume, *, label: str, overwrite: bool = False) -> None:
    """Write a volume as MRC: space group 1, voxel size and a label; complete or not at all."""
    image = volume_image(volume)
    with create(path, image, dtype=image.dtype, overwrite=overwrite, note=label) as writer:
        writer.write((), volume.values)


def write_stack(
    path: Path, images: NDArray[np.float32], pixel: float, *, label: str, overwrite: bool = False
) -> None:
    """Write images (n, y, x) as an MRC stack of images: space group 0, pixel size and a label."""
    spacing = dict.fromkeys("YX", pixel)
    image = Image(
        path=Path(),
        name=path.name,
        format="mrc",
        axes="IYX",
        shape=images.shape,
        dtype=np.dtype(np.float32),
        pixels=Memory(np.empty(0, np.float32)),
        spacing=spacing,
        units=dict.fromkeys(spacing, "angstrom"),
    )
    with create(path, image, dtype=image.dtype, overwrite=overwrite, note=label) as writer:
        writer.write((), images)
