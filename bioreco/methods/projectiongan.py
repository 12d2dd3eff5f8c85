"""projectionGAN: a missing cone filled by what unblurred projections look like (Fig. 10).

Parallel projections of a tomogram are clean along directions whose central plane misses the cone of
unknown frequencies, and blurred along the others. A generator G makes the blurred ones y look like
the clean ones x, which are unpaired with them; filtered back-projection makes a volume of both,
into which the measured frequencies are put back. Scales are those of f
throughout, so that refractive indices keep their units.

    min_G max_D  cycle E ||G(H x) - x|| + E D(x) - E D(G(y)),    H x = M x,

M keeps the frequencies that were measured of a projection. That is known, so H is no network, and
G(y) = M y + (1 - M)(y + network(y)) leaves the other cycle, H G(y) = y, nothing to do.

References
----------
.. [1] H. Chung, J. Huh, G. Kim, Y. K. Park, J. C. Ye, "Missing cone artifact removal in ODT using
   unsupervised deep learning in the projection domain", IEEE Trans. Comput. Imaging 7, 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.directions import Directions
from bioreco.methods.distance import distance
from bioreco.methods.method import Batch, Estimate, Facts, Losses
from bioreco.methods.pool import Pool
from bioreco.methods.tomography import Tomography, gerchberg_papoulis
from bioreco.operators import parallel
from bioreco.operators.fourier_bins import Bins
from bioreco.operators.odt import ODT

TOGETHER = 32  # projections that the network sees at a time
SCALE = 3.0  # standard deviations of clean projections that become 1
_TINY = 1e-8


@dataclass(frozen=True)
class Projected:
    """The projections of one tomogram.

    Attributes
    ----------
    blurred, clean
        (n, y, x) and (m, y, x), in the units of f times voxels.
    seen
        (n, y, x): 1 where a frequency of a blurred one was measured, unshifted.

    """

    blurred: Tensor
    seen: Tensor
    clean: Tensor


class ProjectionGAN(Tomography):
    """Enhance projections, then make a volume of them.

    Parameters
    ----------
    network
        Maps (b, 1, y, x) to the same shape; what it puts out is added to its input.
    forward_model
        Rytov or Born.
    critic
        Judges images (b, 1, y, x).
    start
        The volume that is projected: "gerchberg_papoulis" or "rytov".
    iterations
        Of Gerchberg-Papoulis.
    cycle
        Weight of E ||G(H x) - x||, the mean norm over the pixels of a projection.
    critic_steps
        Updates of the critic for each of the generator.
    pool
        Images of the past that the critic is shown; see `Pool`.
    finish
        Turns of positivity and measured frequencies after the back-projection.
    directions
        What is projected along.
    adversarial
        The loss of the critic.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        network: nn.Module,
        forward_model: ODT,
        critic: nn.Module,
        *,
        start: Literal["gerchberg_papoulis", "rytov"] = "gerchberg_papoulis",
        iterations: int = 100,
        cycle: float = 10.0,
        critic_steps: int = 1,
        pool: int = 50,
        finish: int = 1,
        directions: Directions | None = None,
        adversarial: Adversarial | None = None,
    ) -> None:
        super().__init__(forward_model)
        _check(iterations, cycle, critic_steps, finish)
        self.network, self.critic, self.pool = network, critic, Pool(pool)
        self.iterations = iterations if start == "gerchberg_papoulis" else 0
        self.directions = directions or Directions()
        self.cycle, self.critic_steps, self.finish = cycle, critic_steps, finish
        self.adversarial = adversarial or Adversarial()
        self.register_buffer("unit", torch.ones(()))
        self.unit: Tensor

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the critic and the generator."""
        return {"critic": self.critic.parameters(), "network": self.network.parameters()}

    def prepare(self, facts: Facts) -> None:
        """Learn one scale for all projections."""
        if facts.images:
            self.unit.fill_(SCALE * float(torch.cat(list(facts.images)).std()) + _TINY)

    @torch.no_grad()
    def projections(self, batch: Batch) -> Projected:
        """Return what is learnt from one tomogram."""
        bins = self.bins(batch)
        volume, region = self._start(bins), bins.region()
        poses = self.directions.every
        poses = poses[self.directions.blurred(poses)]
        seen = parallel.planes(region, poses)
        blurred = parallel.kept(parallel.project(volume, poses), seen)
        return Projected(blurred, seen.bool(), parallel.project(volume, self.directions.near))

    def enhance(self, y: Tensor, seen: Tensor) -> Tensor:
        """Return G(y) of projections (b, 1, y, x), of which `seen` (b, y, x) was measured."""
        found: Tensor = y + self.network(y)
        return y + parallel.kept(found, 1 - seen[:, None])

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update the critic some times, then the generator."""
        y, x = batch["y"] / self.unit, batch["x"] / self.unit
        seen, lost = batch["seen"], batch["lost"]
        for _ in range(self.critic_steps):
            with torch.no_grad():
                made = self.pool.swap(self.enhance(y, seen))
            yield "critic", self.adversarial.critic_losses(self.critic, x, made)
        losses = self.adversarial.generator_losses(self.critic, self.enhance(y, seen))
        back = self.enhance(parallel.kept(x, lost[:, None]), lost)
        losses["cycle"] = self.cycle * distance(back, x)
        yield "network", losses

    @torch.no_grad()
    def validate(self, batch: Batch) -> Losses:
        """Return by how much a clean projection is missed once it was blurred."""
        x, lost = batch["x"] / self.unit, batch["lost"]
        return {"cycle": distance(self.enhance(parallel.kept(x, lost[:, None]), lost), x)}

    @torch.no_grad()
    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the refractive index (1, 1, z, y, x) of a tomogram; of projections, G(y)."""
        if "seen" in batch:
            return Estimate(self.enhance(batch["y"] / self.unit, batch["seen"]) * self.unit)
        return super().reconstruct(batch)

    def potential(self, bins: Bins, scale: float) -> Tensor:  # noqa: ARG002
        """Return f of the enhanced projections, with what was measured put back."""
        found = parallel.back_project(self.enhanced(bins), self.directions.every)
        return gerchberg_papoulis(bins, found, self.finish)

    def enhanced(self, bins: Bins) -> Tensor:
        """Return the projections (n, y, x) of every direction, the blurred ones enhanced."""
        images = parallel.project(self._start(bins), self.directions.every)
        return self.again(images, bins)

    def again(self, images: Tensor, bins: Bins) -> Tensor:
        """Return projections (n, y, x) of every direction, the blurred ones as G makes them."""
        poses, region, found = self.directions.every, bins.region(), images.clone()
        blurred = self.directions.blurred(poses).nonzero()[:, 0]
        for some in torch.split(blurred, TOGETHER):
            seen = parallel.planes(region, poses[some]).to(images)
            y = parallel.kept(images[some], seen)[:, None] / self.unit
            found[some] = self.enhance(y, seen)[:, 0] * self.unit
        return found

    def by_axis(self, bins: Bins) -> Tensor:
        """Return f (axes, z, y, x) of the directions about each axis alone."""
        count = len(self.directions.axes)
        parts = zip(
            self.enhanced(bins).chunk(count), self.directions.every.chunk(count), strict=True
        )
        each = [parallel.back_project(images, poses) for images, poses in parts]
        return torch.stack([gerchberg_papoulis(bins, f, self.finish) for f in each])

    def _start(self, bins: Bins) -> Tensor:
        return gerchberg_papoulis(bins, bins.volume(bins.values), self.iterations)


def _check(iterations: int, cycle: float, critic_steps: int, finish: int) -> None:
    if min(iterations, critic_steps, finish) < 1 or not cycle > 0:
        raise UserError(
            f"method: iterations={iterations}, critic_steps={critic_steps}, finish={finish},"
            f" cycle={cycle:g}: at least 1 of each, cycle above 0"
        )
