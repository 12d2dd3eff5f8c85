"""The fully sampled centre of k-space, from which coil maps are estimated."""

from __future__ import annotations

import numpy as np

from bioreco.data.acquisition import Acquisition, Complex, Mask
from bioreco.data.kspace.fourier import centred


def sampled_centre(mask: Mask) -> tuple[slice, slice]:
    """Return the largest rectangle around the centre of k-space that was fully sampled.

    Its rows are symmetric about n // 2 up to one line; its columns are the run around n // 2.
    Both slices are empty if the centre itself wasn't measured.
    """
    rows, columns = mask.shape
    middle, best, area = rows // 2, (slice(0, 0), slice(0, 0)), 0
    for count in range(1, rows + 1):
        across = centred(rows, count)
        full: Mask = np.asarray(mask[across].all(0))
        if not full[columns // 2]:
            if not mask[middle, columns // 2]:
                break
            continue
        gaps = np.flatnonzero(~full)
        left = int(gaps[gaps < columns // 2].max(initial=-1)) + 1
        right = int(gaps[gaps > columns // 2].min(initial=columns))
        if count * (right - left) > area:
            area, best = count * (right - left), (across, slice(left, right))
    return best


def calibration_region(
    acquisition: Acquisition, group: int, *, lines: int
) -> tuple[Complex, tuple[slice, slice]]:
    """Return fully sampled k-space around the centre, and where it lies.

    Parameters
    ----------
    acquisition
        Its single-band `calibration` is used if it has any, else the centre of the first frame.
    lines
        At most so many lines, and as many samples along x.

    Returns
    -------
    ndarray, tuple of slices
        (bands, coils, rows, columns), and its place in (ky, kx).

    """
    rows, columns = acquisition.size
    own = acquisition.calibration(group)
    if own is not None:
        middle = centred(own.shape[2], min(lines, own.shape[2]))
        across = centred(own.shape[3], min(lines, own.shape[3]))
        place = centred(rows, middle.stop - middle.start)
        along = centred(columns, across.stop - across.start)
        return own[:, :, middle, across], (place, along)
    if acquisition.bands > 1:
        return np.zeros((acquisition.bands, acquisition.coils, 0, 0), np.complex64), _EMPTY
    across, along = sampled_centre(acquisition.mask(0, group))
    across, along = _within(across, rows, lines), _within(along, columns, lines)
    return acquisition.kspace(0, group)[None, :, across, along], (across, along)


_EMPTY = (slice(0, 0), slice(0, 0))


def _within(found: slice, length: int, most: int) -> slice:
    """Cut a run down to the central part of k-space."""
    allowed = centred(length, min(most, length))
    start, stop = max(found.start, allowed.start), min(found.stop, allowed.stop)
    return slice(start, max(start, stop))
