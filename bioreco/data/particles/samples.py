"""Particles as batches: normalised images with their CTF, and what else a method wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.pool import Pool
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.values import Image, ParticleSet
from bioreco.errors import UserError

WANTS = ("pose", "origin", "half", "background")
_MEMORY = 2**28  # bytes of prepared images that are kept
_VALIDATION = 64


class ParticleData(Protocol):
    """A data set of particles: what training needs to know of it; see `CryoEMData`."""

    @property
    def kind(self) -> str:
        """The kind of data."""
        ...

    @property
    def box(self) -> int:
        """Pixels along y and x."""
        ...

    @property
    def pixel_size(self) -> float:
        """In Angstrom."""
        ...

    @property
    def particles(self) -> ParticleSet:
        """The set, as stored."""
        ...

    @property
    def patch(self) -> tuple[int, int]:
        """Pixels along y and x."""
        ...

    def training(self, wants: Sequence[str] = ()) -> ParticleSamples:
        """Return what is learnt from."""
        ...


class Cache:
    """Images that were prepared once, where there is memory for all of them."""

    def __init__(self, count: int, box: int) -> None:
        room = count * box * box * 4 <= _MEMORY
        self.values = np.empty((count, box, box), np.float32) if room else None
        self.held = np.zeros(count, bool)

    def get(self, k: int) -> Image | None:
        """Return an image that was kept, or None."""
        return self.values[k] if self.values is not None and self.held[k] else None

    def put(self, k: int, image: Image) -> None:
        """Keep an image."""
        if self.values is not None:
            self.values[k] = image
            self.held[k] = True


@dataclass(frozen=True)
class ParticleSamples:
    """What is learnt from: one particle for each draw.

    Attributes
    ----------
    particles
        The set.
    preparation
        How images are normalised.
    wants
        What a sample holds beside y (1, h, w), ctf (9,) and seed: "pose" (3, 3), "origin" (2,),
        "half" (1 or 2), "background" (1, h, w).
    pool
        Patches of background, or None.

    """

    particles: ParticleSet
    preparation: Preparation
    wants: tuple[str, ...] = ()
    pool: Pool | None = None
    ctf: NDArray[np.float32] = field(init=False, repr=False)
    cache: Cache = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = {
            "pose": (self.particles.poses, "poses (rlnAngleRot, rlnAngleTilt, rlnAnglePsi)"),
            "origin": (self.particles.origins, "origins (rlnOriginXAngst, rlnOriginYAngst)"),
            "half": (self.particles.halves, "half sets (rlnRandomSubset)"),
            "background": (self.pool, "patches of background: say data.background=STACK"),
        }
        for name in self.wants:
            if name not in known:
                raise UserError(
                    f"this method learns from '{name}', which particles don't have; they have"
                    f" {', '.join(WANTS)}"
                )
            if known[name][0] is None:
                raise UserError(
                    f"this method learns from {known[name][1]}; {self.particles.name} has none"
                )
        object.__setattr__(self, "ctf", self.preparation.ctf(self.particles))
        object.__setattr__(self, "cache", Cache(len(self.particles), self.preparation.box))

    def __len__(self) -> int:
        return len(self.particles)

    def image(self, k: int) -> Image:
        """Return a normalised image (y, x)."""
        image = self.cache.get(k)
        if image is None:
            image = self.preparation.apply(self.particles.read(k), self.particles.where(k))
            self.cache.put(k, image)
        return image

    def __getitem__(self, draw: tuple[int, int]) -> Mapping[str, Any]:
        k, seed = draw
        sample: dict[str, Any] = {
            "y": self.image(k)[None],
            "ctf": self.ctf[k],
            "seed": np.int64(seed),
        }
        each = {
            "pose": self.particles.poses,
            "origin": self.particles.origins,
            "half": self.particles.halves,
        }
        for name in self.wants:
            values = each.get(name)
            if values is not None:
                sample[name] = values[k]
        if "background" in self.wants and self.pool is not None:
            micrographs = self.particles.micrographs
            group = None if micrographs is None else int(micrographs[k])
            sample["background"] = self.pool.draw(group, seed)[None]
        return sample

    def subset(self, chosen: NDArray[Any]) -> ParticleSamples:
        """Return the samples of some of the particles: their numbers, or a mask."""
        return replace(self, particles=self.particles.subset(chosen))

    def halves(self) -> tuple[ParticleSamples, ParticleSamples]:
        """Return the two half sets, which share no particle.

        Raises
        ------
        UserError
            If the particles aren't in two halves.

        """
        halves = self.particles.halves
        if halves is None or not {1, 2} <= set(np.unique(halves).tolist()):
            raise UserError(f"{self.particles.name} is not in two halves (rlnRandomSubset).")
        return self.subset(halves == 1), self.subset(halves == 2)

    def validation(self) -> Sequence[Mapping[str, Any]]:
        """Return two fixed batches of particles spread over the set."""
        count = min(len(self), _VALIDATION)
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        batches = [part for part in (chosen[::2], chosen[1::2]) if len(part)]
        return [_collated([self[int(k), int(k)] for k in part]) for part in batches]


def _collated(samples: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
