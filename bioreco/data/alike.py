"""Whether two images are measurements of the same, as a pair must be."""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from bioreco.data.frames import Frames
from bioreco.data.image import times
from bioreco.errors import UserError
from bioreco.metrics.shift import find_shift

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

LOOKED_AT = (32, 1024, 1024)  # pixels along z, y and x that are compared
APART = 0.5  # difference of the means, in standard deviations, from which a pair is refused
TOLD = 0.1  # and from which it is told
WIDER = 1.5  # ratio of the standard deviations from which a pair is refused
MOVED = 1.0  # shift in pixels from which a pair is refused
DRIFTED = 0.3  # and from which it is told
COARSE = 4  # pixels averaged along y and x before images are compared
CLEAR = 0.5  # likeness of neighbouring coarse pixels where an image shows something
UNLIKE = 0.5  # correlation of coarse images that show different things, over that likeness
CHANCE = 4.0  # standard errors by which means may differ


def check(one: Frames, two: Frames) -> None:
    """Refuse a pair that can't be two measurements of the same; tell what is doubtful.

    Raises
    ------
    UserError
        If the two have other sizes, axes or pixel sizes, the same pixels, clearly another
        brightness, are shifted by a pixel or more, or show different things.

    """
    names = f"{one.image.name} and {two.image.name}"
    if one.image is two.image:
        names = f"the frames of {one.image.name}"
    _check_axes(one, two)
    frames = len(one)
    same = True
    for frame in sorted({0, frames // 2, frames - 1}):
        a, b = (_middle(source, frame) for source in (one, two))
        where = f" (frame {frame} of {frames})" if frames > 1 else ""
        same = same and np.array_equal(a, b, equal_nan=True)
        if not same:
            _check_brightness(names + where, a, b)
            _check_place(names + where, a, b)
    if same:
        raise UserError(
            f"{names} hold the same pixels: a pair is two measurements, each with noise of its own"
        )


def _check_axes(one: Frames, two: Frames) -> None:
    a, b = one.image, two.image
    sizes = [[(x, n) for x, n in zip(i.axes, i.shape, strict=True) if n > 1] for i in (a, b)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{a.name} is {times(a.shape)} ({a.axes}), its pair {b.name} {times(b.shape)}"
            f" ({b.axes}): both must be alike"
        )
    for axis in one.spatial:
        here, there = (i.spacing.get(axis) for i in (a, b))
        if here and there and abs(here / there - 1) > 0.01:
            raise UserError(
                f"{a.name} has pixels of {here:g} along {axis}, its pair {b.name} of {there:g}:"
                " both must be alike"
            )


def _middle(frames: Frames, frame: int) -> Array:
    region = [
        slice((n - min(n, most)) // 2, (n + min(n, most) + 1) // 2)
        for n, most in zip(frames.shape, LOOKED_AT[-frames.dims :], strict=True)
    ]
    return frames.read(frame, region)


def _check_brightness(names: str, a: Array, b: Array) -> None:
    for one, two in zip(a, b, strict=True):
        both = np.isfinite(one) & np.isfinite(two)
        if not both.any():
            continue
        first, second = (v[both].astype(np.float64) for v in (one, two))
        wide = max(first.std(), second.std())
        narrow = min(first.std(), second.std())
        chance = CHANCE * wide * math.sqrt(2 / len(first))
        apart = abs(first.mean() - second.mean()) - chance
        if apart > APART * (wide + narrow) / 2 or wide > WIDER * narrow:
            raise UserError(
                f"{names} differ in brightness: mean {first.mean():.4g} and {second.mean():.4g},"
                f" standard deviation {first.std():.4g} and {second.std():.4g}; a pair is measured"
                " alike"
            )
        if apart > TOLD * wide:
            log.warning(
                "%s differ in brightness: mean %.4g and %.4g; the result is between them.",
                names, first.mean(), second.mean(),
            )  # fmt: skip


def _check_place(names: str, a: Array, b: Array) -> None:
    if min(a.shape[-2:]) < 2 * COARSE:
        return
    found = find_shift(a, b)
    if not found.sure:
        if _are_unlike(a, b):
            raise UserError(f"{names} show different things: a pair shows the same twice")
        return
    pixels = ", ".join(f"{p:.1f}" for p in found.pixels)
    axes = ", ".join("zyx"[-len(found.pixels) :])
    if found.least >= MOVED:
        raise UserError(f"{names} are shifted by {pixels} pixels ({axes}): align them first")
    if found.least >= DRIFTED:
        log.warning(
            "%s are shifted by about %s pixels (%s), which blurs the result by as much.",
            names, pixels, axes,
        )  # fmt: skip


def _are_unlike(a: Array, b: Array) -> bool:
    """Whether both images show something beyond their noise, and not the same."""
    one, two = (_coarse(v) for v in (a, b))
    signal = min(_likeness(v[..., 1:], v[..., :-1]) for v in (one, two))
    return signal > CLEAR and _likeness(one, two) < UNLIKE * signal


def _coarse(values: Array) -> Array:
    y, x = (n // COARSE * COARSE for n in values.shape[-2:])
    cut = np.nan_to_num(values[..., :y, :x], posinf=0, neginf=0)
    split = cut.reshape(*cut.shape[:-2], y // COARSE, COARSE, x // COARSE, COARSE)
    coarse: Array = split.mean((-3, -1))
    return coarse


def _likeness(one: Array, two: Array) -> float:
    a, b = one - one.mean(), two - two.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
