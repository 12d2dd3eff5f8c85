"""The point spread function of a file, made fit for the images it is to sharpen.

What is done to it is told: background taken away, brightest spot put at the centre, resampled to
the images' pixels, scaled to sum 1. What can't be mended is refused in one line.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.formats import open_image
from bioreco.data.frames import Frames
from bioreco.data.image import Image, times
from bioreco.data.units import convert
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

Array = NDArray[np.float64]

SAME = 0.01  # relative difference of pixel sizes that is none
UNLIKE = 8.0  # times: more is taken for a mistake
NEAR = 1.0  # pixels: a spot that is less far from n // 2 is in the centre
LOST = 0.5  # of the light at most may fall outside the smallest image
DARK = 0.001  # of the light: margins that hold less are cut away; of the peak: no background
CORE = 0.5  # of the peak: pixels whose centre of mass is the centre


def spacing(image: Image, axes: str) -> tuple[float, ...] | None:
    """Return the pixel sizes of an image along some axes in nanometres; None if one is unknown."""
    found = [
        convert(image.spacing[a], image.units.get(a, ""), "nm") if a in image.spacing else None
        for a in axes
    ]
    known = tuple(size for size in found if size is not None and size > 0)
    return known if len(known) == len(axes) else None


def shared_spacing(images: Sequence[Image], axes: str) -> tuple[float, ...] | None:
    """Return the pixel sizes that all images have; None where they differ or one doesn't say."""
    each = [spacing(image, axes) for image in images]
    first = each[0]
    if first is None or None in each:
        return None
    if all(abs(a / b - 1) <= SAME for one in each if one for a, b in zip(one, first, strict=True)):
        return first
    return None


def read_psf(
    path: str, dims: int, sizes: Sequence[float] | None, smallest: Sequence[int] | None
) -> NDArray[np.float32]:
    """Read a PSF for images of `dims` spatial axes.

    Parameters
    ----------
    path
        An image file.
    dims
        2 or 3.
    sizes
        Pixel sizes of the images ([z,] y, x) in nanometres; None: unknown, and not compared.
    smallest
        Pixels of the smallest image ([z,] y, x); a kernel that reaches further is cut.

    Returns
    -------
    ndarray
        ([z,] y, x), an odd number of pixels along each axis, not negative, of sum 1, its centre
        in the middle.

    Raises
    ------
    UserError
        If it isn't a PSF, or not one for these images.

    """
    image = open_image(path)
    values = _planes(image, dims)
    if not np.isfinite(values).all():
        raise UserError(f"{image.name} holds values that are not finite, so it is no PSF")
    kernel = _trimmed(_centred(_without_background(values, image.name), image.name))
    own = spacing(image, "ZYX"[3 - dims :])
    if sizes is not None and own is not None:
        kernel = _resampled(kernel, own, sizes, image.name)
    if smallest is not None:
        kernel = _within(kernel, smallest, image.name)
    found: NDArray[np.float32] = (kernel / kernel.sum()).astype(np.float32)
    return found


def _planes(image: Image, dims: int) -> Array:
    if image.size("C") * image.size("S") > 1:
        raise UserError(f"{image.name} has several channels; a PSF has one")
    letters = image.axes.replace("T", "Z").replace("I", "Z")
    stacked = [n for a, n in zip(letters, image.shape, strict=True) if a == "Z" and n > 1]
    if len(stacked) > dims - 2:
        raise UserError(
            f"{image.name} is a stack of {times(stacked)} planes, but the images are treated in"
            " 2D: say data.dims=3 for stacks, or give the plane in focus alone as the PSF"
        )
    if dims == 3 and not stacked:
        raise UserError(
            f"{image.name} is a single plane, but the images are stacks: give a PSF with planes,"
            " or say data.dims=2 to treat each plane by itself"
        )
    frames = Frames(image, 2)
    planes = [frames.read(k)[0] for k in range(len(frames))]
    return np.asarray(planes if dims == 3 else planes[0], dtype=np.float64)


