"""Particles from a STAR file of RELION 3.0 to 5, or from a stack without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.data.particles import optics
from bioreco.data.particles.optics import Given, ctf_of
from bioreco.data.particles.stacks import folders_of, named_stacks, stack_alone
from bioreco.data.particles.star import Block, block_of, read_star
from bioreco.data.particles.tables import Tables
from bioreco.data.particles.values import NO_CTF, PIXEL_SIZE, ParticleSet
from bioreco.data.paths import missing
from bioreco.errors import UserError
from bioreco.operators.rotations import euler_to_matrix

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ANGSTROM = ("rlnOriginXAngst", "rlnOriginYAngst")
_PIXELS = ("rlnOriginX", "rlnOriginY")
_UNUSED = {
    "rlnBeamTiltX": "beam tilt",
    "rlnOddZernike": "odd aberrations",
    "rlnEvenZernike": "even aberrations",
    "rlnMagMat00": "anisotropic magnification",
    "rlnCtfScalefactor": "the scale factor of the CTF",
}
_TOMOGRAMS = ("rlnCtfImage", "rlnTomoName", "rlnTomoParticleName")


def read_particles(path: Path, *, root: str | None, given: Given) -> ParticleSet:
    """Open the particles of a STAR file, or of an MRC stack alone.

    Parameters
    ----------
    path
        The file.
    root
        The folder that the names in a STAR file start from; without it they are looked for from
        the folder of the STAR file upwards.
    given
        What the user says of the optics.

    Raises
    ------
    UserError
        If the file can't be understood or its images aren't there, with file and line.

    """
    if not path.is_file():
        raise missing(path)
    if path.suffix.lower() == ".star":
        return _from_star(path, root, given)
    return _from_stack(path, given)


def _from_star(path: Path, root: str | None, given: Given) -> ParticleSet:
    blocks = read_star(path)
    particles = _particles(blocks, path.name)
    tables = Tables(path.name, particles, blocks.get("optics"))
    ctf = ctf_of(tables, given)
    names = particles.column("rlnImageName")
    stacks = named_stacks(path.name, names, particles.lines, folders_of(path, root))
    _check_box(tables, stacks.box)
    number, known = _micrographs(particles)
    return ParticleSet(
        name=path.name,
        source=stacks,
        index=np.arange(len(particles), dtype=np.int64),
        box=stacks.box,
        ctf=ctf.astype(np.float32),
        optics=tables.group,
        poses=_poses(tables),
        origins=_origins(tables, ctf[:, PIXEL_SIZE]),
        halves=_halves(tables),
        micrographs=number,
        micrograph_names=known,
        notes=_notes(tables, stacks.stacks[0].spacing, ctf),
    )


def _particles(blocks: Mapping[str, Block], file: str) -> Block:
    """Return the table of particles: data_particles, or the one table that names images."""
    naming = [name for name, block in blocks.items() if "rlnImageName" in block]
    if "particles" not in blocks and len(naming) > 1:
        held = ", ".join(f"data_{name}" for name in naming)
        raise UserError(f"{file} holds several tables of images ({held}); keep one of them.")
    found = block_of(blocks, ["particles", *naming], file)
    for name in _TOMOGRAMS:
        if name in found:
            raise UserError(f"{file} holds sub-tomograms ({name}), not particle images.")
    if "rlnImageName" not in found:
        raise UserError(f"{file} has no column rlnImageName, so its images are unknown.")
    if not len(found):
        raise UserError(f"{file} holds no particles: its table data_{found.name} is empty.")
    return found


def _check_box(tables: Tables, box: int) -> None:
    for name, wanted in (("rlnImageSize", box), ("rlnImageDimensionality", 2)):
        if not tables.has(name):
            continue
        values = tables.numbers(name)
        for k in np.flatnonzero(values != wanted)[:1]:
            raise UserError(
                f"{tables.said(k)}: {name} is {values[k]:g}, but the images of the stack are"
                f" {box} x {box} pixels."
            )


def _poses(tables: Tables) -> NDArray[np.float32] | None:
    if not all(tables.has(name) for name in _ANGLES):
        return None
    angles = np.column_stack([tables.numbers(name) for name in _ANGLES])
    matrices: NDArray[np.float32] = euler_to_matrix(torch.from_numpy(angles)).float().numpy()
    return matrices


def _origins(tables: Tables, pixel: NDArray[np.float64]) -> NDArray[np.float32] | None:
    for names, unit in ((_ANGSTROM, np.ones_like(pixel)), (_PIXELS, pixel)):
        if all(tables.has(name) for name in names):
            values = [tables.numbers(name) * unit for name in names]
            return np.column_stack(values).astype(np.float32)
    return None


def _halves(tables: Tables) -> NDArray[np.int64] | None:
    if not tables.has("rlnRandomSubset"):
        return None
    halves = tables.numbers("rlnRandomSubset").astype(np.int64)
    for k in np.flatnonzero((halves != 1) & (halves != 2))[:1]:
        raise UserError(f"{tables.said(k)}: rlnRandomSubset is {halves[k]}; it is 1 or 2.")
    return halves


def _micrographs(particles: Block) -> tuple[NDArray[np.int64] | None, Sequence[str]]:
    for name in ("rlnMicrographName", "rlnGroupName", "rlnGroupNumber"):
        if name in particles:
            known, number = np.unique(np.array(particles.column(name)), return_inverse=True)
            return number.astype(np.int64), [str(one) for one in known]
    return None, ()


def _notes(tables: Tables, spacing: Mapping[str, float], ctf: NDArray[np.float64]) -> Sequence[str]:
    notes = []
    unused = [
        what
        for name, what in _UNUSED.items()
        if tables.has(name) and (name[-4:] == "nike" or np.ptp(tables.numbers(name)) > 0)
    ]
    if unused:
        notes.append(f"not modelled, though the file has it: {', '.join(unused)}")
    pixel, voxel = float(ctf[0, PIXEL_SIZE]), spacing.get("X", 0.0)
    if voxel > 0 and abs(voxel - 1) > 1e-3 and abs(voxel - pixel) > 0.01 * pixel:
        notes.append(
            f"the header of the stack says {voxel:g} Angstrom per pixel, the STAR file {pixel:g};"
            " the STAR file is believed"
        )
    spread = ctf[:, PIXEL_SIZE]
    if np.ptp(spread) > 0.01 * pixel:
        raise UserError(
            f"{tables.file}: the optics groups have pixel sizes from {spread.min():.4g} to"
            f" {spread.max():.4g} Angstrom; extract them alike, or split the file."
        )
    return notes


def _from_stack(path: Path, given: Given) -> ParticleSet:
    stacks = stack_alone(path)
    pixel = given.pixel_size or stacks.stacks[0].spacing.get("X", 0.0)
    if not 0.1 <= pixel <= 50:
        raise UserError(
            f"{path.name} doesn't say its pixel size; say data.pixel_size=ANGSTROM, or give its"
            " STAR file."
        )
    if given.ctf == "auto":
        raise UserError(
            f"{path.name} is a stack without the CTF of its images: give its STAR file.\n"
            "Or say data.ctf=[U,V,ANGLE] (Angstrom, degrees) if it is the same for all images, or"
            " data.ctf=none if they have none."
        )
    one = [*NO_CTF, pixel]
    if given.ctf != "none":
        one[:3] = optics.alone(given.ctf)
        one[3:6] = (
            optics.check(key, getattr(given, key) or usual)
            for key, usual in (
                ("voltage", 300.0),
                ("spherical_aberration", 2.7),
                ("amplitude_contrast", 0.1),
            )
        )
    count = len(stacks)
    return ParticleSet(
        name=path.name,
        source=stacks,
        index=np.arange(count, dtype=np.int64),
        box=stacks.box,
        ctf=np.tile(np.array(one, np.float32), (count, 1)),
        optics=np.zeros(count, np.int64),
    )
