"""How long, how fast and where to train: the options of `trainer`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bioreco.errors import UserError, nearest

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
SCHEDULES = ("cosine", "late_cosine", "constant")
_LATE = 0.5  # of the training, after which a late schedule begins
SELECTIONS = ("last", "validation", "heldout")

CHOICES = {"precision": PRECISIONS, "schedule": SCHEDULES, "select": SELECTIONS}


@dataclass(frozen=True)
class Options:
    """The options of training.

    Attributes
    ----------
    steps
        Updates to make.
    batch_size
        Samples in each, over all processes.
    device
        "auto", "cpu", "cuda" or "cuda:N".
    precision
        "32-true", "bf16-mixed" or "16-mixed".
    checkpoint_every, validate_every, log_every
        Steps between them.
    time_limit
        Seconds of training; the rate schedule is timed to end with them. None: no limit.
    ema
        Decay of the averaged weights, which are the ones reported; 0 reports the last weights.
    schedule
        "cosine" takes the learning rate down to zero, "late_cosine" does so in the second half of
        the training, "constant" leaves it.
    clip
        Largest gradient norm, or None.
    workers
        Processes that prepare samples; 0 prepares them in the training process.
    select
        Which weights are reported: the "last", or those with the least error, looked at every
        `validate_every` steps: the method's "validation" loss, or the "heldout" error of denoisers,
        at the cost of reconstructing an eighth of a megapixel.
    patience
        Such looks without a new low after which training stops; None: it doesn't.

    """

    steps: int = 4000
    batch_size: int = 4
    device: str = "auto"
    precision: str = "32-true"
    checkpoint_every: int = 500
    validate_every: int = 250
    log_every: int = 50
    time_limit: float | None = None
    ema: float = 0.99
    schedule: str = "cosine"
    clip: float | None = 1.0
    workers: int = 0
    select: str = "last"
    patience: int | None = None

    def __post_init__(self) -> None:
        for key in ("batch_size", "checkpoint_every", "validate_every", "log_every"):
            if getattr(self, key) < 1:
                raise UserError(f"trainer.{key}={getattr(self, key)}: at least 1")
        if self.steps < 0 or self.workers < 0:
            raise UserError(
                f"trainer.steps={self.steps} trainer.workers={self.workers}: at least 0"
            )
        if self.time_limit is not None and not self.time_limit > 0:
            raise UserError(f"trainer.time_limit={self.time_limit}: seconds, above 0")
        if self.patience is not None and (self.patience < 1 or self.select == "last"):
            raise UserError(
                f"trainer.patience={self.patience} trainer.select={self.select}: patience is at"
                " least 1 and needs trainer.select=validation or heldout"
            )
        if not 0 <= self.ema < 1:
            raise UserError(f"trainer.ema={self.ema}: at least 0, below 1")
        if self.clip is not None and not self.clip > 0:
            raise UserError(f"trainer.clip={self.clip}: above 0, or null")
        for key, allowed in CHOICES.items():
            value = getattr(self, key)
            if value not in allowed:
                raise UserError(
                    f"trainer.{key}={value}: choose one of {', '.join(allowed)}."
                    + nearest(value, allowed)
                )

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of training is done, 0 to 1, whichever of its limits is nearer."""
        by_steps = step / self.steps if self.steps else 1.0
        by_time = seconds / self.time_limit if self.time_limit else 0.0
        return min(1.0, max(by_steps, by_time))

    def rate(self, progress: float) -> float:
        """Return the factor on the learning rate."""
        if self.schedule == "constant":
            return 1.0
        start = _LATE if self.schedule == "late_cosine" else 0.0
        return 0.5 * (1 + math.cos(math.pi * max(progress - start, 0.0) / (1 - start)))
