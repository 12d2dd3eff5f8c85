"""Write and read a time series of k-space that is larger than memory, and print what it takes.

    python scripts/benchmark_series.py 20 FOLDER

makes a series of so many GB in FOLDER frame by frame, opens it, whitens, compresses and
undersamples it, combines the coils of each frame, writes the images as NIfTI (magnitude, phase),
reads these again, and deletes all of it. The peak of memory is that of the whole process.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioreco.data.acquisition import Acquisition, Complex, Mask
from bioreco.data.kspace.coils import compressed, prewhitened
from bioreco.data.kspace.fourier import to_image, to_kspace
from bioreco.data.kspace.maps import with_maps
from bioreco.data.kspace.scan import open_scan
from bioreco.data.kspace.scans import plain_geometry
from bioreco.data.kspace.series import Series, open_series
from bioreco.data.kspace.store import write
from bioreco.data.kspace.undersampling import undersampled

GROUPS, COILS, SIZE = 8, 16, (96, 96)


@dataclass(frozen=True)
class Endless(Acquisition):
    """A series that is drawn when it is read: a box seen by coils, and noise."""

    def kspace(self, frame: int, group: int) -> Complex:
        """Draw the measurements."""
        rng = np.random.default_rng([frame, group])
        x = np.zeros(SIZE, np.complex64)
        x[20:76, 24:72] = 1 + 0.01 * (frame % 2)
        return to_kspace(MAPS * x) + np.float32(0.02) * gaussian(rng, (COILS, *SIZE))

    def mask(self, *_: int) -> Mask:
        """Return that all was measured."""
        return np.ones(SIZE, dtype=bool)

    def maps(self, *_: int) -> Complex:
        """Return the coil maps."""
        return MAPS[None]

    def noise(self) -> Complex:
        """Draw a noise scan."""
        return gaussian(np.random.default_rng(1), (COILS, 8192))


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Complex:
    """Draw complex noise."""
    return rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]


def drawn_maps() -> Complex:
    """Return smooth maps with sum |C|^2 = 1 (coils, y, x)."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SIZE), indexing="ij")
    around = np.arange(COILS)[:, None, None] * 2 * np.pi / COILS
    maps = np.exp(1j * around) / ((y - np.sin(around)) ** 2 + (x - np.cos(around)) ** 2 + 0.5)
    scaled: Complex = (maps / np.sqrt((np.abs(maps) ** 2).sum(0))).astype(np.complex64)
    return scaled


MAPS = drawn_maps()


def told(what: str, size: float, start: float) -> None:
    """Print the time of a step, its rate, and the peak of memory until now."""
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:42s} {seconds:8.1f} s  {size / seconds:6.2f} GB/s  peak {peak:5.2f} GB")


def main(gigabytes: float, folder: Path) -> None:
    """Run all steps in a temporary folder."""
    frames = max(2, round(gigabytes * 1e9 / (GROUPS * COILS * np.prod(SIZE) * 8)))
    place = plain_geometry(GROUPS, 1, (2.0, 2.0, 2.5), SIZE)
    series = Endless(
        name="endless", frames=frames, groups=GROUPS, bands=1, coils=COILS, size=SIZE,
        caipi=(0.0,), geometry=place,
    )  # fmt: skip
    size = frames * GROUPS * COILS * np.prod(SIZE) * 8 / 1e9
    print(f"{frames} frames x {GROUPS} slices x {COILS} coils x {SIZE}: {size:.1f} GB")
    with tempfile.TemporaryDirectory(dir=folder) as within:
        path, image = Path(within) / "series.h5", Path(within) / "image.nii"
        start = time.perf_counter()
        write(series, path)
        told("drawn and written", size, start)
        scan = compressed(prewhitened(open_scan(path, maps=None), "scan"), 8)
        scan = with_maps(scan, "espirit", file=True)
        scan = undersampled(
            scan, pattern="equispaced", acceleration=2, acs_lines=24, seed=0, jitter=True
        )
        start = time.perf_counter()
        with Series.of(scan, image) as out:
            for frame in range(scan.frames):
                for group in range(scan.groups):
                    coils = to_image(scan.kspace(frame, group))
                    combined = (scan.maps(group).conj() * coils).sum(1)
                    out.write(frame, combined, scan.geometry.slices[group])
        told("read, prepared, combined, written as NIfTI", size, start)
        start, total = time.perf_counter(), 0.0
        result = open_series(image)
        for frame in range(result.frames):
            total += float(np.abs(result.read(frame)).mean())
        told(f"images read (mean {total / frames:.4f})", frames * GROUPS * 96 * 96 * 8e-9, start)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: benchmark_series.py GIGABYTES FOLDER")
    main(float(sys.argv[1]), Path(sys.argv[2]))
