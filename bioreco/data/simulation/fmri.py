"""Simulated functional MRI with simultaneous slices, and the truth it was made from.

Signal = drawn head x (1 + BOLD response of a block design + physiological noise), moved a little
from frame to frame, seen by an array of loops, excited MB slices at a time with CAIPI shifts and
every R-th line, plus thermal noise. Left out, and said: geometric distortion, signal changes along
the echo train, ghosts, and motion through the slices.

Frame by frame: any frame can be made alone, and is the same bytes whenever it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition, Complex, Geometry, Mask, Paradigm
from bioreco.data.simulation import synthesis
from bioreco.data.simulation.activation import BLOCK, block_regressor
from bioreco.data.simulation.physiology import Physiology, physiology
from bioreco.data.simulation.protocol import Protocol
from bioreco.data.simulation.subject import Subject, draw
from bioreco.data.simulation.synthesis import STREAMS

ACTIVE = 1.0  # per cent of the signal: a voxel that changes by this much or more is active
MEAN_CHANGE = 2.0  # per cent, mean over active voxels
SAMPLES = 4096  # of a noise scan


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedFMRI(Acquisition):
    """One simulated run.

    Attributes
    ----------
    protocol
        How it was measured.
    seeds
        Of the person and of the run.
    subject
        What was measured.
    change
        Relative change of the signal at full activity, on the fine grid (z, 2 y, 2 x).
    rest
        What changes besides.
    brain
        Voxels of the brain (z, y, x).

    """

    protocol: Protocol
    seeds: tuple[int, int]
    subject: Subject
    change: NDArray[np.float32]
    rest: Physiology
    brain: NDArray[np.bool_]
    _coils: dict[int, Complex] = field(default_factory=dict, repr=False)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return the measurements (coils, ky, kx); the same bytes for the same frame."""
        lines = self._lines(frame, group)
        y = np.zeros((self.coils, *self.size), dtype=np.complex64)
        clean = synthesis.measure(self._moved(frame, group), self._fine(group), self.caipi, lines)
        y[:, lines] = clean + self._noise((len(lines), self.size[1]), "thermal", frame, group)
        return y

    def mask(self, frame: int, group: int) -> Mask:
        """Return which lines were taken (ky, kx)."""
        taken = np.zeros(self.size, dtype=bool)
        taken[self._lines(frame, group)] = True
        return taken

    def maps(self, group: int) -> Complex:
        """Return the true coil maps at the resolution of the image (bands, coils, y, x)."""
        return self.subject.maps(self.geometry.slices[group], self.coils)

    def calibration(self, group: int) -> Complex:
        """Return the central lines of each band alone, with noise (bands, coils, lines, kx)."""
        rows, columns = self.size
        count = min(self.protocol.calibration_lines, rows)
        lines = rows // 2 - count // 2 + np.arange(count)
        x = self.subject.x[self.geometry.slices[group]]
        alone = [
            synthesis.measure(x[s : s + 1], coils[None], (0.0,), lines)
            + self._noise((count, columns), "calibration", group, s)
            for s, coils in enumerate(self._fine(group))
        ]
        return np.stack(alone)

    def reference(self, frame: int, group: int) -> Complex:
        """Return the truth without noise, at the resolution that is measured (bands, y, x)."""
        return synthesis.truth(self._moved(frame, group))

    def noise(self) -> Complex | None:
        """Return a scan without excitation (coils, samples); None where the noise is white."""
        return self._noise((SAMPLES,), "scan", 0, 0) if self.protocol.correlation else None

    @property
    def sigma(self) -> float:
        """Standard deviation of the thermal noise of a sample, sqrt(E|n|^2)."""
        return self.subject.brightness / self.protocol.snr

    def _moved(self, frame: int, group: int) -> Complex:
        """Return the fine images of a group at a frame (bands, 2 y, 2 x)."""
        at = self.geometry.slices[group]
        assert self.paradigm is not None
        active = self.paradigm.regressor[frame] * self.change[at]
        courses = self.rest.courses[:, frame].astype(np.float32)
        noise = np.tensordot(courses, self.rest.modes[:, at], 1)
        changed = self.subject.x[at] * (1 + active + noise).astype(np.float32)
        shift = self.rest.shifts[frame]
        return synthesis.move(changed, (shift[0], shift[1])) if shift.any() else changed

    def _fine(self, group: int) -> Complex:
        """Return the coil maps on the fine grid, worked out once."""
        if group not in self._coils:
            self._coils[group] = self.subject.coils(self.geometry.slices[group], self.coils)
        return self._coils[group]

    def _lines(self, frame: int, group: int) -> NDArray[np.intp]:
        offset = 0
        if self.protocol.jitter:
            rng = np.random.default_rng([STREAMS["jitter"], *self.seeds, frame, group])
            offset = int(rng.integers(self.protocol.acceleration))
        return synthesis.acquired(self.size[0], self.protocol.acceleration, offset)

    def _noise(self, shape: tuple[int, ...], stream: str, *counter: int) -> Complex:
        seeds = [STREAMS[stream], *self.seeds, *counter]
        white = synthesis.gaussian((self.coils, *shape), self.sigma, seeds)
        if not self.protocol.correlation:
            return white
        colour = synthesis.colouring(self.coils, self.protocol.correlation)
        return np.asarray(np.tensordot(colour, white, 1), dtype=np.complex64)


