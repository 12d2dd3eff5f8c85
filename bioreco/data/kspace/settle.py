"""Which axis of a file is which, where the file doesn't say so itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioreco.data.acquisition import Complex, Mask
from bioreco.data.image import times
from bioreco.data.kspace.axes import Axes, named_axes
from bioreco.data.kspace.fourier import centred, to_image
from bioreco.data.kspace.header import Space
from bioreco.data.kspace.scans import filled
from bioreco.errors import UserError

_EMPTY = 3.0  # per cent
_LEADING = {2: (), 3: ("coil",), 4: ("slice", "coil"), 5: ("frame", "slice", "coil")}


def settled_axes(
    name: str,
    shape: Sequence[int],
    given: Sequence[str] | str | None,
    space: Space | None = None,
    lines: int | None = None,
) -> tuple[Axes, list[str]]:
    """Return the axes of an array of k-space, and what should be said of them.

    Parameters
    ----------
    given
        What the user says, which counts most.
    space
        What the header says: then rows are the readout, as in fastMRI, unless its sizes show that
        they are not.
    lines
        Length of a mask over lines: if only the last axis is as long, that is ky.

    Raises
    ------
    UserError
        If the axes can't be told, or sizes conflict with the header.

    """
    if given is not None:
        return named_axes(given, shape, name), []
    if len(shape) not in _LEADING:
        raise UserError(
            f"{name} is {times(shape)}, and nothing says what its axes are;"
            " say so with data.axes, for example data.axes=[frame,slice,coil,y,x]."
        )
    leading: Axes = _LEADING[len(shape)]
    if space is not None:
        leading = ("slice",) if len(shape) == 3 else leading
        last, notes = _by_header(name, shape, space)
    elif lines is not None and lines == shape[-1] != shape[-2]:
        last, notes = ("x", "y"), [f"the mask has {lines} entries: the last axis is y"]
    else:
        last = ("y", "x")
        said = f"{name} is {times(shape)} and doesn't name its axes: read as"
        other = ",".join((*leading, "x", "y"))
        notes = [f"{said} {' '.join((*leading, *last))}; if not, say data.axes=[{other}]"]
    axes = (*leading, *last)
    _check_coils(name, shape, axes)
    return axes, notes


def _by_header(name: str, shape: Sequence[int], space: Space) -> tuple[Axes, list[str]]:
    readout, rows, columns = space.encoded[0], shape[-2], shape[-1]
    if rows == readout or readout == 0:
        return ("x", "y"), []
    if columns == readout:
        return ("y", "x"), [
            f"the header says that a readout has {readout} samples: the last axis is x, not y"
        ]
    raise UserError(
        f"{name} is {times(shape)}, but its header says {readout} samples of a readout and"
        f" {space.encoded[1]} lines. Say which axis is which, for example"
        f" data.axes=[{','.join((*_LEADING[len(shape)], 'x', 'y'))}]."
    )


def _check_coils(name: str, shape: Sequence[int], axes: Axes) -> None:
    """Refuse more coils than pixels: then the axes are in another order."""
    if "coil" not in axes:
        return
    coils = shape[axes.index("coil")]
    if coils <= min(shape[-2:]):
        return
    words = ["?"] * len(shape)
    words[int(np.argmin([n if n > 1 else np.inf for n in shape]))] = "coil"
    rest = iter([*(word for word in axes if word not in {"coil", "y", "x"}), "y", "x"])
    words = [word if word == "coil" else next(rest) for word in words]
    raise UserError(
        f"{name} is {times(shape)}: read as {' '.join(axes)} it would have {coils} coils."
        f" Say what the axes are, for example data.axes=[{','.join(words)}]."
    )


def looked_at(
    values: Complex, said: Mask | None, name: str, *, oversampled: bool = False
) -> list[str]:
    """Look at one frame of k-space (coils, ky, kx) and return what should be said of it.

    Parameters
    ----------
    values, said
        What was measured, and the mask of the file.
    name
        Of the file.
    oversampled
        Whether the header says that the readout is oversampled.

    Raises
    ------
    UserError
        If its centre is in the corner.

    """
    size = values.shape[1:]
    energy = (np.abs(values.astype(np.complex128)) ** 2).sum(0)
    if not energy.any():
        raise UserError(f"{name}: nothing was measured, k-space is 0 everywhere.")
    peak = np.unravel_index(int(energy.argmax()), size)
    off = [abs(int(p) - n // 2) for p, n in zip(peak, size, strict=True)]
    if all(o > n / 2 - n / 8 - 1 for o, n in zip(off, size, strict=True)) and min(size) >= 8:
        raise UserError(
            f"{name}: the centre of k-space is in its corner, at ({int(peak[0])}, {int(peak[1])});"
            " it has to be in the middle. Apply numpy.fft.fftshift along y and x."
        )
    notes = []
    if any(o > max(2, n / 16) for o, n in zip(off, size, strict=True)):
        notes.append(
            f"the strongest sample is at ky {int(peak[0])}, kx {int(peak[1])} of {times(size)},"
            " far from the centre; check the order of the axes"
        )
    return [*notes, *_gaps(values, said), *([] if oversampled else _margins(values))]


def _margins(values: Complex) -> list[str]:
    """Tell an image that is empty on both sides along x: its readout looks oversampled."""
    energy = (np.abs(to_image(values, (-1,))) ** 2).sum((0, 1))
    inside = energy[centred(len(energy), len(energy) // 2)].sum()
    share = 100 * float(1 - inside / energy.sum())
    if share > _EMPTY:
        return []
    return [
        f"the outer half of the image along x holds {share:.2g} % of its energy: if the readout is"
        " oversampled, and the header doesn't say so, say data.oversampling=2"
    ]


def _gaps(values: Complex, said: Mask | None) -> list[str]:
    """Tell lines that hold nothing, and measurements where the mask has none."""
    notes = []
    lines = filled(values)
    held: Mask = np.asarray(lines.any(1))
    wanted: Mask = np.ones_like(held) if said is None else np.asarray(said.any(1))
    there = np.flatnonzero(held)
    before, stop = int(there[0]), int(there[-1]) + 1
    padded = int(wanted[:before].sum() + wanted[stop:].sum())
    if padded:
        notes.append(
            f"lines at the edges that hold nothing: {before} before and {len(held) - stop} behind"
            " what was measured; zero-padding, like what isn't sampled, counts as not acquired"
        )
    across: Mask = np.asarray(lines.any(0))
    if not across.all():
        notes.append(
            f"samples of each readout that are 0: {int((~across).sum())}; they count as not"
            " acquired"
        )
    if said is None:
        return notes
    missing = int((wanted & ~held)[before:stop].sum())
    if missing:
        notes.append(f"lines that hold nothing though the mask has them: {missing}; left out")
    left = np.any(values != 0, axis=0) & ~said
    if left.any():
        share = 100 * left.sum() / max(1, np.any(values != 0, axis=0).sum())
        notes.append(f"{share:.3g} % of the measurements lie outside the mask and are left out")
    return notes
