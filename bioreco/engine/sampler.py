"""Which samples make up a batch: a pure function of the seed and the step.

There is no state to save. Batch t is the same whether training came straight to it or was stopped
and resumed, with however many worker processes, in one process or several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from bioreco.engine.runtime import Runtime, fold
from bioreco.errors import UserError

Sample = Mapping[str, Any]

AHEAD = 8  # batches that are prepared together,
ENOUGH = 2**22  # unless fewer have as many bytes


class Samples(Protocol):
    """What is learnt from. A draw is (index, seed); random samples depend on the seed alone."""

    def __len__(self) -> int: ...

    def __getitem__(self, draw: tuple[int, int]) -> Sample: ...

    def validation(self) -> Sequence[Sample]:
        """Return fixed batches to validate on."""
        ...


class Draws(Sampler[list[tuple[int, int]]]):
    """Batches of draws, from one step to another."""

    def __init__(
        self, length: int, batch: int, *, seed: int, start: int, stop: int, rank: int, world: int
    ) -> None:
        self.length, self.batch, self.seed = length, batch, seed
        self.start, self.stop, self.rank, self.world = start, stop, rank, world

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.start, self.stop):
            draws = []
            for k in range(self.rank, self.batch, self.world):
                draw = step * self.batch + k
                now, index = divmod(draw, self.length)
                if now != epoch:
                    epoch = now
                    order = np.random.default_rng([self.seed, 1, now]).permutation(self.length)
                draws.append((int(order[index]), fold(self.seed, 2, draw)))
            yield draws


def loader(
    samples: Samples,
    batch: int,
    *,
    seed: int,
    start: int,
    stop: int,
    workers: int,
    runtime: Runtime,
) -> Iterable[dict[str, Tensor]]:
    """Return the batches of this process, as tensors.

    Raises
    ------
    UserError
        If the processes can't share a batch evenly.

    """
    if batch % runtime.world:
        raise UserError(
            f"trainer.batch_size={batch} can't be shared by {runtime.world} processes evenly"
        )
    draws = Draws(
        len(samples),
        batch,
        seed=seed,
        start=start,
        stop=stop,
        rank=runtime.rank,
        world=runtime.world,
    )
    if not workers:
        return _together(collate([samples[draw] for draw in batch_of]) for batch_of in draws)
    return DataLoader(
        samples,  # type: ignore[arg-type]
        batch_sampler=draws,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=False,
    )


def _together(batches: Iterable[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """Prepare several small batches at a time.

    After a step of the network the code that cuts patches has left the processor's caches, and the
    first patch takes as long as the next ten.
    """
    ready: list[dict[str, Tensor]] = []
    for batch in batches:
        ready.append(batch)
        size = sum(values.nbytes for values in batch.values())
        if len(ready) >= min(AHEAD, ENOUGH / size):
            yield from ready
            ready = []
    yield from ready


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack samples into a batch of tensors."""
    return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}


def tensors(batch: Sample, device: torch.device) -> dict[str, Tensor]:
    """Return a batch on a device."""
    return {
        key: (value if isinstance(value, Tensor) else torch.from_numpy(value)).to(device)
        for key, value in batch.items()
    }
