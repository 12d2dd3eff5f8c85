"""Readouts of echo-planar imaging that were acquired from the far end."""

from __future__ import annotations

from typing import Any

import numpy as np

from bioreco.data.acquisition import Complex
from bioreco.data.image import times
from bioreco.data.kspace.checks import binary, finite
from bioreco.data.kspace.fourier import to_image
from bioreco.data.kspace.scans import Reversal, turned
from bioreco.errors import UserError


def reversal_of(
    lines: np.ndarray[Any, Any] | None,
    navigators: np.ndarray[Any, Any] | None,
    size: tuple[int, int],
    name: str,
) -> tuple[Reversal | None, list[str]]:
    """Return what to do about reversed lines, and what should be said of it.

    Parameters
    ----------
    lines
        Which are reversed (ky,); None for none.
    navigators
        Three lines without phase encoding (3, coils, kx), the middle one in the other direction.
    size
        Of k-space, y and x.

    Raises
    ------
    UserError
        If sizes don't fit.

    """
    if lines is None:
        return None, []
    if lines.shape != size[:1]:
        raise UserError(
            f"{name}: its list of reversed lines has {times(lines.shape)} entries,"
            f" but there are {size[0]} lines."
        )
    reversed_lines = binary(lines, name)
    told = f"{int(reversed_lines.sum())} of {size[0]} readouts are reversed: they are turned around"
    if navigators is None or navigators.ndim != 3 or navigators.shape[::2] != (3, size[1]):
        said = "no navigators: a ghost of half the field of view may be left"
        return Reversal(reversed_lines), [f"{told}; {said}"]
    lead, middle, trail = finite(navigators, f"{name}, navigators")
    middle = turned(middle[:, None], Reversal(np.array([True])))[:, 0]
    correction, shift = phase_between((lead + trail) / 2, middle)
    said = f"navigators show them {shift:+.2f} samples apart from the others, which is corrected"
    note = "samples taken during the ramps of the gradient, if any, are not regridded"
    return Reversal(reversed_lines, correction), [f"{told}; {said}", note]


def phase_between(forward: Complex, backward: Complex) -> tuple[Complex, float]:
    """Return the linear phase (coils, x) that makes reversed readouts agree with the others.

    The phase between a line without phase encoding read in one direction and one read in the
    other is fitted by a line along x, with one slope for all coils (Ahn & Cho, IEEE TMI 6:32,
    1987; Heid, Proc. ISMRM 1997).

    Parameters
    ----------
    forward, backward
        Lines (coils, kx), the backward one turned around.

    Returns
    -------
    ndarray, float
        The factor, and the shift of the echo in samples.

    """
    product = to_image(forward, (-1,)) * to_image(backward, (-1,)).conj()  # (coils, x)
    length = product.shape[-1]
    slope = float(np.angle((product[:, 1:] * product[:, :-1].conj()).sum()))
    x = np.arange(length) - length // 2
    offset = np.angle((product * np.exp(-1j * slope * x)).sum(-1, keepdims=True))
    factor = np.exp(1j * (slope * x + offset)).astype(np.complex64)
    return factor, slope * length / (2 * np.pi)
