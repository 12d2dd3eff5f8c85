"""Open a tomogram: read it, complete what the file doesn't say, check it, choose views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bioreco.data.paths import missing
from bioreco.data.tomograms import directions, files, phase
from bioreco.data.tomograms.values import Light, Tomogram, Truth, turns
from bioreco.errors import UserError

NAMES = ("wavelength", "pixel_size", "medium", "na")


@dataclass(frozen=True)
class Given:
    """What the user says of files.

    Attributes
    ----------
    light
        The optics that files don't say.
    unwrap
        See `log_fields`.
    limit
        Views that lie farther apart from the first one are left out, degrees; None: none are.
    shrink
        Pixels along y and x that become one.

    """

    light: Light
    unwrap: str = "auto"
    limit: float | None = None
    shrink: int = 1


def open_tomogram(path: Path, given: Given) -> Tomogram:
    """Open a tomogram.

    Raises
    ------
    UserError
        If it can't be read or used; it says why.

    """
    if not path.is_file():
        raise missing(path)
    stored = files.read(path)
    fields, notes = phase.log_fields(
        stored["phase"], stored.get("amplitude"), path.name, unwrap=given.unwrap
    )
    count = len(fields)
    light = stored["light"].completed(given.light)
    if "illumination" in stored:
        illumination = directions.check_illumination(stored["illumination"], count, path.name)
        rotations = np.broadcast_to(np.eye(3), (count, 3, 3))
    elif "angles" in stored:
        angles = directions.check_angles(stored["angles"], count, path.name)
        illumination = np.broadcast_to([0.0, 0.0, 1.0], (count, 3))
        rotations = turns(angles)
    else:
        raise UserError(
            f"{path.name} doesn't say from where each view was taken: put angles.txt (radians, one"
            " for each view) beside it"
        )
    notes += directions.tell(illumination, rotations)
    light = _checked(light, path.name)
    found = Tomogram(
        *(path.name, fields, illumination, rotations, light, stored.get("truth"), tuple(notes))
    )
    return shrunk(limited(found, given.limit), given.shrink)


def _checked(light: Light, name: str) -> Light:
    """Fill in an objective that takes all light, and refuse what is missing or impossible."""
    for key, value in zip(NAMES[:3], light.values, strict=False):
        if value is None:
            raise UserError(
                f"{name} doesn't say its {key.replace('_', ' ')}: say data.optics.{key}=..."
            )
        if not value > 0:
            raise UserError(f"{name}: {key}={value:g}, which can't be")
    wavelength, pixel, medium, na = light.values
    assert wavelength is not None  # just checked
    assert pixel is not None
    assert medium is not None
    na = medium if na is None else na
    if not 0 < na <= medium:
        raise UserError(f"{name}: na={na:g}: above 0, and at most the medium's {medium:g}")
    if pixel > wavelength / (2 * medium) * 2:
        raise UserError(
            f"{name}: pixels of {pixel:g} nm are too large for light of {wavelength:g} nm"
        )
    return Light(wavelength, pixel, medium, na)


def limited(found: Tomogram, degrees: float | None) -> Tomogram:
    """Leave out the views whose light comes from more than so many degrees off the first."""
    if degrees is None:
        return found
    seen = np.einsum("vji,vj->vi", found.rotations, found.illumination)
    off = np.degrees(np.arccos(np.clip(seen @ seen[0], -1, 1)))
    chosen = np.flatnonzero(off <= degrees)
    if len(chosen) < 2:
        raise UserError(f"data.limit={degrees:g}: {len(chosen)} views are left; at least 2")
    told = f"{len(chosen)} of {len(found)} views, within {degrees:g} degrees of the first"
    return replace(found.taken(chosen), notes=(*found.notes, told))


def shrunk(found: Tomogram, times: int) -> Tomogram:
    """Return a tomogram with larger pixels, without aliasing."""
    if times == 1:
        return found
    sides = found.fields.shape[1:]
    sizes = [side // times for side in sides]
    if times < 1 or min(sizes) < 16:
        raise UserError(f"data.shrink={times}: {min(sizes)} pixels would be left; at least 16")
    spectrum = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(found.fields, axes=(1, 2))), axes=(1, 2)
    )
    rows, columns = (
        slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(sides, sizes, strict=True)
    )
    kept = np.fft.ifftshift(spectrum[:, rows, columns], axes=(1, 2))
    scale = sizes[0] * sizes[1] / (sides[0] * sides[1])
    fields = np.fft.fftshift(np.fft.ifft2(kept), axes=(1, 2)) * scale
    wavelength, pixel, medium, na = found.light.values
    assert pixel is not None  # checked when it was opened
    light = Light(wavelength, pixel * sides[1] / sizes[1], medium, na)
    truth = None if found.truth is None else _coarser(found.truth, times)
    told = f"{times} x {times} pixels became one"
    return replace(
        found,
        fields=fields.astype(np.complex64),
        light=light,
        truth=truth,
        notes=(*found.notes, told),
    )


def _coarser(truth: Truth, times: int) -> Truth:
    """Return the means of blocks, which keep the centre n // 2 where the sizes allow it."""
    sizes = [n // times for n in truth.index.shape]
    cut = truth.index[tuple(slice(0, n * times) for n in sizes)]
    blocks = cut.reshape([k for n in sizes for k in (n, times)])
    return Truth(blocks.mean(axis=(1, 3, 5)))
