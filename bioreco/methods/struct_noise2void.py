"""StructN2V: Noise2Void for noise that neighbouring pixels share.

A blind spot alone does not blind the network to such noise: it can be read off the neighbours. So
the neighbours that share it are hidden too; only the pixel in the middle is predicted. Broaddus et
al., ISBI 2020; the blind set is the middle and all lags where the noise correlates.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import blind_shapes, draws, masking
from bioreco.methods.method import Batch, Facts, Losses
from bioreco.methods.noise2void import Noise2Void
from bioreco.metrics.noise_autocorrelation import noise_autocorrelation
from bioreco.metrics.noise_curve import ALIKE

log = logging.getLogger("bioreco")

FILLS = ("sample", "mean")
CROWDED = 0.3  # share of the pixels that may be hidden at once
FOUND, NAMED = 8, 4  # pixels that a mask reaches, at most where it is found


class StructNoise2Void(Noise2Void):
    """Blind spots of a shape, of which only the middle is predicted.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.
    mask
        What is hidden around a predicted pixel: "horizontal" (along x), "vertical" (along y),
        "cross", "square", or rows of 0 and 1 with odd sides, for stacks planes of such rows, too.
        "auto" finds it from the autocorrelation of the noise; where neighbours don't share noise,
        the method is Noise2Void.
    extent
        Pixels that a named mask reaches from its middle (4 if not given), or that "auto" reaches
        at most (8 if not given).
    threshold
        Correlation of the noise from which "auto" hides a neighbour.
    density
        Fraction of the pixels predicted in each step; fewer where their masks would hide more than
        three pixels in ten.
    replacement
        What hidden pixels show: each a random "sample" of the pixels of the patch, which the
        network learns not to look at, or the weighted "mean" of the pixels around them that are not
        hidden, which look smoother than anything that it is applied to.
    joint
        Predict the same pixels in all channels of a multi-channel network.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        network: nn.Module,
        *,
        mask: str | list[Any] = "auto",
        extent: int | None = None,
        threshold: float = 0.1,
        density: float = 0.06,
        replacement: str = "sample",
        joint: bool = False,
    ) -> None:
        super().__init__(network, density=density, joint=joint)
        if replacement not in FILLS:
            raise UserError(
                f"method.replacement={replacement}: choose one of {', '.join(FILLS)}."
                + nearest(replacement, FILLS)
            )
        if extent is not None and not 1 <= extent <= 32:
            raise UserError(f"method.extent={extent}: 1 to 32 pixels, or null")
        if not 0 < threshold < 1:
            raise UserError(f"method.threshold={threshold}: a correlation between 0 and 1")
        self.auto, self.extent, self.threshold = mask == "auto", extent, threshold
        self.shown = replacement
        dims = getattr(network, "dims", 2)
        if self.auto:
            self.shape = blind_shapes.alone(dims)
        elif isinstance(mask, str):
            self.shape = blind_shapes.named(mask, extent or NAMED, dims)
        else:
            self.shape = blind_shapes.given(mask, dims)

    @property
    def augment(self) -> str:
        """How patches may be turned without turning noise out of the mask's direction."""
        return blind_shapes.turning(self.shape)

    def check(self, patch: Sequence[int]) -> None:
        """Refuse masks that are wider than a patch."""
        if any(n > pixels for n, pixels in zip(self.shape.shape, patch, strict=True)):
            wide, room = (" x ".join(map(str, n)) for n in (self.shape.shape, patch))
            raise UserError(
                f"method.mask is {wide} pixels, which does not fit patches of {room}: lower"
                " method.extent, or raise data.patch"
            )

    def prepare(self, facts: Facts) -> None:
        """Find the mask, if that is asked for."""
        if not self.auto:
            return
        planes = [channel.numpy() for image in facts.images for channel in image]
        found = noise_autocorrelation(planes, reach=self.extent or FOUND)
        if found.largest > ALIKE:
            shape = blind_shapes.measured(found, self.threshold)
            most = [(n - 1) // 2 for n in facts.patch or shape.shape]
            self.shape = blind_shapes.within(shape, most)
        if self.shape.sum() == 1:
            log.info(
                "Noise is not shared by neighbouring pixels (correlations are %.2f at most), so"
                " only the predicted pixels are hidden, as n2v does.",
                found.largest,
            )
            return
        reach = zip("ZYX"[-self.shape.dim() :], self.shape.shape, strict=True)
        log.info(
            "Noise is shared by pixels up to %s apart (correlations up to %.2f): %d are hidden"
            " around each that is predicted.",
            " and ".join(f"{n // 2} along {axis}" for axis, n in reach if n > 1),
            found.largest,
            int(self.shape.sum()) - 1,
        )

    @property
    def spots(self) -> float:
        """Fraction of the pixels that are predicted at once."""
        return min(self.density, CROWDED / int(self.shape.sum()))

    def blind_spots(self, batch: Batch) -> Tensor:
        """Draw one pixel in each box."""
        return masking.stratified(batch["y"], self.spots, batch["seed"], joint=self.joint)

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on some of the pixels that are never trained on.

        Where masks are large, hiding all of those at once would leave too little to see.
        """
        held = batch["held"]
        u = draws.uniform(batch["seed"], held[0].numel(), stream=3).view_as(held)
        share = self.spots / held.float().mean().clamp(min=1e-6)
        return super().validate({**batch, "held": held & (u < share)})

    def fill(self, batch: Batch, mask: Tensor) -> Tensor:
        """Replace the predicted pixels and the neighbours that share their noise."""
        if self.shape.sum() == 1:
            return super().fill(batch, mask)
        y, hidden = batch["y"], masking.spread(mask, self.shape)
        if self.shown == "mean":
            return masking.smooth(y, hidden, [n // 2 for n in self.shape.shape])
        return masking.scatter(y, hidden, batch["seed"])

    def get_extra_state(self) -> dict[str, Tensor]:
        """Keep the mask, which may have been measured."""
        return {"shape": self.shape}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Take over the mask."""
        self.shape = state["shape"].cpu()
