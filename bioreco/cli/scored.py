"""The score without a truth at the end of a run: in words for the log, in numbers for metrics.json.

`metrics.json` holds it as `score`, a block of numbers. Where there is none, `score` holds the
reason alone, as `absent`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bioreco.data.frames import Frames
from bioreco.data.measurements import Measurements
from bioreco.engine import heldout
from bioreco.engine.crops import crops
from bioreco.engine.predict import Predictor
from bioreco.engine.scoring import Scores, mean
from bioreco.engine.selection import Judge
from bioreco.metrics.noise import Noise
from bioreco.metrics.noise_words import number

log = logging.getLogger("bioreco")

Noises = Mapping[str, Sequence[Noise]]


@dataclass(frozen=True)
class Found:
    """The scores of one model over its crops and channels, or why there are none."""

    scores: Sequence[Scores] = ()
    absent: str | None = None


def judge(predictor: Predictor, data: Measurements, noise: Noises) -> Judge | None:
    """Return what chooses the weights during training; None if the noise doesn't allow it."""
    reason = why_not(predictor, data, noise)
    if reason is not None:
        log.warning("The weights after the last step are reported, as %s.", reason)
        return None
    known = [noise[frames.image.name] for frames in data.images]
    folds, pixels = heldout.GLANCE
    chosen = crops(data.images, known, beside=beside(predictor, data), pixels=pixels)
    return partial(heldout.judged, predictor, chosen, folds=folds)


def why_not(predictor: Predictor, data: Measurements, noise: Noises) -> str | None:
    """Return why a model can't be scored without a truth; None if it can."""
    if not predictor.method.denoises:
        return "its result isn't what was measured less the noise: the blur is undone, too"
    return heldout.why_not([noise[frames.image.name] for frames in data.images])


def beside(predictor: Predictor, data: Measurements) -> dict[str, list[Frames]]:
    """Return the second measurements, where the method sees them and all images have one."""
    pairs = [seen["pair"] for seen in data.beside(predictor.method.wants) if "pair" in seen]
    return {"pair": pairs} if len(pairs) == len(data.images) else {}


def score(predictor: Predictor, data: Measurements, noise: Noises) -> Found:
    """Score a trained method on crops of what it was trained on."""
    reason = why_not(predictor, data, noise)
    if reason is not None:
        return Found(absent=reason)
    found: list[Scores] = []
    known = [noise[frames.image.name] for frames in data.images]
    others = beside(predictor, data)
    for crop in crops(data.images, known, beside=others, pixels=heldout.PIXELS):
        errors = heldout.heldout(predictor, crop)
        found += [a | b for a, b in zip(errors, heldout.appearance(predictor, crop), strict=True)]
    return Found(scores=found)


def scored(found: Sequence[Found], values: Mapping[str, object]) -> dict[str, Any]:
    """Tell the scores of all models of a run; return what metrics.json says of them.

    Parameters
    ----------
    found
        One for each model.
    values
        What metrics.json says already; its conventions are kept.

    """
    each = [one for model in found for one in model.scores]
    if not each:
        absent = next((model.absent for model in found if model.absent), "no pixel is a number")
        log.info("No score without a truth: %s.", absent)
        return {"score": {"absent": absent}}
    together = mean(each)
    if together["heldout_error"] < heldout.LEAST:
        absent = (
            f"an error of {number(100 * together['heldout_error'])} % of the noise variance can't"
            " be, so the noise isn't as estimated where this method relies on it"
        )
        log.warning("No score without a truth: %s.", absent)
        return {"score": {"absent": absent}}
    together["heldout_error_se"] = together["heldout_error_se"] / len(each) ** 0.5
    if any("psnr_heldout" not in one for one in each):
        together.pop("psnr_heldout", None)
    log.info("%s", words(together))
    told = {key: text for key, text in heldout.CONVENTIONS.items() if key in together}
    before = values.get("conventions")
    return {
        "score": together,
        "conventions": {**(before if isinstance(before, Mapping) else {}), **told},
    }


def words(score: Mapping[str, float]) -> str:
    """Say the score in one plain sentence."""
    error = f"{number(100 * score['heldout_error'])} % of the noise variance is left as error"
    if "psnr_heldout" in score:
        return (
            f"Held-out score {score['psnr_heldout']:.1f} dB (estimated PSNR without a truth;"
            f" {error})."
        )
    return f"Held-out score without a truth: {error}, too little to state as a PSNR."
