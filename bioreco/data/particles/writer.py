"""Particle sets as RELION 3.1 has them: a STAR file with optics groups, a stack, the truth.

The files of a set appear together when all are complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.data.formats import create
from bioreco.data.image import Image
from bioreco.data.particles.maps import volume_image
from bioreco.data.particles.star import star_text
from bioreco.data.particles.values import CTF, ParticleSet, Source, Volume
from bioreco.data.raw import Memory
from bioreco.data.writing import Together, Writer, disk_told, remove, temporary_name
from bioreco.data.writing import replace as replace_file
from bioreco.errors import UserError
from bioreco.operators.rotations import matrix_to_euler

STAR, STACK, TRUTH, BACKGROUND = "particles.star", "particles.mrcs", "truth.mrc", "background.mrcs"


def write_particles(
    particles: ParticleSet,
    folder: Path,
    *,
    truth: Volume | None = None,
    background: Source | None = None,
    label: str = "",
    overwrite: bool = False,
) -> list[Path]:
    """Write a set of particles.

    Parameters
    ----------
    particles
        The set; images are written as they are stored.
    folder
        Where particles.star and particles.mrcs go, and truth.mrc and background.mrcs if given.
    truth, background
        The volume they show; patches of pure noise.
    label
        One line kept in the MRC files.
    overwrite
        Whether files that are there are replaced.

    Returns
    -------
    list of Path
        The files, the STAR file first.

    Raises
    ------
    UserError
        If a file exists, or can't be written.

    """
    star = folder / STAR
    if star.exists() and not overwrite:
        raise UserError(f"{star} exists already; say overwrite=true to replace it.")
    stacks = [(folder / STACK, particles.box, len(particles), particles.read)]
    if background is not None:
        stacks.append((folder / BACKGROUND, particles.box, len(background), background.read))
    temporary = temporary_name(star)
    try:
        with Together() as together:
            for path, box, count, read in stacks:
                like = _stack_image(path.name, box, count, particles.pixel_size)
                writer = _created(path, like, label, overwrite)
                together.add(writer)
                for k in range(count):
                    writer.write((slice(k, k + 1),), read(k)[None])
            if truth is not None:
                like = volume_image(truth)
                writer = together.add(_created(folder / TRUTH, like, label, overwrite))
                writer.write((), truth.values)
            with disk_told(star), temporary.open("w", encoding="utf-8") as file:
                file.writelines(star_text(_blocks(particles)))
        with disk_told(star):
            replace_file(temporary, star)
    finally:
        remove(temporary)
    return [star, *(path for path, *_ in stacks), *([folder / TRUTH] if truth else [])]


def _created(path: Path, like: Image, label: str, overwrite: bool) -> Writer:
    return create(path, like, dtype=like.dtype, overwrite=overwrite, note=label)


def _stack_image(name: str, box: int, count: int, pixel: float) -> Image:
    """Return the description of a stack of images."""
    spacing = dict.fromkeys("YX", pixel)
    return Image(
        path=Path(),
        name=name,
        format="mrc",
        axes="IYX",
        shape=(count, box, box),
        dtype=np.dtype(np.float32),
        pixels=Memory(np.empty(0, np.float32)),
        spacing=spacing,
        units=dict.fromkeys(spacing, "angstrom"),
    )


Table = Mapping[str, Sequence[object]]


def _blocks(particles: ParticleSet) -> Iterator[tuple[str, Table]]:
    """Return the two tables of a STAR file."""
    ctf = {name: particles.ctf[:, k].astype(np.float64) for k, name in enumerate(CTF)}
    groups, first = np.unique(particles.optics, return_index=True)
    optics: dict[str, Sequence[object]] = {
        "rlnOpticsGroup": [int(k) + 1 for k in groups],
        "rlnOpticsGroupName": [f"opticsGroup{k + 1}" for k in groups],
        "rlnVoltage": ctf["voltage"][first].tolist(),
        "rlnSphericalAberration": ctf["spherical_aberration"][first].tolist(),
        "rlnAmplitudeContrast": ctf["amplitude_contrast"][first].tolist(),
        "rlnImagePixelSize": ctf["pixel_size"][first].tolist(),
        "rlnImageSize": [particles.box] * len(groups),
        "rlnImageDimensionality": [2] * len(groups),
    }
    yield "optics", optics
    yield "particles", {**_images(particles), **_ctfs(ctf), **_poses(particles)}


def _images(particles: ParticleSet) -> Table:
    table: dict[str, Sequence[object]] = {
        "rlnImageName": [f"{k + 1:06d}@{STACK}" for k in range(len(particles))]
    }
    if particles.micrographs is not None:
        names = particles.micrograph_names
        table["rlnMicrographName"] = [names[k] for k in particles.micrographs]
    table["rlnOpticsGroup"] = [int(k) + 1 for k in particles.optics]
    if particles.halves is not None:
        table["rlnRandomSubset"] = particles.halves.tolist()
    return table


def _ctfs(ctf: Mapping[str, NDArray[np.float64]]) -> Table:
    return {
        "rlnDefocusU": ctf["defocus_u"].tolist(),
        "rlnDefocusV": ctf["defocus_v"].tolist(),
        "rlnDefocusAngle": np.rad2deg(ctf["defocus_angle"]).tolist(),
        "rlnPhaseShift": np.rad2deg(ctf["phase_shift"]).tolist(),
        "rlnCtfBfactor": ctf["b_factor"].tolist(),
    }


def _poses(particles: ParticleSet) -> Table:
    table: dict[str, Sequence[object]] = {}
    if particles.poses is not None:
        angles = matrix_to_euler(torch.from_numpy(particles.poses).double()).numpy()
        for k, name in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
            table[name] = angles[:, k].tolist()
    if particles.origins is not None:
        for k, name in enumerate(("rlnOriginXAngst", "rlnOriginYAngst")):
            table[name] = particles.origins[:, k].astype(np.float64).tolist()
    return table
