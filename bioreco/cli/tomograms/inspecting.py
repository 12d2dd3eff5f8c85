"""`bioreco inspect TOMOGRAM`: from where an object was looked at, and what is missing."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from bioreco.cli.tomograms.scoring import missing_angle
from bioreco.data.tomograms.opening import Given, open_tomogram
from bioreco.data.tomograms.values import Light, Tomogram

INDENT = "  "


def describe(path: str) -> list[str]:
    """Return what there is to say about one tomogram."""
    found = open_tomogram(Path(path), Given(Light()))
    wavelength, pixel, medium, na = found.light.values
    rows, columns = found.fields.shape[1:]
    phase = found.fields.imag
    lines = [
        f"tomogram: {len(found)} views of Y {rows} x X {columns} pixels, {_kind(found)}",
        f"light: {wavelength:g} nm, pixels of {pixel:.4g} nm, medium {medium:g}, NA {na:g}",
        f"phase: {phase.min():.3g} to {phase.max():.3g} radians, background {_noise(phase):.2g}",
        f"missing: {_missing(found)}",
        f"truth: {'none' if found.truth is None else 'refractive index'}",
        *(f"note: {note}" for note in found.notes),
        f"next: bioreco train method=gerchberg_papoulis data=odt data.paths=[{shlex.quote(path)}]",
    ]
    return [path, *(INDENT + line for line in lines)]


def _kind(found: Tomogram) -> str:
    return "the light was tilted" if found.tilted else "the object was turned"


def _missing(found: Tomogram) -> str:
    angle = missing_angle(found)
    if angle is not None:
        return f"frequencies within {angle:.0f} degrees of the axis of light"
    return "no cone about the axis of light"


def _noise(phase: np.ndarray) -> float:
    """Return the standard deviation along the border."""
    edge = np.concatenate([phase[:, :4].ravel(), phase[:, -4:].ravel()])
    return float(edge.std())
