"""Zero-shot: learn from the two halves of one noisy image's checkerboard, in seconds.

The black and the white pixels of a checkerboard, each pushed together along a row or a column,
are two images of half the size that show the same scene with other noise: a pair of Noise2Noise
out of one measurement. The network learns to predict one from the other, and is then applied to
the image itself. The noise must have zero mean and be independent from pixel to pixel.

J. Lequyer et al., "A fast blind zero-shot denoiser", Nature Machine Intelligence 4, 2022
(Noise2Fast); Y. Mansour and R. Heckel, "Zero-Shot Noise2Noise", CVPR 2023; Eq. (9) of the review.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bioreco.methods import draws
from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Losses, Method


def halves(values: Tensor, black: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return the pixels of one colour of a checkerboard, and those of the other.

    Parameters
    ----------
    values
        Images (b, c, [z,] y, x); a last odd row or column has no partner and is left out.
    black
        Whether a sample's first half has the colour of its first pixel (b,), bool.
    axis
        Along which the pixels are pushed together: -1 for x, -2 for y.

    Returns
    -------
    tuple of Tensor
        Two images, half as long along that axis, that show the same scene a pixel apart.

    """
    lines = values.movedim(axis, -1)
    pairs = lines[..., : lines.shape[-1] // 2 * 2].reshape(*lines.shape[:-1], -1, 2)
    row = torch.arange(lines.shape[-2], device=values.device) % 2 == 0
    first = row[:, None] == black.view(-1, *[1] * (values.dim() - 1))
    one, other = pairs.unbind(-1)
    found = torch.where(first, one, other), torch.where(first, other, one)
    return found[0].movedim(-1, axis), found[1].movedim(-1, axis)


class ZeroShot(Method):
    """One network, trained on halves of the image and applied to the whole.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.

    Notes
    -----
    As in Noise2Fast the halves are cut, not averaged, so that they are as noisy as the image that
    the network is applied to. Unlike there, the network is fully convolutional and sees patches,
    which are turned and mirrored; a squared error keeps the mean of counts; the average of the
    weights takes the place of the mean of the last predictions. Slices of stacks are cut in their
    plane, since planes lie further apart.

    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise the squared error between a half's prediction and the other half."""
        black = draws.uniform(batch["seed"], 1)[:, 0] < 0.5
        axis = -1 if bool(draws.uniform(batch["seed"][:1], 1, stream=1) < 0.5) else -2
        yield "network", {"mse": self._error(batch, "target", black, axis)}

    def validate(self, batch: Batch) -> Losses:
        """Return the same error on the pixels that are never trained on, over all four pairs."""
        every = torch.ones_like(batch["seed"], dtype=torch.bool)
        pairs = itertools.product((every, ~every), (-1, -2))
        return {"mse": torch.stack([self._error(batch, "held", *pair) for pair in pairs]).mean()}

    def _error(self, batch: Batch, which: str, black: Tensor, axis: int) -> Tensor:
        seen, other = halves(batch["y"], black, axis)
        _, counted = halves(batch[which], black, axis)
        return masked_mse(self.network(seen), other, counted)

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the network once to the whole image."""
        return Estimate(self.network(batch["y"]))

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo."""
        return getattr(self.network, "halo", None)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """Twice the network's stride in the plane, so that halves of patches fit the network."""
        stride = getattr(self.network, "stride", None)
        return None if stride is None else (*stride[:-2], *(2 * n for n in stride[-2:]))
