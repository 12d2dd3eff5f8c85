"""OT-cycleGAN: unpaired restoration where the physics is known, partly known or unknown.

Eqs. (41) to (45) of the review; Sim, Oh, Kim, Jung and Ye, SIAM J. Imaging Sci. 13, 2020; Lim et
al., IEEE Trans. Comput. Imaging 6, 2020. The dual of an optimal transport between measured and
sharp images, whose cost is that of both directions, is a cycle and one or two critics:

    min_{G,H} max_{D_X,D_Y}  lambda (E ||y - H G(y)|| + E ||G(H x + n) - x||)
        + E D_X(x) - E D_X(G(y)) + E D_Y(y) - E D_Y(H x + n).

Norms are over all pixels of a sample, so that their slope is 1, as is that of the critics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.method import Batch, Estimate, Facts, Losses, Method
from bioreco.methods.pool import Pool
from bioreco.methods.setting import noise_of
from bioreco.operators.blur import LearnablePSF

VIEWS = {"xy": -3, "xz": -2, "yz": -1}  # axes of a stack that a plane lies across
_TINY = 1e-8

Critic = Callable[..., nn.Module]


class OTCycleGAN(Method):
    """A generator that undoes the forward model, and a critic that knows sharp images.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape; what it puts out is added to its input.
    forward_model
        Its `operator()` maps sharp to measured images: `Blur` (then there is no D_Y, which G
        doesn't depend on), `LearnablePSF`, or a network.
    dims, inputs, critic
        Spatial axes, channels, and what makes a critic of (b, inputs, y, x) of `inputs`.
    cycle
        lambda, of both cycles.
    identity
        Weight of E ||G(x) - x||, which keeps G from changing what is sharp already.
    pool
        Images of the past that the critics are shown; see `Pool`.
    noise
        "estimated": n is as strong as in the measurements at that signal; "none": n = 0.
    views
        Planes of stacks that critics see, each orientation one of its own: "xy", "xz", "yz".
    adversarial
        The loss of the critics.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    wants = ("sharp",)
    denoises = False

    def __init__(
        self,
        network: nn.Module,
        forward_model: Any,
        dims: int,
        inputs: int,
        critic: Critic,
        *,
        cycle: float = 10.0,
        identity: float = 0.0,
        pool: int = 50,
        noise: Literal["estimated", "none"] = "estimated",
        views: tuple[str, ...] = ("xy", "xz"),
        adversarial: Adversarial | None = None,
    ) -> None:
        super().__init__()
        _check(cycle, identity, pool, views)
        self.network, self.forward_model, self.dims = network, forward_model, dims
        self.views = tuple(views) if dims == 3 else ("xy",)
        learnt = any(True for _ in forward_model.parameters())
        self.critics = nn.ModuleList(critic(inputs=inputs) for _ in self.views)
        self.measured_critics = nn.ModuleList(
            critic(inputs=inputs) for _ in (self.views if learnt else ())
        )
        self.cycle, self.identity, self.noise = cycle, identity, noise
        self.pool, self.measured_pool = Pool(pool), Pool(pool if learnt else 0)
        self.adversarial = adversarial or Adversarial()
        self.camera = {"gain": 0.0, "offset": 0.0, "read": 0.0}

    def prepare(self, facts: Facts) -> None:
        """Learn the noise of the measurements."""
        found = [noise_of(facts, k, 0, float(unit[0])) for k, (_, unit) in enumerate(facts.scales)]
        if not found:
            return
        gain, offset, read, sigma = (
            sum(one[key] for one in found) / len(found)
            for key in ("gain", "offset", "read_noise", "sigma")
        )
        self.camera = {"gain": gain, "offset": offset, "read": read if gain > 0 else sigma}

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the generator and its critic, and where H is learnt H and the critic of y."""
        return {
            "critic": self.critics.parameters(),
            "network": self.network.parameters(),
            "measured_critic": self.measured_critics.parameters(),
            "forward": self.forward_model.parameters(),
        }

    def sharpen(self, y: Tensor) -> Tensor:
        """Return G(y)."""
        found: Tensor = y + self.network(y)
        return found

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update D_X, then G, and where H is learnt D_Y, then H."""
        y, x = batch["y"], batch["sharp"]
        H = self.forward_model.operator()
        with torch.no_grad():
            made = self.sharpen(y)
        yield "critic", self._judged(self.critics, x, self.pool.swap(made))
        blurred = self._noisy(H(x), batch).detach()
        made = self.sharpen(y)
        losses = self._fooled(self.critics, made)
        losses["cycle"] = self.cycle * _distance(H(made), y)
        losses["cycle_sharp"] = self.cycle * _distance(self.sharpen(blurred), x)
        if self.identity:
            losses["identity"] = self.identity * _distance(self.sharpen(x), x)
        yield "network", losses
        if not self.measured_critics:
            return
        shown = self.measured_pool.swap(blurred)
        yield "measured_critic", self._judged(self.measured_critics, y, shown)
        with torch.no_grad():
            made = self.sharpen(y)
        H = self.forward_model.operator()
        losses = self._fooled(self.measured_critics, self._noisy(H(x), batch))
        losses["cycle"] = self.cycle * _distance(H(made), y)
        yield "forward", losses
        if isinstance(self.forward_model, LearnablePSF):
            self.forward_model.restrain()

    def _judged(self, critics: nn.ModuleList, real: Tensor, fake: Tensor) -> Losses:
        """Return what the critics minimise, each with its planes."""
        found: Losses = {}
        for critic, view in zip(critics, self.views, strict=True):
            losses = self.adversarial.critic_losses(
                critic, _planes(real, view), _planes(fake, view)
            )
            for key, loss in losses.items():
                found[key] = found.get(key, 0.0) + loss / len(self.views)
        return found

    def _fooled(self, critics: nn.ModuleList, fake: Tensor) -> Losses:
        found: Losses = {}
        for critic, view in zip(critics, self.views, strict=True):
            for key, loss in self.adversarial.generator_losses(critic, _planes(fake, view)).items():
                found[key] = found.get(key, 0.0) + loss / len(self.views)
        return found

    def _noisy(self, clean: Tensor, batch: Batch) -> Tensor:
        """Return H x + n on the network's scale."""
        if self.noise == "none":
            return clean
        shape = (*batch["unit"].shape, *[1] * self.dims)
        unit, shift = batch["unit"].view(shape), batch["shift"].view(shape)
        level = clean.detach() * unit + shift - self.camera["offset"]
        variance = (self.camera["gain"] * level).clamp(min=0) + self.camera["read"] ** 2
        return clean + variance.sqrt() / unit * torch.randn_like(clean)

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return the mean squared errors of both cycles."""
        H = self.forward_model.operator()
        x, y = batch["sharp"], batch["y"]
        noisy = self._noisy(H(x), {key: batch[key][: len(x)] for key in ("unit", "shift")})
        return {
            "cycle_sharp": (self.sharpen(noisy) - x).square().mean(),
            "cycle": (H(self.sharpen(y)) - y).square().mean(),
        }

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the generator once."""
        return Estimate(self.sharpen(batch["y"]))

    def get_extra_state(self) -> dict[str, float]:
        """Return the noise."""
        return self.camera

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Take it over."""
        self.camera = dict(state)

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


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean over samples of the norm over pixels."""
    return ((a - b).flatten(1).square().sum(1) + _TINY).sqrt().mean()


def _planes(x: Tensor, view: str) -> Tensor:
    """Return images as they are, and stacks as planes (b * n, c, ., .)."""
    if x.dim() == 4:
        return x
    return x.movedim(VIEWS[view], 1).flatten(0, 1)


def _check(cycle: float, identity: float, pool: int, views: Sequence[str]) -> None:
    if not cycle > 0 or identity < 0 or not 0 <= pool <= 10_000:
        raise UserError(
            f"method: cycle={cycle:g}, identity={identity:g}, pool={pool}: cycle above 0, identity"
            " not negative, 0 to 10000 images in the pool"
        )
    for view in views:
        if view not in VIEWS:
            raise UserError(
                f"method.views={list(views)}: any of {', '.join(VIEWS)}." + nearest(view, VIEWS)
            )
    if not views:
        raise UserError(f"method.views=[]: at least one of {', '.join(VIEWS)}")
