"""Self2Self: predict a random part of the image from the rest, and average over many such views.

In each step a Bernoulli mask hides a part of the pixels, and the network with dropout in its
decoder predicts them from the others. At the end many predictions, each with a mask and a dropout
of its own, are averaged: an ensemble that costs the training of one network.
Y. Quan, M. Chen, T. Pang and H. Ji, "Self2Self with dropout", CVPR 2020; Eq. (15) of the review.
The noise must have zero mean and be independent from pixel to pixel.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import draws, masking
from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Losses, Method

VALIDATED = 4  # predictions that validation averages


class Self2Self(Method):
    """One network with dropout, trained on random parts of the pixels, averaged over many views.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape, and lets features be dropped in its decoder.
    keep
        Share of the pixels that the network sees.
    dropout
        Share of the features that are dropped in the decoder, in training and afterwards.
    passes
        Predictions that are averaged, for each orientation of the image (of which there are 8,
        unless inference.augment=false).

    Raises
    ------
    UserError
        If an option is out of range, or the network has no room for dropout.

    Notes
    -----
    A hidden pixel shows the weighted mean of those neighbours that are seen. That is a partial
    convolution with fixed weights: unlike zeros divided by `keep` it keeps the brightness. Where
    no neighbour is seen either, it shows the mean of the image, 0 on the network's scale.

    Masks and dropout are functions of the seed, of the prediction's number and of the place in the
    image, so that neighbouring tiles share them. Mean and spread are updated prediction by
    prediction (Welford 1962): memory does not grow with `passes`.

    The standard deviation is the spread of single predictions over masks and dropout: how much
    the answer depends on which pixels and features were looked at. It is large where the image is
    hard to predict. It is not the error of the mean: it knows nothing of what all predictions get
    wrong alike, such as structure that the network smooths away, and most of the spread averages
    out. An interval made of it needs calibration before it may be called one.

    The authors train 150 000 steps on whole images; the default here is that of all methods.

    """

    uncertain = True

    def __init__(
        self, network: nn.Module, *, keep: float = 0.7, dropout: float = 0.3, passes: int = 8
    ) -> None:
        super().__init__()
        if not 0.1 <= keep <= 0.95:
            raise UserError(f"method.keep={keep}: a share of the pixels, 0.1 to 0.95")
        if not 0 <= dropout <= 0.9:
            raise UserError(f"method.dropout={dropout}: a share of the features, 0 to 0.9")
        if passes < 2:
            raise UserError(f"method.passes={passes}: at least 2, to know their spread")
        if "drop" not in inspect.signature(network.forward).parameters:
            raise UserError("method=self2self needs a network that can drop features: network=unet")
        self.network = network
        self.keep, self.dropout, self.passes = keep, dropout, passes

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise the squared error on the pixels that were hidden."""
        hidden = self._hidden(batch, 0)
        x = self._predict(batch, hidden, 0)
        yield "network", {"mse": masked_mse(x, batch["y"], hidden & batch["target"])}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error of an average on the pixels that are never trained on."""
        x = torch.zeros_like(batch["y"])
        for number in range(VALIDATED):
            hidden = self._hidden(batch, number) | batch["held"]
            x += self._predict(batch, hidden, number).to(x.dtype) / VALIDATED
        return {"mse": masked_mse(x, batch["y"], batch["held"])}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return mean and standard deviation of the predictions."""
        mean, squares = torch.zeros_like(batch["y"]), torch.zeros_like(batch["y"])
        for number in range(self.passes):
            x = self._predict(batch, self._hidden(batch, number), number).to(mean.dtype)
            away = x - mean
            mean += away / (number + 1)
            squares += away * (x - mean)
        return Estimate(mean, (squares / (self.passes - 1)).sqrt())

    def _hidden(self, batch: Batch, number: int) -> Tensor:
        """Return the pixels that a prediction doesn't see."""
        y = batch["y"]
        return ~draws.chosen_at(
            batch["seed"], _start(batch), y.shape[2:], y.shape[1], share=self.keep,
            stream=number << 8,
        )  # fmt: skip

    def _predict(self, batch: Batch, hidden: Tensor, number: int) -> Tensor:
        def drop(features: Tensor, level: int) -> Tensor:
            start = _start(batch).clone()
            start[:, -2:] //= 2**level
            kept = draws.chosen_at(
                batch["seed"], start, features.shape[2:], features.shape[1],
                share=1 - self.dropout, stream=(number << 8) + level + 1,
            )  # fmt: skip
            return features * kept / (round(256 * (1 - self.dropout)) / 256)

        x: Tensor = self.network(masking.interpolate(batch["y"], hidden), drop=drop)
        return x

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo, and a pixel more since hidden pixels are filled from neighbours."""
        halo = getattr(self.network, "halo", None)
        return None if halo is None else tuple(n + 1 for n in halo)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride."""
        return getattr(self.network, "stride", None)


def _start(batch: Batch) -> Tensor:
    """Return where the samples begin; patches of training have places of their own."""
    y = batch["y"]
    return batch.get("start", torch.zeros(len(y), y.dim() - 2, dtype=torch.int64, device=y.device))
