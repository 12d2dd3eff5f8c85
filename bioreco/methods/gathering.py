"""The mean of many losses, in the memory of one.

Each loss is differentiated as soon as it is known, and its graph is freed before the next one is
computed. What is returned behaves as the mean would: its gradient is the mean of the gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bioreco.methods.method import Losses


def gathered(each: Iterable[Losses], parameters: Sequence[nn.Parameter]) -> Losses:
    """Return the mean of each of the losses.

    Parameters
    ----------
    each
        Losses with the same names, computed one after another as they are asked for.
    parameters
        What they depend on; all gradients end there.

    """
    means: Losses = {}
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    count = 0
    for losses in each:
        total = torch.stack(list(losses.values())).sum()
        if total.requires_grad:
            for sum_, gradient in zip(
                gradients, torch.autograd.grad(total, parameters, allow_unused=True), strict=True
            ):
                if gradient is not None:
                    sum_ += gradient
        for key, value in losses.items():
            means[key] = means.get(key, 0) + value.detach()
        count += 1
        del losses, total
    first, *others = means
    known: Callable[..., Tensor] = _Known.apply
    mean = known(means[first] / count, [gradient / count for gradient in gradients], *parameters)
    return {first: mean} | {key: means[key] / count for key in others}


class _Known(torch.autograd.Function):
    """A value whose gradients are known already."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, gradients: Sequence[Tensor], *_parameters: Tensor
    ) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(above * gradient for gradient in ctx.gradients))
