"""Coil maps for an acquisition: estimated, or given and put in order.

Maps are normalised so that sum_c |C_c|^2 = 1 where there is an object, and 0 elsewhere; then the
encoding operator has norm 1, and weights of regularisers mean the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from bioreco.data.acquisition import Acquisition, Complex
from bioreco.data.image import times
from bioreco.data.kspace.centre import calibration_region
from bioreco.data.kspace.espirit import espirit, principal_coil, referenced
from bioreco.data.kspace.fourier import to_image
from bioreco.data.kspace.given import in_order, order_notes, without_holes
from bioreco.data.kspace.scans import Scan, Wrapped, described
from bioreco.errors import UserError, nearest

KINDS = ("auto", "espirit", "lowres", "file")
KERNEL = 6
_FEWEST = 2 * KERNEL - 2  # lines that give ESPIRiT enough patches


@dataclass(frozen=True)
class WithMaps(Wrapped):
    """An acquisition with coil maps that are estimated when they are first asked for.

    Attributes
    ----------
    kind
        "espirit", "lowres", or "file" for those that the base has.
    given
        Whether the base has any, so that its true images can be turned to agree with these.
    lines
        At most so many central lines are used.
    crop
        ESPIRiT: eigenvalue below which a pixel is outside the object; 0 keeps all pixels.
    level
        Low resolution: share of the brightest pixel below which a pixel is outside the object.

    """

    kind: str = field(kw_only=True)
    given: bool = field(kw_only=True, default=False)
    lines: int = field(kw_only=True, default=24)
    crop: float = field(kw_only=True, default=0.8)
    level: float = field(kw_only=True, default=0.05)
    _known: dict[int, Complex] = field(default_factory=dict, repr=False, compare=False)

    def maps(self, group: int) -> Complex:
        """Return the maps (bands, coils, y, x)."""
        if group not in self._known:
            self._known[group] = self._estimated(group)
        return self._known[group]

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return the true image x as these maps show it: sum_c conj(C_c) B_c x, B of the base."""
        image = self.base.reference(frame, group)
        if image is None or not self.given:
            return image
        product = (self.maps(group).conj() * self.base.maps(group)).sum(1)
        return np.asarray(product * image, dtype=np.complex64)

    def _estimated(self, group: int) -> Complex:
        what = f"{self.name}, slice {group}"
        if self.kind == "file":
            maps = self.base.maps(group)
            wanted = (self.bands, self.coils, *self.size)
            if maps.shape != wanted:
                raise UserError(
                    f"{what}: its coil maps are {times(maps.shape)}, but k-space needs"
                    f" {times(wanted)} (bands, coils, y, x)."
                )
            return np.stack([in_order(band, what)[0] for band in maps])
        bands, place = calibration_region(self.base, group, lines=self.lines)
        check_lines(bands, self.kind, what)
        if self.kind == "lowres":
            return np.stack([low_resolution(b, place, self.size, self.level) for b in bands])
        found = []
        for band in bands:
            maps, values = espirit(band, self.size, kernel=KERNEL)
            found.append(np.where(without_holes(values >= self.crop), maps, np.complex64(0)))
        return np.stack(found)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}


def with_maps(
    base: Acquisition,
    kind: str,
    *,
    file: bool,
    lines: int = 24,
    crop: float = 0.8,
    level: float = 0.05,
) -> WithMaps:
    """Give an acquisition coil maps.

    Parameters
    ----------
    kind
        "espirit"; "lowres"; "file" for those that came with it; "auto" for the first that works
        of file, espirit and lowres. Those of a simulation are the truth, and only used if "file"
        is said.
    file
        Whether some came with it.
    lines, crop, level
        See `WithMaps`.

    Raises
    ------
    UserError
        If there are too few calibration lines, or no maps in the file.

    """
    if kind not in KINDS:
        raise UserError(f"data.maps={kind}: choose from {', '.join(KINDS)}." + nearest(kind, KINDS))
    if kind == "file" and not file:
        raise UserError(
            f"{base.name} holds no coil maps; say data.maps=espirit or data.maps=lowres."
        )
    make = partial(WithMaps, given=file, lines=lines, crop=crop, level=level)
    if kind == "file" or (kind == "auto" and file and not simulated(base)):
        return make(**described(base, *order_notes(base)), kind="file")
    bands, _ = calibration_region(base, 0, lines=lines)
    count = f"{bands.shape[2]} x {bands.shape[3]} central samples (y x)"
    if kind == "auto":
        kind = "espirit" if min(bands.shape[2:]) >= _FEWEST else "lowres"
    check_lines(bands, kind, base.name)
    name = {"espirit": "ESPIRiT", "lowres": "low-resolution images"}[kind]
    return make(**described(base, f"coil maps by {name} from {count}"), kind=kind)


def simulated(base: Acquisition) -> bool:
    """Tell whether there is no file behind an acquisition."""
    while isinstance(base, Wrapped):
        base = base.base
    return not isinstance(base, Scan)


def check_lines(bands: Complex, kind: str, what: str) -> None:
    """Refuse too small a centre of k-space (bands, coils, rows, columns).

    Raises
    ------
    UserError
        If maps can't be estimated from it.

    """
    fewest = _FEWEST if kind == "espirit" else 4
    found = min(bands.shape[2:])
    if found < fewest:
        other = " (data.maps=lowres needs 4)" if kind == "espirit" and found >= 4 else ""
        raise UserError(
            f"{what}: {bands.shape[2]} x {bands.shape[3]} samples in the centre of k-space are"
            f" fully sampled (y x); data.maps={kind} needs at least {fewest} x {fewest}{other}."
            " Give maps in the file, as sensitivity_maps, or calibration lines."
        )


def low_resolution(
    centre: Complex, place: tuple[slice, slice], size: tuple[int, int], level: float
) -> Complex:
    """Return coil maps (coils, y, x) as images of the windowed centre over their root sum square.

    The window is Hann's, which keeps the truncated centre from ringing; see McKenzie et al.,
    Magn Reson Med 47:529, 2002.
    """
    rows, columns = (np.hanning(n + 2)[1:-1] for n in centre.shape[1:])
    wide = np.zeros((len(centre), *size), np.complex64)
    wide[:, place[0], place[1]] = centre * (rows[:, None] * columns)
    images = to_image(wide)
    energy = np.sqrt((np.abs(images) ** 2).sum(0))
    inside = without_holes(energy >= level * energy.max())
    maps = images / np.maximum(energy, 1e-30 + 1e-12 * energy.max())
    return np.where(inside, referenced(maps, principal_coil(centre)), np.complex64(0))
