"""Which particles of a set are learnt from: all, so many, or one half set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bioreco.data.particles.values import ParticleSet
from bioreco.errors import UserError

HALVES = ("half1", "half2")


def how_many(particles: int | str | None) -> int | None:
    """Return the number that `data.particles` says, if it says one.

    Raises
    ------
    UserError
        If it says something else than the name of a half.

    """
    if isinstance(particles, str) and particles not in HALVES:
        raise UserError(f"data.particles={particles}: a number, half1 or half2")
    return None if isinstance(particles, str) else particles


def so_many(found: ParticleSet, count: int | None, seed: int) -> ParticleSet:
    """Return some particles, drawn from the seed; None: all.

    Raises
    ------
    UserError
        If there are fewer.

    """
    if count is None:
        return found
    if not 1 <= count <= len(found):
        raise UserError(f"data.particles={count}: {found.name} holds {len(found)}")
    rng = np.random.default_rng([41, seed])
    return found.subset(np.sort(rng.choice(len(found), count, replace=False)))


def one_half(found: ParticleSet, particles: int | str | None, seed: int) -> ParticleSet:
    """Return the half set that `data.particles` says, or all; the result is in halves itself.

    Raises
    ------
    UserError
        If there is no such half set.

    """
    found = found if found.halves is not None else _split(found, seed)
    if particles not in HALVES:
        return found
    assert found.halves is not None  # just split
    chosen = found.halves == 1 + HALVES.index(str(particles))
    if not chosen.any():
        raise UserError(f"data.particles={particles}: {found.name} has no such rlnRandomSubset")
    return _split(found.subset(chosen), seed)


def _split(found: ParticleSet, seed: int) -> ParticleSet:
    order = np.random.default_rng([43, seed]).permutation(len(found))
    return replace(found, halves=1 + order % 2)
