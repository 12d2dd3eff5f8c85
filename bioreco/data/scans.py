"""k-space to learn from: the problems of one or several scans, read when they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition
from bioreco.errors import UserError

Sample = dict[str, Any]
Item = tuple[int, int, int]  # scan, frame, group

VALIDATED = 4  # problems that validation looks at, spread over all
BRIGHT = 99.0  # percentile of the zero-filled image that the network sees as 1
KNOWN = 64  # groups whose coil maps are kept in memory

TOLD = {
    "x": "a fully sampled image of each measurement",
    "calibration": "calibration lines of each slice alone",
}


class Sharp(Protocol):
    """Fully sampled images of others."""

    def draw(self, sample: Sample, seed: int) -> Sample:
        """Return what a problem says of one of them: sharp, sharp_maps and sharp_mask."""


class Scans:
    """What every data set of scans has; a subclass sets `acquisitions`.

    Attributes
    ----------
    acquisitions
        The scans; all excite as many slices together.
    baselines
        Methods that are run and scored beside, where the user names none.
    retrospective
        Options that take measurements away to learn with a truth; None leaves them all.

    """

    kind: ClassVar[str] = "scans"
    baselines: ClassVar[tuple[str, ...]] = ()
    retrospective: ClassVar[tuple[str, ...]] = ()
    acquisitions: list[Acquisition]

    @property
    def bands(self) -> int:
        """Slices excited together.

        Raises
        ------
        UserError
            If the scans differ in them.

        """
        first = self.acquisitions[0]
        for other in self.acquisitions:
            if other.bands != first.bands:
                raise UserError(
                    f"{first.name} excites {first.bands} slices together, {other.name}"
                    f" {other.bands}: one model can't learn both. Train one for each."
                )
        return first.bands

    def training(self, wants: Sequence[str] = ()) -> Problems:
        """Return the problems to learn from.

        Raises
        ------
        UserError
            If there is none of what the method wants.

        """
        apart = [name for name in wants if name == "sharp"]
        others = self.others() if apart else None
        return Problems(self.acquisitions, [n for n in wants if n not in apart], others)

    def others(self) -> Sharp:
        """Return fully sampled images of others.

        Raises
        ------
        UserError
            If there are none.

        """
        raise UserError("this method learns from fully sampled images of others: say data=mri")


class Problems:
    """All problems y = H(x) + w of some scans, one for each frame and group.

    Parameters
    ----------
    acquisitions
        The scans.
    wants
        What is needed beside y: "x", the true image, or "calibration".
    others
        Images of others that are drawn beside each problem, in training alone; None: none.

    Raises
    ------
    UserError
        If a scan lacks what is wanted.

    """

    def __init__(
        self,
        acquisitions: Sequence[Acquisition],
        wants: Sequence[str] = (),
        others: Sharp | None = None,
    ) -> None:
        self.others = others
        self.acquisitions, self.wants = list(acquisitions), tuple(wants)
        self.items: list[Item] = [
            (k, frame, group)
            for k, scan in enumerate(self.acquisitions)
            for frame in range(scan.frames)
            for group in range(scan.groups)
        ]
        sizes = [scan.frames * scan.groups for scan in self.acquisitions]
        self._before = np.cumsum([0, *sizes[:-1]])
        for name in self.wants:
            self._check(name)
        self._fixed = lru_cache(maxsize=KNOWN)(self._read_fixed)

    def _check(self, name: str) -> None:
        for scan in self.acquisitions:
            found = scan.reference(0, 0) if name == "x" else scan.calibration(0)
            if found is None:
                raise UserError(f"this method needs {TOLD[name]}, and {scan.name} has none")

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, draw: tuple[int, int]) -> Sample:
        """Return the problem of a draw (index, seed)."""
        index, seed = draw
        sample = self.problem(*self.items[index], seed=seed)
        return sample | (self.others.draw(sample, seed) if self.others else {})

    def problem(self, number: int, frame: int, group: int, *, seed: int) -> Sample:
        """Return one problem, on the network's scale, without batch axis."""
        scan = self.acquisitions[number]
        fixed = self._fixed(number, group)
        unit = fixed["unit"]
        sample = {
            "y": (scan.kspace(frame, group) / unit).astype(np.complex64),
            "mask": scan.mask(frame, group)[None],
            "seed": np.int64(seed >> 1),
            "item": np.int64(self._before[number] + frame * scan.groups + group),
            **fixed,
        }
        if "x" in self.wants:
            x = scan.reference(frame, group)
            assert x is not None  # looked at before
            sample["x"] = (x / unit).astype(np.complex64)
        return sample

    def validation(self) -> list[Sample]:
        """Return a few problems spread over all, as batches of one."""
        chosen = np.unique(np.linspace(0, len(self) - 1, VALIDATED).round().astype(int))
        return [
            {key: np.stack([value]) for key, value in self[(int(k), 0)].items()} for k in chosen
        ]

    def _read_fixed(self, number: int, group: int) -> Sample:
        """Return what all frames of a group share."""
        scan = self.acquisitions[number]
        unit = np.float32(brightness(scan.kspace(0, group)))
        fixed: Sample = {
            "maps": scan.maps(group),
            "caipi": np.asarray(scan.caipi, dtype=np.float32),
            "unit": unit,
        }
        if "calibration" in self.wants:
            lines = scan.calibration(group)
            assert lines is not None  # looked at before
            fixed["calibration"] = (lines / unit).astype(np.complex64)
        return fixed


def brightness(y: NDArray[np.complex64]) -> float:
    """Return how bright the zero-filled image of k-space (coils, ky, kx) is, at least 1e-30."""
    images = np.fft.ifft2(y, norm="ortho")
    combined = np.sqrt((np.abs(images) ** 2).sum(axis=0))
    return max(float(np.percentile(combined, BRIGHT)), 1e-30)
