"""Images that show nothing: constant, or not made of numbers. They are left out, and it is said."""

from __future__ import annotations

import logging

import numpy as np

from bioreco.data.particles.values import Image, ParticleSet
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

_MOST = 0.1  # share of broken images above which a set is refused


def without_broken(particles: ParticleSet) -> ParticleSet:
    """Read every image once, and return the particles whose images are sound.

    Raises
    ------
    UserError
        If more than a tenth of them are broken.

    """
    found = {}
    for k in range(len(particles)):
        wrong = _wrong(particles.read(k))
        if wrong:
            found[k] = wrong
    if not found:
        return particles
    first = next(iter(found))
    told = f"{particles.where(first)} {found[first]}"
    if len(found) > _MOST * len(particles):
        raise UserError(f"{len(found)} of {len(particles)} images are broken, the first at {told}.")
    log.warning(
        "%d of %d images are broken and left out, the first at %s.",
        len(found),
        len(particles),
        told,
    )
    return particles.subset(np.setdiff1d(np.arange(len(particles)), list(found)))


def _wrong(image: Image) -> str:
    """Say what is wrong with an image, or nothing."""
    low, high = image.min(), image.max()
    if not np.isfinite(low) or not np.isfinite(high):
        return "holds values that aren't finite numbers (NaN)"
    return "is constant" if low == high else ""