def simulate(protocol: Protocol, *, seed: int, run: int = 0) -> SimulatedFMRI:
    """Put a person into the scanner and measure one run.

    Parameters
    ----------
    protocol
        How to measure.
    seed
        Who it is, and what responds.
    run
        Runs of one person differ in their noise, thermal and physiological, and in motion.

    """
    slices = protocol.multiband * protocol.groups
    size = (protocol.size, protocol.size)
    heights, spacing = synthesis.slice_heights(slices)
    subject = draw(size, heights, spacing, contrast="epi", seed=seed, anatomy=protocol.anatomy)
    regressor = block_regressor(protocol.frames, protocol.repetition_time)
    change, beta = _scaled(subject, float(regressor.mean()))
    return SimulatedFMRI(
        name=f"simulated_{run + 1}",
        frames=protocol.frames,
        groups=protocol.groups,
        bands=protocol.multiband,
        coils=protocol.coils,
        size=size,
        caipi=synthesis.caipi_shifts(
            protocol.multiband, protocol.size, protocol.acceleration, protocol.caipi
        ),
        geometry=Geometry(
            affine=synthesis.affine(size, heights, spacing),
            repetition_time=protocol.repetition_time,
            slices=np.arange(slices).reshape(protocol.multiband, protocol.groups).T,
        ),
        paradigm=Paradigm(regressor, 1 / (2 * BLOCK), beta),
        protocol=protocol,
        seeds=(seed, run),
        subject=subject,
        change=change,
        rest=physiology(
            synthesis.fine_grid(size, heights),
            regressor,
            repetition_time=protocol.repetition_time,
            frequency=1 / (2 * BLOCK),
            size=protocol.physiology,
            motion=protocol.motion,
            seeds=(seed, run),
        ),
        brain=subject.brain,
    )


def _scaled(subject: Subject, mean: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scale the response so that active voxels change by 2 per cent; return it and its beta map.

    Beta is what a fit finds at the resolution of the image: the change of |x| from rest to full
    activity, in per cent of the mean over the run.
    """
    rest = np.abs(synthesis.truth(subject.x))
    scale, beta = MEAN_CHANGE / 100, np.zeros_like(rest)
    for _ in range(8):
        active = np.abs(synthesis.truth(subject.x * (1 + np.float32(scale) * subject.change)))
        level = rest + mean * (active - rest)
        beta = np.where(subject.brain, 100 * (active - rest) / np.maximum(level, 1e-6), 0)
        found = beta >= ACTIVE
        if not found.any():
            scale *= 2
            continue
        scale *= MEAN_CHANGE / float(beta[found].mean())
    return np.float32(scale) * subject.change, beta.astype(np.float32)
