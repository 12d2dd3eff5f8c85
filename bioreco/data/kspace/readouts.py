"""The readouts of an ISMRMRD file: their headers in a table, their samples when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Complex
from bioreco.data.kspace.axes import Axes
from bioreco.data.kspace.epi import phase_between
from bioreco.data.kspace.fourier import to_image, to_kspace

Integers = NDArray[np.int64]
REVERSE, PHASE = 22, 24
_BLOCK = 2**16


@dataclass(frozen=True)
class Table:
    """The headers of all readouts, one entry each."""

    flags: NDArray[np.uint64]
    samples: Integers
    before: Integers
    behind: Integers
    middle: Integers
    coils: Integers
    space: Integers
    line: Integers
    second: Integers
    slice: Integers
    frame: Integers
    dwell: NDArray[np.float32]
    position: NDArray[np.float32]
    directions: NDArray[np.float32]

    def flagged(self, *bits: int) -> NDArray[np.bool_]:
        """Tell which readouts have one of the flags, which are counted from 1."""
        wanted = np.uint64(sum(1 << (bit - 1) for bit in bits))
        return np.asarray((self.flags & wanted) != 0)


_COUNTERS = ("repetition", "set", "phase", "contrast")


def read_table(node: Any) -> Table:
    """Read the headers of all readouts, block by block."""
    parts = [_columns(node["head", a : a + _BLOCK]) for a in range(0, node.shape[0], _BLOCK)]
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    counters = np.stack([columns.pop(key) for key in _COUNTERS], 1)
    _, frame = np.unique(counters, axis=0, return_inverse=True)
    return Table(frame=frame.reshape(-1).astype(np.int64), **columns)


def _columns(heads: Any) -> dict[str, Any]:
    place = heads["idx"]
    numbers = {
        "samples": heads["number_of_samples"],
        "before": heads["discard_pre"],
        "behind": heads["discard_post"],
        "middle": heads["center_sample"],
        "coils": heads["active_channels"],
        "space": heads["encoding_space_ref"],
        "line": place["kspace_encode_step_1"],
        "second": place["kspace_encode_step_2"],
        "slice": place["slice"],
        **{key: place[key] for key in _COUNTERS},
    }
    directions = [heads[key] for key in ("read_dir", "phase_dir", "slice_dir")]
    return {
        **{key: value.astype(np.int64) for key, value in numbers.items()},
        "flags": heads["flags"].astype(np.uint64),
        "dwell": heads["sample_time_us"].astype(np.float32),
        "position": heads["position"].astype(np.float32),
        "directions": np.stack(directions, 1).astype(np.float32),
    }


def read_lines(path: Path, group: str, rows: Integers, table: Table) -> list[Complex]:
    """Read the samples (coils, n) of some readouts, without those that are to be discarded."""
    import h5py

    lines: dict[int, Complex] = {}
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    with h5py.File(path, "r") as file:
        node = file[group]["data"]
        for run in runs:
            for row, values in zip(run, node["data", int(run[0]) : int(run[-1]) + 1], strict=True):
                pairs = np.asarray(values, dtype=np.float32).view(np.complex64)
                samples = pairs.reshape(int(table.coils[row]), int(table.samples[row]))
                stop = int(table.samples[row] - table.behind[row])
                lines[int(row)] = samples[:, int(table.before[row]) : stop]
    return [lines[int(row)] for row in rows]


@dataclass(frozen=True)
class Places:
    """Which readouts make up which frame and slice.

    Attributes
    ----------
    rows
        Readouts of the image.
    frames, slices
        The numbers that their headers give these.
    size
        Lines and samples of k-space.
    shift
        What is added to the number of a line to find its place.

    """

    rows: Integers
    frames: Integers
    slices: Integers
    size: tuple[int, int]
    shift: int

    @staticmethod
    def of(table: Table, rows: Integers, size: tuple[int, int], shift: int) -> Places:
        """Sort readouts."""
        frames, slices = np.unique(table.frame[rows]), np.unique(table.slice[rows])
        return Places(rows, frames, slices, size, shift)


@dataclass(frozen=True)
class Readouts:
    """k-space that is put together from readouts when it is asked for."""

    path: Path
    group: str
    table: Table
    places: Places

    def size(self, axis: str) -> int:
        """Return how many there are."""
        sizes = {
            "frame": len(self.places.frames),
            "slice": len(self.places.slices),
            "coil": int(self.table.coils[self.places.rows[0]]),
            "y": self.places.size[0],
            "x": self.places.size[1],
        }
        return sizes.get(axis, 1)

    def cut(self, wanted: Axes, **at: int) -> np.ndarray[Any, Any]:
        """Return k-space (coil, y, x) of one frame and slice; repeated lines are averaged."""
        del wanted
        places, table = self.places, self.table
        number = places.slices[at.get("slice", 0)]
        of_slice = places.rows[table.slice[places.rows] == number]
        rows = of_slice[table.frame[of_slice] == places.frames[at.get("frame", 0)]]
        values = np.zeros((self.size("coil"), *places.size), np.complex64)
        times = np.zeros(places.size[0])
        factor = self._phase(int(number))
        for row, samples in zip(rows, self._placed(rows), strict=True):
            line = int(table.line[row]) + places.shift
            if factor is not None and self._reversed(row):
                samples = to_kspace(to_image(samples, (-1,)) * factor, (-1,))
            values[:, line] += samples
            times[line] += 1
        return values / np.maximum(times, 1)[:, None].astype(np.float32)

    def _reversed(self, row: Any) -> bool:
        return bool(self.table.flagged(REVERSE)[row])

    def _placed(self, rows: Integers) -> list[Complex]:
        """Read lines (coils, kx), turned around where they are reversed, the echo at n // 2."""
        length, placed = self.places.size[1], []
        for row, samples in zip(
            rows, read_lines(self.path, self.group, rows, self.table), strict=True
        ):
            middle = int(self.table.middle[row] - self.table.before[row])
            if self._reversed(row):
                samples, middle = samples[:, ::-1], samples.shape[1] - 1 - middle
            middle = middle or samples.shape[1] // 2
            wide = np.zeros((len(samples), length), np.complex64)
            start = length // 2 - middle
            first, last = max(0, start), min(length, start + samples.shape[1])
            wide[:, first:last] = samples[:, first - start : last - start]
            placed.append(wide)
        return placed

    def _phase(self, number: int) -> Complex | None:
        """Return the phase correction of reversed lines (coils, x), from lines meant for it."""
        table = self.table
        rows = np.flatnonzero(table.flagged(PHASE) & (table.slice == number))[:8]
        back = [row for row in rows if self._reversed(row)]
        ahead = [row for row in rows if not self._reversed(row)]
        if not back or not ahead:
            return None
        means = [np.mean(self._placed(np.array(some)), axis=0) for some in (ahead, back)]
        return phase_between(means[0], means[1])[0]
