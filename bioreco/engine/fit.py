"""The one loop that trains every method.

A method's `step` yields (player, losses), once for each update; all else is done here. Randomness
comes from counters: batch t and the numbers drawn in step t follow from the seed and t, so that a
stopped run resumes bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bioreco.engine.journal import Journal
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import Samples, loader, tensors
from bioreco.engine.selection import Judge
from bioreco.engine.training import Factory, Fitted, Training
from bioreco.methods.method import Method


def fit(
    method: Method,
    samples: Samples,
    factories: Mapping[str, Factory],
    *,
    options: Options,
    runtime: Runtime,
    folder: Path,
    seed: int,
    extras: Mapping[str, Any],
    floor: float | None = None,
    judge: Judge | None = None,
) -> Fitted:
    """Train a method, or go on from the last checkpoint in the folder.

    Parameters
    ----------
    method
        What is trained; on return it holds the averaged weights. Without players it takes no steps.
    samples
        What is learnt from.
    factories
        One optimiser for each of the method's players.
    options, runtime
        How long, how fast and where.
    folder
        The run folder.
    seed
        Decides everything that is random.
    extras
        Plain values kept in the checkpoints: at least `config`.
    floor
        Part of the validation loss that is noise and can't be predicted, if known.
    judge
        Returns the error of the method as it is, to choose the weights that are reported by;
        None reports the last ones, or with options.select=validation those of the least loss.

    Raises
    ------
    UserError
        If optimisers and players don't match, or the loss is no longer a number.

    """
    training = Training(method, factories, options, runtime, folder, extras, judge)
    training.restore()
    batches = loader(
        samples,
        options.batch_size,
        seed=seed,
        start=training.step,
        stop=options.steps if training.players else 0,
        workers=options.workers,
        runtime=runtime,
    )
    with Journal(
        folder if runtime.first else None, steps=options.steps, start=training.step
    ) as log:
        if training.step == 0:
            training.save()
        for batch in batches:
            progress = options.progress(training.step, training.clock())
            if progress >= 1 or training.exhausted():
                break
            runtime.seed(fold(seed, 3, training.step, runtime.rank))
            known = {**tensors(batch, runtime.device), "progress": torch.tensor(progress)}
            training.update(known, options.rate(progress))
            done = options.progress(training.step, training.clock())
            log.advance(done, training.step)
            training.record(log, samples, floor, last=done >= 1)
        training.save()
        return training.finish()
