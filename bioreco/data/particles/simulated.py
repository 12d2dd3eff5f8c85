"""Simulated particles: projections of a known volume through known CTFs, moved and noisy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.data.particles.blobs import Blobs
from bioreco.data.particles.hinge import Hinged
from bioreco.data.particles.noise import Noise, Noisy
from bioreco.data.particles.optics import check
from bioreco.data.particles.resample import inside
from bioreco.data.particles.values import NO_CTF, ParticleSet, Volume
from bioreco.errors import UserError
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer
from bioreco.operators.rotations import uniform_rotations

Matter = Blobs | Hinged | Volume

PER_MICROGRAPH = 50
AMPLITUDES = (0.1, 0.07)  # amplitude contrast of the two optics groups


@dataclass(frozen=True)
class Microscope:
    """How particles are seen.

    Attributes
    ----------
    noise
        "gaussian" or "ice"; see `Noise`.
    defocus
        Least and largest defocus in Angstrom; one value for each micrograph of 50 particles.
    astigmatism
        Largest difference of defocus U and V in Angstrom.
    shifts
        Particles lie off the centre by at most this along x and y, in Angstrom.
    voltage, spherical_aberration
        In kilovolt and millimetres; None: 300 and 2.7.
    amplitude_contrast
        None: 0.1 and 0.07 in the two optics groups, between which micrographs alternate.
    resolution
        Of the density of a molecule, in Angstrom; None: 4 pixels.

    Notes
    -----
    What the user says of voltage, spherical aberration and amplitude contrast also fills in what a
    file of measured particles lacks.

    """

    noise: str = "gaussian"
    defocus: tuple[float, float] = (10000.0, 25000.0)
    astigmatism: float = 500.0
    shifts: float = 10.0
    voltage: float | None = None
    spherical_aberration: float | None = None
    amplitude_contrast: float | None = None
    resolution: float | None = None

    def __post_init__(self) -> None:
        low, high = self.defocus
        wrong = {
            "defocus": ([low, high], 0 <= low <= high, "[LEAST,LARGEST] in Angstrom"),
            "astigmatism": (self.astigmatism, self.astigmatism >= 0, "not negative, in Angstrom"),
            "shifts": (self.shifts, self.shifts >= 0, "not negative, in Angstrom"),
        }
        for key, (value, fine, told) in wrong.items():
            if not fine:
                raise UserError(f"data.microscope.{key}={value}: {told}")


@dataclass(frozen=True)
class Wanted:
    """How many images, and how noisy.

    Attributes
    ----------
    particles
        How many images.
    snr
        Variance of the signal within the disc of the particle over the variance of the noise.
    ctf
        Whether there is a CTF.
    seed
        Decides poses, origins, CTFs and noise.

    """

    particles: int = 8000
    snr: float = 1.0
    ctf: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.particles < 2:
            raise UserError(f"data.particles={self.particles}: at least 2")
        if self.snr <= 0:
            raise UserError(f"data.snr={self.snr:g}: a ratio of powers, above 0")


def simulate(
    matter: Matter, truth: Volume, radius: float, microscope: Microscope, wanted: Wanted
) -> ParticleSet:
    """Simulate particle images.

    Parameters
    ----------
    matter
        What is projected: in closed form if it is made of blobs, else by Fourier slices. What has a
        hinge is in another conformation in each image, all equally often.
    truth
        Its density on the grid that images are on.
    radius
        Of the particle, in Angstrom.
    microscope, wanted
        How it is seen, and how often.

    """
    box, pixel, count, seed = len(truth.values), truth.voxel, wanted.particles, wanted.seed
    poses = _poses(count, seed)
    origins = _draws(seed, 2).uniform(-1, 1, (count, 2)) * microscope.shifts
    states = _draws(seed, 4).random(count)
    micrographs = np.arange(count) // PER_MICROGRAPH
    ctf = _ctf(microscope, wanted, micrographs, pixel)
    signal = np.empty((count, box, box), np.float32)
    for start in range(0, count, PER_MICROGRAPH):
        part = slice(start, start + PER_MICROGRAPH)
        seen = matter.of(states[part]) if isinstance(matter, Hinged) else matter
        signal[part] = _images(seen, poses[part], ctf[part], -origins[part], box)
    disc = inside(box, radius / pixel)
    power = float(signal[:, disc].var(axis=1, dtype=np.float64).mean())
    signal *= np.float32(np.sqrt(wanted.snr / power))
    name = "simulated particles"
    return ParticleSet(
        name=name,
        source=Noisy(signal, Noise(box, microscope.noise, seed), name),
        index=np.arange(count, dtype=np.int64),
        box=box,
        ctf=ctf,
        optics=(micrographs % 2).astype(np.int64),
        poses=poses,
        origins=origins.astype(np.float32),
        halves=1 + np.arange(count, dtype=np.int64) % 2,
        micrographs=micrographs,
        micrograph_names=[f"simulated_{k + 1:05d}.mrc" for k in range(int(micrographs[-1]) + 1)],
    )


def _draws(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([31, seed, stream])


def _poses(count: int, seed: int) -> NDArray[np.float32]:
    draws = torch.from_numpy(_draws(seed, 1).random((count, 3)))
    poses: NDArray[np.float32] = uniform_rotations(draws).float().numpy()
    return poses


def _ctf(
    microscope: Microscope, wanted: Wanted, micrographs: NDArray[np.int64], pixel: float
) -> NDArray[np.float32]:
    """Return the CTF of each particle (n, 9): one for each micrograph, in two optics groups."""
    count = int(micrographs[-1]) + 1
    if not wanted.ctf:
        return np.tile(np.array([*NO_CTF, pixel], np.float32), (len(micrographs), 1))
    rng = _draws(wanted.seed, 3)
    u = rng.uniform(*microscope.defocus, count)
    v = np.clip(u - rng.uniform(0, 1, count) * microscope.astigmatism, 0, None)
    each = np.zeros((count, 9))
    each[:, :3] = np.column_stack([u, v, rng.uniform(0, np.pi, count)])
    said = microscope.amplitude_contrast
    each[:, 3] = _settled("voltage", microscope.voltage, 300.0)
    each[:, 4] = _settled("spherical_aberration", microscope.spherical_aberration, 2.7)
    each[:, 5] = [_settled("amplitude_contrast", said, AMPLITUDES[k % 2]) for k in range(count)]
    each[:, 8] = pixel
    return each[micrographs].astype(np.float32)


def _settled(key: str, said: float | None, usual: float) -> float:
    return usual if said is None else check(key, said)


def _images(
    matter: Blobs | Volume,
    poses: NDArray[np.float32],
    ctf: NDArray[np.float32],
    shifts: NDArray[np.float64],
    box: int,
) -> NDArray[np.float32]:
    """Return images of one micrograph without noise.

    What the CTF spreads out of the box is lost.
    """
    if isinstance(matter, Volume):
        values, turned = torch.from_numpy(matter.values), torch.from_numpy(poses)
        moved = torch.from_numpy(shifts.astype(np.float32))
        seen = CryoEM().simulate(values, turned, torch.from_numpy(ctf), moved)[:, 0]
        return np.asarray(seen.numpy())
    before = box - box // 2
    sharp = torch.from_numpy(matter.project(poses, shifts, box, float(ctf[0, 8])))
    padded = torch.nn.functional.pad(sharp, [before, box - before] * 2)
    transfer = contrast_transfer(torch.from_numpy(ctf[:1]), 2 * box)
    seen = torch.fft.irfft2(torch.fft.rfft2(padded) * transfer, s=(2 * box, 2 * box))
    return np.asarray(seen[:, before : before + box, before : before + box].numpy())
