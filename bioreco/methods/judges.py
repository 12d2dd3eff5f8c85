"""Critics of stacks: one for each orientation of planes, sharing the judgement.

A stack has too few slices for critics in 3D, and its planes tell what is wrong along each axis:
planes across z look alike along y and x, planes across y show how far z is blurred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.method import Losses
from bioreco.methods.whitening import Whitening

VIEWS = {"xy": -3, "xz": -2, "yz": -1}  # axes of a stack that a plane lies across

Make = Callable[..., nn.Module]


class Judges(nn.ModuleList):
    """A critic for each orientation.

    Parameters
    ----------
    make
        Makes a critic of images with `inputs` channels.
    inputs
        Channels.
    views
        Orientations of planes; images have "xy" alone.
    adversarial
        The loss.

    """

    def __init__(
        self, make: Make, inputs: int, views: Sequence[str], adversarial: Adversarial
    ) -> None:
        super().__init__(make(inputs=inputs) for _ in views)
        self.views, self.adversarial = tuple(views), adversarial
        self._whitening: list[Whitening] = []

    def whiten(self, images: Tensor, share: float) -> None:
        """Show all detail of planes closer in strength: see `Whitening`.

        Parameters
        ----------
        images
            Measurements of the size that is judged (b, c, [z,] y, x).
        share
            0 leaves them, 1 makes all frequencies equally strong.

        """
        self._whitening = [Whitening(planes(images, view), share) for view in self.views]

    def judged(self, real: Tensor, fake: Tensor) -> Losses:
        """Return what the critics minimise, each with its planes."""
        return self._means(
            lambda critic, view: self.adversarial.critic_losses(
                critic, self._shown(real, view), self._shown(fake, view)
            )
        )

    def fooled(self, fake: Tensor) -> Losses:
        """Return what the maker of an image minimises."""
        return self._means(
            lambda critic, view: self.adversarial.generator_losses(critic, self._shown(fake, view))
        )

    def _shown(self, images: Tensor, view: str) -> Tensor:
        """Return planes as the critic of a view sees them."""
        found = planes(images, view)
        return self._whitening[self.views.index(view)](found) if self._whitening else found

    def _means(self, losses_of: Callable[[nn.Module, str], Losses]) -> Losses:
        found: Losses = {}
        for critic, view in zip(self, self.views, strict=True):
            for key, loss in losses_of(critic, view).items():
                found[key] = found.get(key, 0.0) + loss / len(self.views)
        return found


def planes(x: Tensor, view: str) -> Tensor:
    """Return images as they are, and stacks as planes (b * n, c, ., .)."""
    if x.dim() == 4:
        return x
    return x.movedim(VIEWS[view], 1).flatten(0, 1)


def check_views(key: str, views: Sequence[str]) -> None:
    """Refuse orientations that there aren't.

    Raises
    ------
    UserError
        If there is none, or an unknown one.

    """
    for view in views:
        if view not in VIEWS:
            raise UserError(
                f"{key}={list(views)}: any of {', '.join(VIEWS)}." + nearest(view, VIEWS)
            )
    if not views:
        raise UserError(f"{key}=[]: at least one of {', '.join(VIEWS)}")
