"""Pixel size and CTF of each particle, from STAR tables of every age.

RELION 3.0 and before hold all of it with each particle, and the pixel size as detector pixel size
(micrometres) over magnification; since 3.1 what is common to many particles is in a table of optics
groups, and the pixel size is rlnImagePixelSize (Angstrom).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioreco.data.particles.pixelsize import pixel_size
from bioreco.data.particles.tables import Doubles, Tables
from bioreco.data.particles.values import NO_CTF
from bioreco.errors import UserError

_NEEDED = {
    "voltage": ("rlnVoltage", 30.0, 1500.0, "kilovolt"),
    "spherical_aberration": ("rlnSphericalAberration", 0.0, 20.0, "millimetres"),
    "amplitude_contrast": ("rlnAmplitudeContrast", 0.0, 1.0, "a share"),
}
_DEFOCUS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
_ALIKE = 0.01
_REFUSED = {
    "rlnCtfDataAreCtfPremultiplied": "multiplied by their CTF",
    "rlnCtfDataArePhaseFlipped": "phase-flipped",
}


@dataclass(frozen=True)
class Given:
    """What the user says of the optics, where files don't.

    Attributes
    ----------
    pixel_size
        In Angstrom.
    voltage, spherical_aberration, amplitude_contrast
        In kilovolt, millimetres and as a share.
    ctf
        "auto": as in the file; "none": the images have no CTF; or defocus U and V in Angstrom and
        the angle of U in degrees, of all images.

    """

    pixel_size: float | None = None
    voltage: float | None = None
    spherical_aberration: float | None = None
    amplitude_contrast: float | None = None
    ctf: str | Sequence[float] = "auto"


def ctf_of(tables: Tables, given: Given) -> Doubles:
    """Return the CTF of each particle (n, 9), as in `values.CTF`.

    Raises
    ------
    UserError
        If columns are missing or hold what can't be meant.

    """
    count = len(tables.particles)
    pixel = pixel_size(tables, given.pixel_size)
    if given.ctf == "none":
        return np.column_stack([np.tile(NO_CTF, (count, 1)), pixel])
    _check_untouched(tables)
    columns = [*_defocus(tables, given)]
    for key in _NEEDED:
        columns.append(_common(tables, key, getattr(given, key)))
    for name, factor in (("rlnPhaseShift", np.pi / 180), ("rlnCtfBfactor", 1.0)):
        columns.append(tables.numbers(name) * factor if tables.has(name) else np.zeros(count))
    return np.column_stack([*columns, pixel])


def _defocus(tables: Tables, given: Given) -> list[Doubles]:
    lacking = [name for name in _DEFOCUS if not tables.has(name)]
    if lacking and not isinstance(given.ctf, str):
        return list(np.tile(alone(given.ctf), (len(tables.particles), 1)).T)
    if lacking:
        raise UserError(
            f"{tables.file} has no column {', '.join(lacking)}, so the CTF is unknown.\n"
            "Say data.ctf=[U,V,ANGLE] (Angstrom, degrees) if it is the same for all images, or"
            " data.ctf=none if they have none."
        )
    u, v, angle = (tables.numbers(name) for name in _DEFOCUS)
    if len(u) and np.abs(u).max() < 100 and np.abs(u).max() > 0:
        raise UserError(
            f"{tables.said(0)}: rlnDefocusU is {u[0]:g}; it is in Angstrom, where 1 micrometre is"
            " 10000."
        )
    return [u, v, np.deg2rad(angle)]


def alone(ctf: Sequence[float] | str) -> Doubles:
    """Return defocus U, V (Angstrom) and angle (rad) from what the user says of all images."""
    if isinstance(ctf, str) or len(ctf) != 3:
        raise UserError(
            f"data.ctf={ctf}: auto, none, or [U,V,ANGLE], defocus in Angstrom and degrees"
        )
    u, v, angle = (float(value) for value in ctf)
    return np.array([u, v, np.deg2rad(angle)])


def _common(tables: Tables, key: str, said: float | None) -> Doubles:
    """Return what is common to an optics group: of the file, or as the user says."""
    name, low, high, unit = _NEEDED[key]
    if not tables.has(name):
        if said is None:
            raise UserError(
                f"{tables.file} has no column {name}; say data.microscope.{key}=NUMBER ({unit})."
            )
        return np.full(len(tables.particles), check(key, said))
    values = tables.numbers(name)
    for k in np.flatnonzero((values < low) | (values > high))[:1]:
        raise UserError(
            f"{tables.said(k)}: {name} is {values[k]:g}; it is in {unit}, {low:g} to {high:g}."
        )
    if said is not None and len(values) and np.abs(values - said).max() > _ALIKE * said:
        raise UserError(
            f"data.microscope.{key}={said:g}, but {name} of {tables.file} is {values[0]:g}."
        )
    return values


def check(key: str, value: float) -> float:
    """Refuse a number that can't be meant."""
    _, low, high, unit = _NEEDED[key]
    if not low <= value <= high:
        raise UserError(f"data.microscope.{key}={value:g}: in {unit}, {low:g} to {high:g}")
    return value


def _check_untouched(tables: Tables) -> None:
    for name, what in _REFUSED.items():
        if tables.has(name) and np.any(tables.numbers(name) != 0):
            raise UserError(
                f"{tables.file}: the images are {what} ({name}); extract them without that."
            )