def _without_background(values: Array, name: str) -> Array:
    """Take away the median of the outermost pixels, and what is below it."""
    inside = np.zeros(values.shape, dtype=bool)
    inside[tuple(slice(1, max(n - 1, 2)) for n in values.shape)] = True
    border = values[~inside]
    level = float(np.median(border)) if border.size else 0.0
    negative = float(-values[values < 0].sum() / max(np.abs(values).sum(), 1e-300))
    if negative > 0.5:
        raise UserError(f"{name} is mostly negative, so it is no PSF")
    found = np.clip(values - level, 0, None)
    if not found.max() > 0:
        raise UserError(f"{name} has nothing brighter than its border, so it is no PSF")
    if abs(level) > DARK * found.max():
        log.info("%s: its background, %g, is taken away.", name, level)
    if negative > 0:
        log.warning("%s: negative values (%.2g %%) are set to 0.", name, 100 * negative)
    return found


def _centred(values: Array, name: str) -> Array:
    """Put the brightest spot in the middle of an odd number of pixels, adding dark ones."""
    labels, _ = ndimage.label(values >= CORE * values.max())
    spot = labels == labels[np.unravel_index(values.argmax(), values.shape)]
    middle = ndimage.center_of_mass(values * spot)
    at = [
        n // 2 if abs(m - n // 2) < NEAR else int(m + 0.5)
        for m, n in zip(middle, values.shape, strict=True)
    ]
    off = [a - n // 2 for a, n in zip(at, values.shape, strict=True)]
    if any(off):
        log.warning(
            "%s: its brightest spot lies off the centre by %s pixels; it is moved there.",
            name,
            times(off),
        )
    half = [max(a, n - 1 - a) for a, n in zip(at, values.shape, strict=True)]
    margins = [(h - a, h - (n - 1 - a)) for h, a, n in zip(half, at, values.shape, strict=True)]
    return np.pad(values, margins)


def _resampled(values: Array, own: Sequence[float], sizes: Sequence[float], name: str) -> Array:
    """Return the kernel on the pixels of the images."""
    ratio = [a / b for a, b in zip(own, sizes, strict=True)]
    if all(abs(r - 1) <= SAME for r in ratio):
        return values
    told = [" x ".join(f"{s:.4g}" for s in each) for each in (own, sizes)]
    if not all(1 / UNLIKE <= r <= UNLIKE for r in ratio):
        raise UserError(
            f"{name} has pixels of {told[0]} nm, the images of {told[1]} nm: one of them is wrong."
            " Say forward.pixel_size=[z,y,x] for the images"
        )
    log.info("%s: resampled from pixels of %s nm to those of the images, %s nm.", name, *told)
    half = [max(int((n // 2) * r), 1) for n, r in zip(values.shape, ratio, strict=True)]
    blurred = ndimage.gaussian_filter(values, [0.4 / r if r < 0.75 else 0.0 for r in ratio])
    grid = np.meshgrid(
        *(
            np.arange(-h, h + 1) / r + n // 2
            for h, r, n in zip(half, ratio, values.shape, strict=True)
        ),
        indexing="ij",
    )
    found = ndimage.map_coordinates(blurred, grid, order=1, mode="constant")
    return np.asarray(np.clip(found, 0, None))


def _trimmed(values: Array) -> Array:
    """Cut away dark margins, alike on both sides."""
    for axis in range(values.ndim):
        others = tuple(k for k in range(values.ndim) if k != axis)
        along = values.sum(others) / values.sum()
        n = len(along) // 2
        folded = along[n:] + along[n::-1]
        folded[0] /= 2
        outside = folded[::-1].cumsum()[::-1]
        reach = max(int(np.count_nonzero(outside > DARK)) - 1, 0)
        values = values.take(range(n - reach, n + reach + 1), axis=axis)
    return values


def _within(values: Array, smallest: Sequence[int], name: str) -> Array:
    """Cut what reaches further than the image is long: no pixel has a neighbour there."""
    half = [min(n // 2, m - 1) for n, m in zip(values.shape, smallest, strict=True)]
    if all(h == n // 2 for h, n in zip(half, values.shape, strict=True)):
        return values
    found = values[
        tuple(slice(n // 2 - h, n // 2 + h + 1) for n, h in zip(values.shape, half, strict=True))
    ]
    lost = 1 - float(found.sum() / values.sum())
    if lost > LOST:
        raise UserError(
            f"{name} reaches {times(values.shape)} pixels, the smallest image {times(smallest)}:"
            f" {100 * lost:.0f} % of the light would fall outside"
        )
    log.warning(
        "%s: cut to %s pixels, as the smallest image is %s; %.1f %% of its light is left out.",
        name,
        times(found.shape),
        times(smallest),
        100 * lost,
    )
    return found
