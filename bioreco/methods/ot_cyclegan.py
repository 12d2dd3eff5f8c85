"""OT-cycleGAN: unpaired restoration where the physics is known, partly known or unknown.

Eqs. (41) to (45) of the review; Sim, Oh, Kim, Jung and Ye, SIAM J. Imaging Sci. 13, 2020; Lim et
al., IEEE Trans. Comput. Imaging 6, 2020. The dual of an optimal transport between measured and
sharp images, whose cost is that of both directions, is a cycle and one or two critics:

    min_{G,H} max_{D_X,D_Y}  lambda (E ||y - H G(y)|| + E ||G(H x + n) - x||)
        + E D_X(x) - E D_X(G(y)) + E D_Y(y) - E D_Y(H x + n).

Norms are over all pixels of a sample, so that their slope is 1, as is that of the critics. Of the
first, what noise explains is taken off: else G explains the noise of y, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.camera import Camera
from bioreco.methods.constraints import Constraints
from bioreco.methods.distance import distance
from bioreco.methods.judges import Judges, Make, check_views
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.passage import Forward, Microscope, Scanner
from bioreco.methods.pool import Pool
from bioreco.methods.whitening import pieces
from bioreco.operators.convolution import cut
from bioreco.operators.learnable_psf import LearnablePSF

LOCAL: Mapping[str, Any] = {"blocks": 2, "head": "gap"}  # of a critic that a PSF is learnt from
WHITE = 0.5  # share that what it sees is whitened by


class OTCycleGAN(Method):
    """A generator that undoes the forward model, and a critic that knows sharp images.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape; what it puts out is added to its input.
    forward_model
        Its `operator()` maps sharp to measured images: `Blur` (then there is no D_Y, which G
        doesn't depend on), `LearnablePSF`, a network, or the generator itself, switched. That of
        MRI takes a batch, and images are those of undersampled k-space.
    dims, inputs, critic
        Spatial axes, channels, and what makes a critic of (b, inputs, y, x) of `inputs`. That of
        measurements from which a PSF is learnt has two blocks and the head "gap", and sees fine
        detail made stronger: it is to know how things are blurred, not by heart which and where.
    cycle
        lambda, of both cycles.
    identity
        Weight of E ||G(x) - x||, which keeps G from changing what is sharp already.
    pool
        Images of the past that the critics are shown; see `Pool`.
    noise
        "estimated": n is as strong as in the measurements at that signal, and ||y - H G(y)|| counts
        as far as it is more than noise; "none": n = 0.
    views
        Planes of stacks that critics see, each orientation one of its own: "xy", "xz", "yz".
    adversarial
        The loss of the critics.
    constraints
        Makes further constraints for `inputs` and `dims`; None: none.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    wants = ("sharp",)
    denoises = False
    real = True

    def __init__(
        self,
        network: nn.Module,
        forward_model: Any,
        dims: int,
        inputs: int,
        critic: Make,
        *,
        cycle: float = 10.0,
        identity: float = 0.0,
        pool: int = 50,
        noise: Literal["estimated", "none"] = "estimated",
        views: tuple[str, ...] = ("xy", "xz"),
        adversarial: Adversarial | None = None,
        constraints: Callable[..., Constraints] | None = None,
    ) -> None:
        super().__init__()
        _check(cycle, identity, pool)
        check_views("method.views", views)
        self.network, self.forward_model, self.dims = network, forward_model, dims
        views = tuple(views) if dims == 3 else ("xy",)
        self.shared = hasattr(forward_model, "switch")
        if self.shared:
            forward_model.switch(network)
        parameters = (
            list(forward_model.parameters()) if hasattr(forward_model, "parameters") else []
        )
        learnt = bool(parameters) or self.shared
        adversarial = adversarial or Adversarial()
        self.critics = Judges(critic, inputs, views, adversarial)
        judge = partial(critic, **LOCAL) if isinstance(forward_model, LearnablePSF) else critic
        self.measured_critics = Judges(judge, inputs, views if learnt else (), adversarial)
        self.constraints = (constraints or Constraints)(inputs=inputs, dims=dims)
        self.cycle, self.identity, self.noise = cycle, identity, noise == "estimated"
        self.pool, self.measured_pool = Pool(pool), Pool(pool if learnt else 0)
        scans = not isinstance(forward_model, nn.Module)
        passage = Scanner if scans else Microscope
        self.passage: Microscope | Scanner = passage(forward_model)

    def prepare(self, facts: Facts) -> None:
        """Learn the noise of the measurements, and what stands out in both domains."""
        self.passage.prepare(facts)
        self.constraints.prepare(facts)
        if isinstance(self.forward_model, LearnablePSF) and facts.images and facts.patch:
            measured = self.passage.seen(pieces(facts.images, facts.patch))
            self.measured_critics.whiten(measured, WHITE)

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the generator and its critic, and where H is learnt H and the critic of y."""
        H = self.forward_model.parameters() if isinstance(self.forward_model, nn.Module) else ()
        return {
            "critic": self.critics.parameters(),
            "network": [*self.network.parameters(), *self.constraints.parameters()],
            "measured_critic": self.measured_critics.parameters(),
            "forward": H,
        }

    def sharpen(self, y: Tensor) -> Tensor:
        """Return G(y)."""
        stride = getattr(self.network, "stride", None) or ()
        margins = [(-n) % k for n, k in zip(y.shape[2:], stride, strict=False)]
        if not any(margins):
            found: Tensor = y + self.network(y)
            return found
        wider = functional.pad(y, [part for n in reversed(margins) for part in (0, n)])
        return y + cut(self.network(wider), [0] * len(margins), y.shape[2:])

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update D_X, then D_Y where H is learnt, then G, then H where it isn't G itself."""
        y, x = self.passage.measured(batch), self._sharp(batch)
        made, blurred = self.sharpen(y), self.passage.remeasured(batch, noisy=self.noise)
        yield "critic", self.critics.judged(x, self.pool.swap(made))
        if self.measured_critics:
            shown = self.measured_pool.swap(self.passage.seen(blurred))
            yield "measured_critic", self.measured_critics.judged(self.passage.seen(y), shown)
        yield "network", self._sharpening(batch, y, x, made, blurred)
        if self.measured_critics and not self.shared:
            yield "forward", self._measuring(batch, y, made.detach(), blurred)
            if isinstance(self.forward_model, LearnablePSF):
                self.forward_model.restrain()

    def _sharpening(
        self, batch: Batch, y: Tensor, x: Tensor, made: Tensor, blurred: Tensor
    ) -> Losses:
        """Return what G minimises: its terms of Eq. (45), and the constraints asked for."""
        H, losses = self.passage.forward(batch), self.critics.fooled(made)
        if self.shared:
            losses["adversarial_measured"] = self._convincing(blurred)
        found = self.sharpen(blurred if self.shared else blurred.detach())
        losses["cycle"] = self.cycle * self._cycle(H(made), y, batch)
        losses["cycle_sharp"] = self.cycle * distance(found, x)
        if self.identity:
            losses["identity"] = self.identity * distance(self.sharpen(x), x)
        progress = float(batch["progress"]) if "progress" in batch else 0.0
        return losses | self.constraints.losses(y, made, progress)

    def _measuring(self, batch: Batch, y: Tensor, made: Tensor, blurred: Tensor) -> Losses:
        """Return what H minimises."""
        losses = {"adversarial": self._convincing(blurred)}
        weight = self.cycle * getattr(self.forward_model, "cycle", 1.0)
        if weight:
            losses["cycle"] = weight * self._cycle(self.passage.forward(batch)(made), y, batch)
        return losses

    def _cycle(self, again: Tensor, y: Tensor, batch: Batch) -> Tensor:
        """Return how much more than by noise H G(y) differs from y."""
        noise = self.passage.noise(again.detach(), batch) if self.noise else None
        return distance(again, y, noise)

    def _convincing(self, blurred: Tensor) -> Tensor:
        return self.measured_critics.fooled(self.passage.seen(blurred))["adversarial"]

    def _sharp(self, batch: Batch) -> Tensor:
        return self.passage.images(batch["sharp"])

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return the mean squared errors of both cycles."""
        H: Forward = self.passage.forward(batch)
        x, y = self._sharp(batch), self.passage.measured(batch)
        noisy = self.passage.remeasured(batch, noisy=self.noise)
        return {
            "cycle_sharp": (self.sharpen(noisy) - x).square().mean(),
            "cycle": (H(self.sharpen(y)) - y).square().mean(),
        }

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the generator once."""
        return Estimate(self.passage.estimate(self.sharpen(self.passage.measured(batch))))

    def get_extra_state(self) -> dict[str, float]:
        """Return the noise."""
        return asdict(self.passage.camera)

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Take it over."""
        self.passage.camera = Camera(**state)

    @property
    def augment(self) -> str:
        """As the PSF may be turned."""
        return str(getattr(self.forward_model, "symmetry", "turn"))

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo."""
        return getattr(self.network, "halo", None)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride, and whole measured pixels."""
        stride: tuple[int, ...] | None = getattr(self.network, "stride", None)
        down = int(getattr(self.forward_model, "down", 1))
        if down == 1:
            return stride
        own = stride or (1,) * self.dims
        return (*own[:-2], *(math.lcm(n, down) for n in own[-2:]))


def _check(cycle: float, identity: float, pool: int) -> None:
    if not cycle > 0 or identity < 0 or not 0 <= pool <= 10_000:
        raise UserError(
            f"method: cycle={cycle:g}, identity={identity:g}, pool={pool}: cycle above 0, identity"
            " not negative, 0 to 10000 images in the pool"
        )
