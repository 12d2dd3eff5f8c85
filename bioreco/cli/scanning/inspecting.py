"""`bioreco inspect SCAN [check=true]`: what k-space holds, and the laws of its operator."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bioreco.data.acquisition import Acquisition
from bioreco.data.kspace.scan import open_scan
from bioreco.data.scans import Problems
from bioreco.engine.sampler import collate
from bioreco.operators.laws import check as laws
from bioreco.operators.models import SMSMRI

INDENT = "  "


def describe(path: str, *, check: bool) -> list[str]:
    """Return what there is to say about one scan, reading its first frame only."""
    scan = open_scan(path)
    lines = [path, *(INDENT + line for line in _facts(scan))]
    lines += [f"{INDENT}{note}" for note in scan.notes]
    if check:
        lines += [INDENT + line for line in _laws(scan)]
    data = "fmri" if scan.bands > 1 else "mri"
    lines.append(f"{INDENT}next: bioreco train method=ssdu data={data} data.paths=[{path}]")
    return lines


def _facts(scan: Acquisition) -> Iterator[str]:
    rows, columns = scan.size
    mask = scan.mask(0, 0)
    yield (
        f"k-space: {scan.frames} frames, {scan.groups} groups of {scan.bands} slices,"
        f" {scan.coils} coils, {rows} lines of {columns} samples"
    )
    lines = int(mask.any(axis=1).sum())
    yield f"measured: {100 * mask.mean():.1f} % of the samples, {lines} of {rows} lines"
    x, y, z = scan.geometry.spacing
    yield f"voxels: {x:.3g} x {y:.3g} x {z:.3g} mm"
    if scan.geometry.repetition_time is not None:
        yield f"repetition time: {scan.geometry.repetition_time:g} s"
    if any(scan.caipi):
        yield f"CAIPI shifts: {', '.join(f'{d:g}' for d in scan.caipi)} pixels"
    lines_of = scan.calibration(0)
    if lines_of is not None:
        yield f"calibration: {lines_of.shape[2]} lines of each slice alone"
    yield f"truth: {'yes' if scan.reference(0, 0) is not None else 'none'}"


def _laws(scan: Acquisition) -> Iterator[str]:
    """Check the operator of the first problem, in double precision."""
    batch = collate([Problems([scan]).problem(0, 0, 0, seed=0)])
    maps = batch["maps"].to(torch.complex128)
    power = (maps.abs() ** 2).sum(2)
    there = power > 0
    yield f"coil maps: sum |C|^2 = 1 within {float((power[there] - 1).abs().max()):.1e}"
    batch["maps"] = maps / torch.where(there, power, 1).sqrt()[:, :, None]
    H = SMSMRI().operator(batch)
    found = laws(
        H,
        (1, scan.bands, *scan.size),
        (1, scan.coils, *scan.size),
        torch.complex128,
        bound=scan.bands,
        complete=scan.bands == 1 and bool(batch["mask"].all()),
        object_=there,
    )
    for name, law in found.items():
        verdict = "holds" if law.holds else f"BROKEN: rounding explains {law.allowed:.0e}"
        yield f"law {name}: error {law.error:.1e}, {verdict}"
