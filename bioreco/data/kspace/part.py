"""Some frames and slices of a scan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bioreco.data.acquisition import Acquisition, Complex, Mask, Paradigm
from bioreco.data.kspace.scans import Wrapped, described
from bioreco.errors import UserError


@dataclass(frozen=True)
class Part(Wrapped):
    """The first frames, and groups in the middle, of another acquisition.

    Attributes
    ----------
    first
        The first group that is kept.

    """

    first: int = field(kw_only=True)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return the measurements of a group, counted from the first that is kept."""
        return self.base.kspace(frame, self.first + group)

    def mask(self, frame: int, group: int) -> Mask:
        """Return its mask."""
        return self.base.mask(frame, self.first + group)

    def maps(self, group: int) -> Complex:
        """Return its coil maps."""
        return self.base.maps(self.first + group)

    def calibration(self, group: int) -> Complex | None:
        """Return its calibration lines."""
        return self.base.calibration(self.first + group)

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return its true image."""
        return self.base.reference(frame, self.first + group)


def part_of(base: Acquisition, frames: int | None, slices: int | None) -> Acquisition:
    """Keep the first `frames`, and `slices` groups in the middle; None keeps all.

    Raises
    ------
    UserError
        If there are fewer.

    """
    for word, wanted, there in (("frames", frames, base.frames), ("slices", slices, base.groups)):
        if wanted is not None and not 1 <= wanted <= there:
            raise UserError(f"data.{word}={wanted}: {base.name} has {there}; or null for all.")
    count, groups = frames or base.frames, slices or base.groups
    if (count, groups) == (base.frames, base.groups):
        return base
    first = (base.groups - groups) // 2
    place, task = base.geometry, base.paradigm
    changes = {
        "frames": count,
        "groups": groups,
        "geometry": replace(place, slices=place.slices[first : first + groups]),
        "paradigm": task and Paradigm(task.regressor[:count], task.frequency, task.beta),
    }
    note = f"{count} of {base.frames} frames and {groups} of {base.groups} slices are used"
    return Part(**described(base, note, **changes), first=first)
