"""Particle images of cryo-EM: the user's own, or simulated ones with a known volume."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bioreco.data.particles.broken import without_broken
from bioreco.data.particles.contrast import settled
from bioreco.data.particles.finding import file_of, under
from bioreco.data.particles.hinge import Hinged
from bioreco.data.particles.noise import Empty, Noise
from bioreco.data.particles.optics import Given
from bioreco.data.particles.pool import Pool, read_pool
from bioreco.data.particles.portion import how_many, one_half, so_many
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.relion import read_particles
from bioreco.data.particles.samples import ParticleSamples
from bioreco.data.particles.simulated import Microscope, Wanted, simulate
from bioreco.data.particles.sources import matter_of, truth_of
from bioreco.data.particles.values import ParticleSet, Source, Volume
from bioreco.errors import UserError
from bioreco.operators.ctf import aliasing

log = logging.getLogger("bioreco")


class CryoEMData:
    """Particle images with their CTF, and the true volume where it is known.

    Parameters
    ----------
    seed
        Decides what is simulated, which particles are chosen, and the halves of a set without.
    paths
        A STAR file, or an MRC stack alone. Without it, and without `root`, particles are simulated.
    root
        The folder that relative paths and the names in a STAR file start from; alone, it holds the
        STAR file.
    volume
        What simulated particles show: a density map, a PDB file, or "hinge:DEGREES", a chain of
        blobs that opens and closes; nothing: a chain that doesn't move. For particles from a file
        the truth to score against.
    box
        Pixels along y and x that methods see; None: as stored, 48 if simulated. The field of view
        of stored images is kept, so that fewer pixels are larger.
    pixel_size
        Of stored images in Angstrom, where files don't say; of simulated ones.
    particles
        How many; None: all, 8000 if simulated; "half1" or "half2": one half set of them alone.
    snr
        Of simulated particles: variance of the signal within the disc of the particle over the
        variance of the noise; None: 1.
    ctf
        "auto": of the file, or simulated; "none": images without a CTF; or for a file that lacks
        it defocus U, V (Angstrom) and angle (degrees).
    contrast
        "white" or "black" particles; "auto": as measured, and refused where that isn't clear.
    background
        Patches of pure noise: an MRC stack or a STAR file, see `read_pool`.
    microscope
        How simulated particles are seen.

    Attributes
    ----------
    kind
        "particles".
    particles
        The set, as stored.
    truth
        The volume that they show, on the grid of the images, or None; where it moves, its middle.
    conformations
        How it moves, or None.
    box, pixel_size
        Pixels along y and x that methods see, and their size in Angstrom.
    preparation
        How images are normalised.
    pool
        Patches of background, those of `background` or simulated ones, or None.
    background
        The simulated patches, which `write_particles` can write, or None.

    Raises
    ------
    UserError
        If files can't be understood, or an option is out of range.

    """

    kind = "particles"
    inputs, dims, channels, augment = 1, 2, "independent", "none"
    particles: ParticleSet
    box: int
    pixel_size: float

    def __init__(
        self,
        *,
        seed: int,
        paths: list[str] | str | None = None,
        root: str | None = None,
        volume: str | None = None,
        box: int | None = None,
        pixel_size: float | None = None,
        particles: int | str | None = None,
        snr: float | None = None,
        ctf: str | list[float] = "auto",
        contrast: str = "auto",
        background: str | None = None,
        microscope: Microscope | None = None,
    ) -> None:
        self.seed, seen = seed, Microscope() if microscope is None else microscope
        if isinstance(ctf, str) and ctf not in ("auto", "none"):
            raise UserError(f"data.ctf={ctf}: auto, none, or [U,V,ANGLE] in Angstrom and degrees")
        self.truth: Volume | None = None
        self.conformations: Hinged | None = None
        self.background: Source | None = None
        if paths or root:
            if snr is not None:
                raise UserError(f"data.snr={snr:g} is of simulated particles, not of files")
            given = Given(
                pixel_size, seen.voltage, seen.spherical_aberration, seen.amplitude_contrast, ctf
            )
            self._read(file_of(paths, root), root, given, particles)
            self._prepare(box, contrast)
            if volume is not None:
                self.truth = truth_of(
                    under(volume, root),
                    box=self.box,
                    pixel=self.pixel_size,
                    resolution=seen.resolution,
                )
        else:
            count = how_many(particles)
            wanted = Wanted(
                8000 if count is None else count,
                1.0 if snr is None else snr,
                _simulated_ctf(ctf),
                seed,
            )
            self._simulate(volume, box, pixel_size, seen, wanted)
            self.particles = one_half(self.particles, particles, seed)
            if contrast not in ("auto", "white"):
                raise UserError(f"data.contrast={contrast}: simulated particles are white")
            self._prepare(None, "white")
        self.pool = self._pool(background, root)

    def _read(
        self, path: Path, root: str | None, given: Given, particles: int | str | None
    ) -> None:
        found = read_particles(path, root=root, given=given)
        for note in found.notes:
            log.info("%s: %s.", found.name, note)
        found = without_broken(so_many(found, how_many(particles), self.seed))
        self.particles = one_half(found, particles, self.seed)

    def _simulate(
        self,
        volume: str | None,
        box: int | None,
        pixel: float | None,
        microscope: Microscope,
        wanted: Wanted,
    ) -> None:
        matter, truth, radius = matter_of(
            volume, box=box, pixel=pixel, resolution=microscope.resolution, seed=self.seed
        )
        self.truth, self.conformations = truth, matter if isinstance(matter, Hinged) else None
        self.particles = simulate(matter, truth, radius, microscope, wanted)
        side = len(truth.values)
        self.background = Empty(Noise(side, microscope.noise, self.seed))
        defocus = "{:g} to {:g} um defocus".format(*np.array(microscope.defocus) / 1e4)
        log.info(
            "These are %d simulated particles (seed %d) of a %s: %d x %d pixels of %.4g Angstrom,"
            " power SNR %g within a disc of %.0f Angstrom, %s noise, %s.",
            wanted.particles,
            self.seed,
            truth.name,
            side,
            side,
            truth.voxel,
            wanted.snr,
            2 * radius,
            microscope.noise,
            defocus if wanted.ctf else "no CTF",
        )

    def _prepare(self, box: int | None, contrast: str) -> None:
        stored = self.particles.box
        self.box = stored if box is None else box
        if not 16 <= self.box <= stored:
            raise UserError(
                f"data.box={self.box}: at least 16, and at most the {stored} pixels of the images"
            )
        self.pixel_size = self.particles.pixel_size * stored / self.box
        plain = Preparation(stored, self.box)
        simulated = self.background is not None
        sign = 1 if simulated else settled(self.particles, plain, contrast)
        told = aliasing(torch.from_numpy(plain.ctf(self.particles)), self.box)
        if told:
            log.warning("%s: %s", self.particles.name, told)
        self.preparation = replace(plain, sign=sign)

    def _pool(self, background: str | None, root: str | None) -> Pool | None:
        if background is not None:
            path = Path(under(background, root)).expanduser()
            return read_pool(path, self.particles, self.preparation, root=root)
        return None if self.background is None else Pool(self.background, self.preparation)

    @property
    def patch(self) -> tuple[int, int]:
        """Pixels along y and x that methods see."""
        return self.box, self.box

    def training(self, wants: Sequence[str] = ()) -> ParticleSamples:
        """Return what is learnt from, with what the method wants beside y, ctf and seed.

        Raises
        ------
        UserError
            If the particles lack it.

        """
        return ParticleSamples(self.particles, self.preparation, tuple(wants), self.pool)


def _simulated_ctf(ctf: str | list[float]) -> bool:
    if not isinstance(ctf, str):
        raise UserError(
            f"data.ctf={ctf} is of measured images; simulated ones take data.microscope.defocus"
        )
    return ctf == "auto"
