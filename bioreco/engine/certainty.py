"""Hold the standard deviation of a result against the truth, or against a second frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.image import Image
from bioreco.engine.glance import Place, places, read_frame
from bioreco.engine.scoring import FrameScores, matched
from bioreco.errors import UserError
from bioreco.metrics.coverage import Calibration, calibrate, noise_between
from bioreco.metrics.noise import estimate_noise

log = logging.getLogger("bioreco")

Array = NDArray[Any]

BRIGHTER = 0.03  # by which a second measurement may be brighter or darker without a word
BLOCK = 8  # pixels along y and x that are averaged to compare brightness
FEWEST = 16  # blocks that it takes


def against_truth(image: Image, std: Image, truth: Image) -> list[tuple[Place, Calibration]]:
    """Compare every frame of a result and its standard deviation with the truth.

    Raises
    ------
    UserError
        If shapes or axes differ, or the deviation is negative somewhere.

    """
    found = []
    for place, (mean, s, x) in _side_by_side(image, [std, truth]):
        found.append((place, calibrate(mean, _checked(s, std), x)))
    return found


def against_second(
    image: Image, std: Image, second: Image, measured: Image | None
) -> list[tuple[Place, Calibration]]:
    """Compare every frame of a result with a second measurement of the same scene.

    Parameters
    ----------
    image, std, second
        The result, its standard deviation, and the second measurement.
    measured
        The measurement that the result was made from. With it the noise of the second one is
        measured from the difference of the two; else estimated from the second alone.

    Raises
    ------
    UserError
        If shapes or axes differ, the deviation is negative somewhere, or the noise of the second
        measurement is not to be had.

    """
    found = []
    others = [std, second] if measured is None else [std, second, measured]
    for place, (mean, s, y, *first) in _side_by_side(image, others):
        noise = noise_between(first[0], y, mean) if first else _estimated(y, mean)
        if not np.isfinite(noise).any():
            raise UserError(
                f"the noise of {second.name} can't be estimated from it alone: say what"
                f" {image.name} was made from, measured=FILE."
            )
        if first and not (noise[np.isfinite(noise)] > 0).any():
            raise UserError(
                f"{second.name} holds the same values as what {image.name} was made from:"
                " it takes another measurement of the same scene."
            )
        _tell_brightness(mean, y, second.name)
        found.append((place, calibrate(mean, _checked(s, std), y, noise=noise)))
    return found


def _tell_brightness(mean: Array, y: Array, name: str) -> None:
    """Say where a second measurement is brighter or darker, which counts as an error of the first.

    Blocks of pixels are compared, so that noise of the result does not flatten the slope.
    """
    one, two = (_blocks(np.where(np.isfinite(mean + y), v, np.nan)) for v in (mean, y))
    good = np.isfinite(one)
    if good.sum() < FEWEST or one[good].std() == 0:
        return
    fitted, covariance = np.polyfit(one[good], two[good], 1, cov=True)
    slope, error = float(fitted[0]), float(covariance[0, 0]) ** 0.5
    if abs(slope - 1) > max(BRIGHTER, 3 * error):
        log.warning(
            "Mind: what varies in %s is %.2f times as bright as in the result, which counts as an"
            " error of the result: std_scale comes out too large.",
            name,
            slope,
        )


def _blocks(image: Array) -> Array:
    """Return the means of whole blocks along y and x, flat; of blocks with gaps NaN."""
    *rest, rows, columns = image.shape
    side = min(BLOCK, rows, columns)
    cut = image[..., : rows // side * side, : columns // side * side]
    parts = cut.reshape(*rest, rows // side, side, columns // side, side)
    return np.asarray(parts.mean((-3, -1)).ravel(), dtype=np.float64)


def total(found: Sequence[tuple[Place, Calibration]]) -> Calibration:
    """Return the counts over all frames."""
    first, *rest = [calibration for _, calibration in found]
    for other in rest:
        first = first + other
    return first


def frame_scores(found: Sequence[tuple[Place, Calibration]]) -> list[FrameScores]:
    """Return the scores of each frame."""
    return [FrameScores(place, calibration.scores()) for place, calibration in found]


def _side_by_side(
    image: Image, others: Sequence[Image]
) -> Iterator[tuple[Place, tuple[Array, ...]]]:
    """Yield each frame of an image with the same frame of the others."""
    pairs = [matched(image, other) for other in others]
    where = [places(own) for own, _ in pairs]
    for place, *at in zip(places(image), *where, strict=True):
        frames = [read_frame(o, p) for (_, o), p in zip(pairs, at, strict=True)]
        yield place, (read_frame(image, place), *frames)


def _estimated(second: Array, mean: Array) -> Array:
    return estimate_noise(second).variance(mean)


def _checked(std: Array, image: Image) -> Array:
    if (std < 0).any():
        raise UserError(
            f"{image.name} is negative in places (down to {float(np.nanmin(std)):.3g}),"
            " so it is no standard deviation."
        )
    return std
