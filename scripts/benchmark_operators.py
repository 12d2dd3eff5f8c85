"""Time the operators on one thread: H^H H against a bare pair of transforms with their shifts.

Usage: python scripts/benchmark_operators.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from bioreco.methods.split_slice_grappa import SplitSliceGRAPPA
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.extended import extended_sense
from bioreco.operators.fourier import fft2, ifft2
from bioreco.operators.sense import Sense

CASES = [  # bands, coils, pixels, shifts of a band
    (1, 8, 256, 0.0),
    (1, 13, 320, 0.0),
    (3, 16, 64, 64 / 3),
    (5, 16, 64, 8.0),
    (5, 16, 64, 64 / 6),
]


def there_and_back(x: torch.Tensor) -> torch.Tensor:
    """Return x after two transforms."""
    return ifft2(fft2(x))


def milliseconds(call: Callable[[], object], *, times: int = 15) -> float:
    """Return the shortest time of a call."""
    call()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return 1e3 * min(found)


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("one thread, complex64, best of 15, milliseconds")
    print(
        f"{'bands coils pixels shift':26} {'bare pair':>10} {'points':>8} {'lines':>8}"
        f" {'extended':>9} {'CG x10':>8}"
    )
    for bands, coils, n, shift in CASES:
        maps = torch.randn(1, bands, coils, n, n, dtype=torch.complex64)
        maps = maps / maps.abs().square().sum(2, keepdim=True).sqrt()
        caipi = shift * torch.arange(bands)[None] % n
        points = torch.rand(1, 1, n, n) < 0.4
        lines = (torch.arange(n) % 2 == 0)[None, None, :, None].expand(1, 1, n, n)
        x = torch.randn(1, bands, n, n, dtype=torch.complex64)
        seen = torch.randn(1, bands, coils, n, n, dtype=torch.complex64)
        any_, regular = Sense.of(maps, points, caipi), Sense.of(maps, lines, caipi)
        wide = extended_sense(maps, points, caipi)
        times = [
            milliseconds(partial(there_and_back, seen)),
            milliseconds(partial(any_.normal, x)),
            milliseconds(partial(regular.normal, x)),
            milliseconds(partial(wide.normal, x)),
            milliseconds(partial(conjugate_gradient, any_.normal, x, iterations=10)),
        ]
        name = f"{bands:5} {coils:5} {n:6} {shift:5.1f}"
        print(
            f"{name:26} {times[0]:10.2f} {times[1]:8.2f} {times[2]:8.2f}"
            f" {times[3]:9.2f} {times[4]:8.2f}"
        )
    series()


def series() -> None:
    """Time split slice-GRAPPA on frames that share their calibration lines."""
    bands, coils, n = 5, 16, 64
    maps = torch.randn(1, bands, coils, n, n, dtype=torch.complex64).expand(16, -1, -1, -1, -1)
    mask = (torch.arange(n) % 2 == 0)[None, None, :, None].expand(16, 1, n, n)
    batch = {
        "y": torch.randn(16, coils, n, n, dtype=torch.complex64) * mask,
        "mask": mask,
        "maps": maps,
        "caipi": (torch.arange(bands) % 3 * n / 6)[None].expand(16, -1),
        "calibration": torch.randn(1, bands, coils, 24, n, dtype=torch.complex64).expand(
            16, -1, -1, -1, -1
        ),
    }
    method = SplitSliceGRAPPA()
    start = time.perf_counter()
    method.reconstruct({key: value[:1] for key, value in batch.items()})
    first = time.perf_counter() - start
    each = milliseconds(lambda: method.reconstruct(batch), times=5) / 16
    print(
        f"split slice-GRAPPA, 5 bands, 16 coils, 64 x 64, R=2: {first:.2f} s to learn the"
        f" kernels, {each:.1f} ms for each frame after that"
    )


if __name__ == "__main__":
    main()
