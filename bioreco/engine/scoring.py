"""Score images on disk frame by frame: against a reference, or by what can be seen without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from bioreco.data.image import Image, times
from bioreco.engine.glance import Place, crops, places, read_frame
from bioreco.errors import UserError
from bioreco.metrics.fidelity import scores
from bioreco.metrics.frc import SMALLEST, frc
from bioreco.metrics.noise import estimate_noise
from bioreco.metrics.residual import residual

Scores = dict[str, float]


@dataclass(frozen=True)
class FrameScores:
    """The scores of one frame and where it is."""

    place: Place
    scores: Scores


def against(image: Image, reference: Image) -> list[FrameScores]:
    """Score every frame of an image against the same frame of a reference.

    Raises
    ------
    UserError
        If shapes or axes differ.
    """
    image, reference = matched(image, reference)
    return [
        FrameScores(place, scores(read_frame(image, place), read_frame(reference, place)))
        for place in places(image)
    ]


def without(image: Image, measured: Image | None) -> list[FrameScores]:
    """Score every frame by what can be seen without a reference.

    Parameters
    ----------
    image : Image
    measured : Image, optional
        What the image was made from; tells what was taken away.

    Returns
    -------
    list of FrameScores
        noise_left; with `measured` also noise_before, residual_over_sigma,
        residual_correlation_x (y, z) and residual_likeness.
    """
    if measured is not None:
        image, measured = matched(image, measured)
    return [FrameScores(place, _seen(image, measured, place)) for place in places(image)]


def agreement(image: Image) -> Scores:
    """Return the resolution at which the first two frames of a series or stack agree.

    Empty where there are no two frames, or they are too small.
    """
    axis = next((a for a in "TI" if image.size(a) > 1), None)
    if axis is None or min(image.size("Y"), image.size("X")) < SMALLEST:
        return {}
    first = {place: 0 for place in image.axes if place in "TICS"}
    pair = [read_frame(image, {**first, axis: number}) for number in (0, 1)]
    resolution = frc(*(np.nan_to_num(frame) for frame in pair)).resolution
    return {} if resolution is None else {"frc_pixels": resolution}


def mean(found: Iterable[Mapping[str, float]]) -> Scores:
    """Return the mean of every score over the frames that have it."""
    together: dict[str, list[float]] = {}
    for one in found:
        for name, value in one.items():
            together.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in together.items()}


def finite(found: Mapping[str, float]) -> Scores:
    """Return only the numbers that JSON can hold."""
    return {name: value for name, value in found.items() if isfinite(value)}


def matched(image: Image, reference: Image) -> tuple[Image, Image]:
    """Return both with the same axis letters, or refuse.

    Axes of length 1 don't count, and an axis of unknown meaning (I) fits any other.
    """
    ours, theirs = _long_axes(image), _long_axes(reference)
    sizes, other = ([i.size(a) for a in axes] for i, axes in ((image, ours), (reference, theirs)))
    if sorted(ours) == sorted(theirs) and all(image.size(a) == reference.size(a) for a in ours):
        return image, reference
    pairs = list(zip(ours, theirs, strict=False))
    alike = all(a == b or "I" in (a, b) for a, b in pairs)
    if sizes != other or not alike:
        raise UserError(
            f"{image.name} and {reference.name} don't match: {_told(image)} and {_told(reference)}."
        )
    known = {"I": next(b if a == "I" else a for a, b in pairs if "I" in (a, b))}
    return _renamed(image, known), _renamed(reference, known)


def _seen(image: Image, measured: Image | None, place: Place) -> Scores:
    left = estimate_noise(*crops(image, place))
    found = {"noise_left": left.sigma}
    if measured is not None:
        before = estimate_noise(*crops(measured, place))
        parts = zip(crops(measured, place), crops(image, place), strict=True)
        away = [residual(y, x, noise=before) for y, x in parts]
        found["noise_before"] = before.sigma
        found["residual_over_sigma"] = _root_mean_square([r.over_noise for r in away])
        found |= mean(
            {f"residual_correlation_{a.lower()}": c[0] for a, c in r.correlation.items()}
            for r in away
        )
        found["residual_likeness"] = float(np.mean([r.likeness for r in away]))
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _long_axes(image: Image) -> list[str]:
    return [axis for axis, n in zip(image.axes, image.shape, strict=True) if n > 1 or axis in "YX"]


def _renamed(image: Image, letters: Mapping[str, str]) -> Image:
    return replace(image, axes="".join(letters.get(axis, axis) for axis in image.axes))


def _told(image: Image) -> str:
    return f"{image.axes} {times(image.shape)}"
