"""Measure less, in retrospect: Cartesian undersampling of fully sampled k-space."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition, Complex, Mask
from bioreco.data.kspace.fourier import centred, to_image
from bioreco.data.kspace.scans import Wrapped, described
from bioreco.errors import UserError, nearest

PATTERNS = ("equispaced", "uniform", "gaussian", "points")


@dataclass(frozen=True)
class Undersampled(Wrapped):
    """An acquisition of which only a part is measured; the whole of it gives the reference.

    The noise of the measurements is that of the base. What isn't sampled is exactly 0.

    Attributes
    ----------
    pattern
        Lines along y: "equispaced", each `acceleration`-th; "uniform" and "gaussian", at random
        with that density; or "points" of (ky, kx) at random with Gaussian density.
    acceleration
        Lines (or points) outside the centre for each one that is kept.
    acs_lines
        Central lines that are all kept (the central square, for points).
    jitter
        Draw anew (the offset of equispaced lines too) for each frame and group.

    """

    pattern: str = field(kw_only=True)
    acceleration: float = field(kw_only=True)
    acs_lines: int = field(kw_only=True)
    seed: int = field(kw_only=True)
    jitter: bool = field(kw_only=True, default=False)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return the measurements that are kept."""
        values = self.base.kspace(frame, group)
        return np.where(self.mask(frame, group), values, np.complex64(0))

    def mask(self, frame: int, group: int) -> Mask:
        """Return what is kept of what was measured."""
        key = [self.seed, frame, group] if self.jitter else [self.seed]
        kept = drawn(
            self.pattern, self.size, self.acceleration, self.acs_lines, np.random.default_rng(key)
        )
        return kept & self.base.mask(frame, group)

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return the true image, or the fully sampled one: sum_c conj(C_c) F^* y_c."""
        known = self.base.reference(frame, group)
        if known is not None or self.bands > 1 or not is_full(self.base.mask(frame, group)):
            return known
        images = to_image(self.base.kspace(frame, group))
        return np.asarray((self.base.maps(group).conj() * images).sum(1))


def is_full(mask: Mask) -> bool:
    """Tell whether everything was measured, but for zero-padding at the edges."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return False
    return bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())


def drawn(
    pattern: str, size: tuple[int, int], acceleration: float, acs: int, rng: np.random.Generator
) -> Mask:
    """Return a mask (ky, kx)."""
    rows, columns = size
    if pattern == "points":
        mask = _square(size, acs)
        y, x = np.meshgrid(*(np.arange(n) - n // 2 for n in size), indexing="ij")
        weight = np.exp(-0.5 * ((y / (rows / 4)) ** 2 + (x / (columns / 4)) ** 2))
        return _chosen(mask, weight, acceleration, rng)
    lines = np.zeros(rows, dtype=bool)
    lines[centred(rows, min(acs, rows))] = True
    if pattern == "equispaced":
        offset = rng.integers(max(1, int(acceleration)))
        at = np.round(np.arange(offset, rows, acceleration)).astype(int)
        lines[at[at < rows]] = True
    else:
        y = np.arange(rows) - rows // 2
        weight = np.exp(-0.5 * (y / (rows / 4)) ** 2) if pattern == "gaussian" else np.ones(rows)
        lines = _chosen(lines, weight, acceleration, rng)
    return np.array(np.broadcast_to(lines[:, None], size))


def _square(size: tuple[int, int], side: int) -> Mask:
    mask = np.zeros(size, dtype=bool)
    rows, columns = (centred(n, min(side, n)) for n in size)
    mask[rows, columns] = True
    return mask


def _chosen(
    always: Mask, weight: NDArray[np.float64], acceleration: float, rng: np.random.Generator
) -> Mask:
    """Add the share 1 / acceleration of what is left, drawn without replacement."""
    chance = np.log(weight) + rng.gumbel(size=weight.shape)
    chance[always] = -np.inf
    count = round((~always).sum() / acceleration)
    best = np.argsort(chance, axis=None)[::-1][:count]
    mask = always.copy()
    mask.flat[best] = True
    return mask


def undersampled(
    base: Acquisition,
    *,
    pattern: str,
    acceleration: float | None,
    acs_lines: int,
    seed: int,
    jitter: bool = False,
) -> Acquisition:
    """Undersample an acquisition; an acceleration of None or 1 leaves it as it was measured.

    What was measured undersampled already is left as it is, too.

    Raises
    ------
    UserError
        If an option is out of range.

    """
    if pattern not in PATTERNS:
        raise UserError(
            f"data.pattern={pattern}: choose from {', '.join(PATTERNS)}."
            + nearest(pattern, PATTERNS)
        )
    if acceleration is None or acceleration == 1:
        return base
    rows = base.size[0]
    if not 1 < acceleration <= rows / 2 or not 0 <= acs_lines <= rows:
        raise UserError(
            f"data.acceleration={acceleration:g} data.acs_lines={acs_lines}: {base.name} has {rows}"
            f" lines; choose from 1 to {rows / 2:g}, and from 0 to {rows}."
        )
    whole = base.mask(0, 0)
    if not is_full(whole):
        share = 100 * whole.mean()
        note = f"{share:.3g} % of k-space were measured; nothing more is left out in retrospect"
        return Wrapped(**described(base, note))
    kept = drawn(pattern, base.size, acceleration, acs_lines, np.random.default_rng([seed]))
    times = whole.sum() / max(1, (kept & whole).sum())
    note = (
        f"undersampled in retrospect: {pattern}, R={acceleration:g} with {acs_lines} central"
        f" lines, which keeps one in {times:.2f} samples"
    )
    return Undersampled(
        **described(base, note),
        pattern=pattern,
        acceleration=acceleration,
        acs_lines=acs_lines,
        seed=seed,
        jitter=jitter,
    )
