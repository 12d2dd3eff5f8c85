"""Patches of pure noise, to make simulated images as noisy as the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.data.image import times
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.stacks import folders_of, named_stacks, stack_alone
from bioreco.data.particles.star import block_of, read_star
from bioreco.data.particles.values import Image, ParticleSet, Source
from bioreco.data.paths import missing
from bioreco.errors import UserError


@dataclass(frozen=True)
class Pool:
    """Patches of background, shared by the particles of a micrograph where that is known.

    Attributes
    ----------
    source
        The patches.
    preparation
        How they are brought to the size and scale of particles.
    groups
        The numbers of the patches of each micrograph; empty: all patches are for all particles.
    name
        The file.

    """

    source: Source
    preparation: Preparation
    groups: Mapping[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)
    name: str = ""

    def __len__(self) -> int:
        return len(self.source)

    def draw(self, micrograph: int | None, seed: int) -> Image:
        """Return one of the patches (y, x) of a micrograph, mean 0 and standard deviation 1."""
        rng = np.random.default_rng([37, seed])
        own = self.groups.get(micrograph) if micrograph is not None else None
        k = int(rng.integers(len(self)) if own is None else rng.choice(own))
        return self.preparation.noise(self.source.read(k), self.source.where(k))


def read_pool(
    path: Path, particles: ParticleSet, preparation: Preparation, *, root: str | None
) -> Pool:
    """Open patches of background.

    Parameters
    ----------
    path
        An MRC stack, or a STAR file that says which micrograph (rlnMicrographName) a patch is from.
        A stack of as many patches as there are particles has one for each, in their order.
    particles
        The particles they belong to.
    preparation
        How they are brought to the size and scale of particles.
    root
        The folder that the names in a STAR file start from.

    Raises
    ------
    UserError
        If there are none, or their box isn't that of the particles.

    """
    if not path.is_file():
        raise missing(path)
    names: Sequence[str] = ()
    if path.suffix.lower() == ".star":
        block = block_of(read_star(path), ["particles", "backgrounds", "images", ""], path.name)
        if "rlnImageName" not in block or not len(block):
            raise UserError(f"{path.name} names no background patches (rlnImageName).")
        images = block.column("rlnImageName")
        source = named_stacks(path.name, images, block.lines, folders_of(path, root))
        if "rlnMicrographName" in block:
            names = block.column("rlnMicrographName")
    else:
        source = stack_alone(path)
    if source.box != particles.box:
        raise UserError(
            f"{path.name}: background patches are {times((source.box, source.box))} pixels,"
            f" particles {times((particles.box, particles.box))}."
        )
    return Pool(source, preparation, _groups(names, len(source), particles), path.name)


def _groups(
    names: Sequence[str], count: int, particles: ParticleSet
) -> Mapping[int, NDArray[np.int64]]:
    """Sort the patches by micrograph, if that is known."""
    if particles.micrographs is None:
        return {}
    if names:
        numbers = {name: k for k, name in enumerate(particles.micrograph_names)}
        each = np.array([numbers.get(name, -1) for name in names])
    elif count == len(particles):
        each = particles.micrographs
    else:
        return {}
    return {int(k): np.flatnonzero(each == k) for k in np.unique(each) if k >= 0}
