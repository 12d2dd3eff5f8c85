"""From fields or phases as they are stored to ln(u / u_0): unwrapped, with a background of 0."""

from __future__ import annotations

import numpy as np

from bioreco.data.tomograms.values import Array
from bioreco.errors import UserError, nearest

UNWRAP = ("auto", "always", "never")
EDGE = 4  # pixels along the border that show the background
STEP = 0.9 * np.pi  # between neighbours: no object does that, a wrapped phase does
ROUGH = 2e-3  # share of such steps that is left of an unwrapped phase at most
DARK = 1e-3  # amplitude below which there is no phase


def wrapped(phase: Array) -> bool:
    """Tell whether phases (v, y, x) jump by a turn, all within one turn."""
    within = float(np.ptp(phase)) <= 2 * np.pi + 0.1
    return within and _steps(phase) > 0


def _steps(phase: Array) -> float:
    """Return the share of neighbours that differ by about half a turn or more."""
    large = sum(int((np.abs(np.diff(phase, axis=axis)) > STEP).sum()) for axis in (1, 2))
    return large / (2 * phase.size)


def log_fields(
    phase: Array, amplitude: Array | None, name: str, *, unwrap: str = "auto"
) -> tuple[Array, list[str]]:
    """Return ln(u / u_0) (v, y, x), complex64, and what was done.

    Parameters
    ----------
    phase, amplitude
        (v, y, x): radians, and over the amplitude without object; None: 1.
    name
        Of the file, for messages.
    unwrap
        "auto" unwraps where the phase is wrapped, "always" any phase, "never" none.

    Raises
    ------
    UserError
        If the phase is wrapped and isn't to be unwrapped, or can't be: it has residues.

    """
    if unwrap not in UNWRAP:
        raise UserError(f"data.unwrap={unwrap}: {', '.join(UNWRAP)}." + nearest(unwrap, UNWRAP))
    if not np.isfinite(phase).all():
        raise UserError(f"{name}: the phase holds values that aren't finite numbers")
    notes = []
    jumps = wrapped(phase)
    if jumps and unwrap == "never":
        raise UserError(
            f"{name}: the phase is wrapped (it jumps by a turn between neighbours), so that no"
            " index follows from it: leave out data.unwrap=never"
        )
    if unwrap == "always" or (jumps and unwrap == "auto"):
        phase = np.stack([_unwrapped(view) for view in phase])
        notes.append("the phase was unwrapped, view by view")
        left = _steps(phase)
        if left > ROUGH:
            raise UserError(
                f"{name}: the phase is wrapped and can't be unwrapped: {100 * left:.2g} % of the"
                " steps between neighbours are still above half a turn. Unwrap it before, or sample"
                " it finer"
            )
    border = _border(phase)
    phase = phase - border[:, None, None]
    logs = np.zeros_like(phase)
    if amplitude is not None:
        logs = np.log(np.maximum(amplitude, DARK))
        logs = logs - _border(logs)[:, None, None]
    return (logs + 1j * phase).astype(np.complex64), notes


def _unwrapped(view: Array) -> Array:
    from skimage.restoration import unwrap_phase

    found: Array = unwrap_phase(view.astype(np.float64), rng=0)
    found -= 2 * np.pi * np.round(_border(found[None])[0] / (2 * np.pi))
    return found


def _border(values: Array) -> Array:
    """Return the median along the border of each view (v,)."""
    mask = np.ones(values.shape[1:], dtype=bool)
    mask[EDGE:-EDGE, EDGE:-EDGE] = False
    found: Array = np.median(values[:, mask], axis=1)
    return found
