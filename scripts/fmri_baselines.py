"""Score exact least squares and Tikhonov on the simulated functional scan, beside its truth.

"LS smooth" is least squares smoothed until its noise is as smooth as that of Tikhonov.

    python scripts/fmri_baselines.py                      three protocols, seeds 0, 1 and 2
    python scripts/fmri_baselines.py --seeds 0 --maps espirit --picture outputs/fmri.png

Each column of the image is one small dense problem, since the readout is fully sampled: the
inverse is worked out once for a group of slices and is exact, whatever the CAIPI shifts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from bioreco.data.acquisition import Acquisition
from bioreco.data.kspace.maps import with_maps
from bioreco.data.simulation.fmri import SimulatedFMRI, simulate
from bioreco.data.simulation.protocol import Protocol
from bioreco.metrics.functional import Task, evaluate, maps, smoothness
from bioreco.metrics.gfactor import encoding, sense_gfactor
from bioreco.metrics.series import Series
from bioreco.metrics.smoothed import equally_smooth

PROTOCOLS = {
    "MB1 R1": Protocol(multiband=1, acceleration=1, groups=20),
    "MB3 R2": Protocol(multiband=3, acceleration=2, groups=4),
    "MB5 R2": Protocol(multiband=5, acceleration=2, groups=4),
}
COLUMNS = (
    "tsnr", "auc", "tpr", "tpr_3.1", "fpr_3.1", "beta", "beta_bias", "nrmse", "coherent",
    "phase_error", "smoothness_fwhm",
)  # fmt: skip
GOALS = ((3, 1, 1), (3, 1, 3), (3, 2, 1), (3, 2, 3), (4, 2, 4), (5, 2, 3))


def inverses(scan: Acquisition, group: int, mu: float) -> list[np.ndarray]:
    """Return (E^H E + mu)^-1 E^H for each column x, on the voxels of the object."""
    coils = scan.maps(group)
    lines = np.flatnonzero(scan.mask(0, group).any(1))
    inside = (np.abs(coils) ** 2).sum(1) > 0.5
    found = []
    for x, matrix in enumerate(encoding(coils, lines, scan.caipi)):
        at = np.flatnonzero(inside[..., x])
        small = matrix[:, at]
        whole = np.zeros((matrix.shape[1], matrix.shape[0]), dtype=np.complex64)
        gram = small.conj().T @ small + mu * np.eye(at.size)
        whole[at] = np.linalg.solve(gram, small.conj().T) if at.size else 0
        found.append(whole)
    return found


def reconstruct(scan: Acquisition, mu: float) -> np.ndarray:
    """Return the series (t, z, y, x) of exact Tikhonov reconstructions."""
    rows, columns = scan.size
    series = np.zeros((scan.frames, scan.bands * scan.groups, rows, columns), np.complex64)
    for group in range(scan.groups):
        lines = np.flatnonzero(scan.mask(0, group).any(1))
        y = np.stack([scan.kspace(frame, group)[:, lines] for frame in range(scan.frames)])
        hybrid = np.fft.fftshift(
            np.fft.ifft(np.fft.ifftshift(y, axes=-1), norm="ortho"), axes=-1
        ).astype(np.complex64)
        for x, inverse in enumerate(inverses(scan, group, mu)):
            found = hybrid[..., x].reshape(scan.frames, -1) @ inverse.T
            parts = found.reshape(scan.frames, scan.bands, rows)
            for s, z in enumerate(scan.geometry.slices[group]):
                series[:, z, :, x] = parts[:, s]
    return series


def truth(scan: SimulatedFMRI) -> np.ndarray:
    """Return the noiseless series (t, z, y, x)."""
    series = np.zeros((scan.frames, scan.bands * scan.groups, *scan.size), np.complex64)
    for frame in range(scan.frames):
        for group in range(scan.groups):
            series[frame, scan.geometry.slices[group]] = scan.reference(frame, group)
    return series


def table(seeds: list[int], mu: float, kind: str) -> None:
    """Print one line for each protocol, reconstruction and seed; coil maps are of this kind."""
    print("protocol  what       seed " + " ".join(f"{name[:9]:>9}" for name in COLUMNS))
    for name, protocol in PROTOCOLS.items():
        for seed in seeds:
            scan = simulate(protocol, seed=seed)
            clean = truth(scan)
            ready = with_maps(scan, kind, file=True)
            found: dict[str, Series] = {"truth": clean, "LS": reconstruct(ready, 1e-6)}
            if protocol.multiband > 1:
                found[f"mu={mu:g}"] = reconstruct(ready, mu)
                target = smoothness(found[f"mu={mu:g}"], task(scan), scan.brain)
                found["LS smooth"] = equally_smooth(
                    found["LS"], task(scan).regressor, mask=scan.brain, target=target
                )
            for what, series in found.items():
                scores = score(scan, series, clean)
                numbers = " ".join(f"{scores.get(key, float('nan')):9.4g}" for key in COLUMNS)
                print(f"{name:9} {what:10} {seed:4d} {numbers}", flush=True)


def score(scan: SimulatedFMRI, series: Series, clean: np.ndarray) -> dict[str, float]:
    """Return the numbers of `bioreco.metrics.functional.evaluate`."""
    assert scan.paradigm is not None
    return evaluate(series, task(scan), mask=scan.brain, truth=clean, beta=scan.paradigm.beta)


def task(scan: SimulatedFMRI) -> Task:
    """Return what the subject did."""
    assert scan.paradigm is not None
    return Task(scan.paradigm.regressor, scan.paradigm.frequency, scan.geometry.repetition_time)


def gfactors() -> None:
    """Print mean and 95th percentile of the g-factor of least squares, over the object."""
    for bands, acceleration, caipi in GOALS:
        protocol = Protocol(
            multiband=bands, acceleration=acceleration, caipi=caipi, groups=4, frames=24
        )
        scan = simulate(protocol, seed=0)
        values = []
        for group in range(scan.groups):
            lines = np.flatnonzero(scan.mask(0, group).any(1))
            g = sense_gfactor(scan.maps(group), lines, scan.caipi)
            values.append(g[g > 0])
        g = np.concatenate(values)
        print(f"g-factor MB{bands} R{acceleration} CAIPI {caipi}: {g.mean():.2f}"
              f" ({np.percentile(g, 95):.2f})", flush=True)  # fmt: skip


def picture(path: Path, mu: float) -> None:
    """Draw image, tSNR, t and phase of the truth, least squares and Tikhonov."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    scan = simulate(PROTOCOLS["MB5 R2"], seed=0)
    assert scan.paradigm is not None
    assert scan.paradigm.beta is not None
    at = int((scan.paradigm.beta >= 1).sum((1, 2)).argmax())
    found = {"truth": truth(scan), "least squares": reconstruct(scan, 1e-9),
             "Tikhonov": reconstruct(scan, mu)}  # fmt: skip
    figure, axes = plt.subplots(len(found), 4, figsize=(11, 8), squeeze=False)
    for row, (name, series) in zip(axes, found.items(), strict=True):
        own = maps(series[:, at : at + 1], task(scan))
        brain = scan.brain[at]
        phase = np.where(brain & (own.coherence[0] > 0.3), own.phase[0], np.nan)
        shown = ((np.abs(series[0, at]), "gray", 0, 1.1, name),
                 (own.tsnr[0] * brain, "viridis", 0, 90, "tSNR"),
                 (own.t[0] * brain, "inferno", 0, 10, "t"),
                 (phase, "hsv", -np.pi, np.pi, "phase"))  # fmt: skip
        for axis, (values, colours, low, high, title) in zip(row, shown, strict=True):
            axis.imshow(values, cmap=colours, vmin=low, vmax=high, origin="lower")
            axis.set_title(title)
            axis.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Print the g-factors and the table, and draw the picture if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--mu", type=float, default=0.005, help="of Tikhonov")
    parser.add_argument("--maps", default="file", help="file (the truth), espirit or lowres")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    start = time.monotonic()
    gfactors()
    table(options.seeds, options.mu, options.maps)
    if options.picture:
        picture(options.picture, options.mu)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
