"""Portions of a batch: shared between updates, or drawn again for more simulated images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods.method import Batch


def taken(batch: Batch, index: Tensor) -> Batch:
    """Return some of the samples of a batch; what has no axis is for all of them."""
    return {
        key: value[index.to(value.device)] if value.dim() else value for key, value in batch.items()
    }


def shared(batch: Batch, number: int) -> Iterator[Batch]:
    """Share a batch evenly between the updates of a critic.

    Raises
    ------
    UserError
        If it can't be.

    """
    size = len(batch["y"])
    if size % number:
        raise UserError(
            f"trainer.batch_size={size}: a multiple of method.critic_steps={number}, the updates of"
            " the critic that share it evenly"
        )
    for index in torch.arange(size).chunk(number):
        yield taken(batch, index)


def drawn(batch: Batch, number: int) -> Batch:
    """Return as many samples of a batch, each about equally often, in random order."""
    order = torch.randperm(len(batch["y"]))
    return taken(batch, order.repeat(-(-number // len(order)))[:number])
