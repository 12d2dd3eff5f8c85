"""`bioreco inspect PARTICLES.STAR`: how many particles there are, and how they were imaged."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch

from bioreco.data.particles.broken import without_broken
from bioreco.data.particles.contrast import CLEAR, Contrast, contrast_of
from bioreco.data.particles.optics import Given
from bioreco.data.particles.portion import so_many
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.relion import read_particles
from bioreco.data.particles.values import CTF, ParticleSet
from bioreco.operators.ctf import aliasing

INDENT = "  "
LOOKED_AT = 1000  # images, at most
LARGE = 64  # pixels: of larger images as many are advised to learn from


def describe(path: str) -> list[str]:
    """Return what there is to say about the particles of a STAR file, reading up to 1000 images.

    Raises
    ------
    UserError
        If the file can't be understood, or its images aren't there.

    """
    found = read_particles(Path(path), root=None, given=Given())
    some = without_broken(so_many(found, min(LOOKED_AT, len(found)), 0))
    plain = Preparation(found.box, found.box)
    warned = aliasing(torch.from_numpy(plain.ctf(some)), found.box)
    lines = [
        f"particles: {len(found)} of Y {found.box} x X {found.box} pixels of"
        f" {found.pixel_size:.4g} Angstrom",
        f"microscope: {_microscope(found)}",
        f"defocus: {_defocus(found)}",
        f"contrast: {_contrast(contrast_of(some, plain))}",
        f"poses: {'none' if found.poses is None else 'in the file; no method needs them'}",
        f"half sets: {'none' if found.halves is None else 'in the file'}",
        *(f"note: {note}" for note in [*found.notes, *([warned] if warned else [])]),
        f"next: {_next(path, found.box)}",
    ]
    return [path, *(INDENT + line for line in lines)]


def _microscope(found: ParticleSet) -> str:
    groups = len(np.unique(found.optics))
    return (
        f"{_range(found, 'voltage')} kV, spherical aberration"
        f" {_range(found, 'spherical_aberration')} mm, amplitude contrast"
        f" {_range(found, 'amplitude_contrast')}, {groups} optics group{'s' * (groups > 1)}"
    )


def _defocus(found: ParticleSet) -> str:
    u, v = (found.ctf[:, CTF.index(name)] / 1e4 for name in ("defocus_u", "defocus_v"))
    mean = (u + v) / 2
    return (
        f"{mean.min():.3g} to {mean.max():.3g} um, astigmatism up to {np.abs(u - v).max():.2g} um"
    )


def _contrast(measured: Contrast) -> str:
    if abs(measured.score) >= CLEAR:
        return str(measured)
    return (
        f"not clear, {abs(measured.score):.1f} standard errors from 0 over {measured.images}"
        " images; say data.contrast=white or data.contrast=black"
    )


def _range(found: ParticleSet, name: str) -> str:
    values = found.ctf[:, CTF.index(name)]
    low, high = f"{values.min():.4g}", f"{values.max():.4g}"
    return low if low == high else f"{low} to {high}"


def _next(path: str, box: int) -> str:
    line = f"bioreco train method=cryogan data=cryoem data.paths=[{shlex.quote(path)}]"
    return f"{line} data.box={LARGE}" if box > LARGE else line
