"""Read every image in a folder, write it again in its own format, and compare the two.

    python scripts/roundtrip.py FOLDER [--skip NAME ...]

Prints one row a file: what was read, what (if anything) did not survive, or why it was refused.
The exit status is 1 if anything did not survive.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.formats import create, open_image, result_path
from bioreco.data.image import Image
from bioreco.data.mrcheader import Header
from bioreco.errors import UserError

# A colour table may become ImageJ's own, and JPEG colours become RGB.
_SHOWN = {3: 1, 6: 2}


@dataclass(frozen=True)
class Row:
    """What happened to one file."""

    name: str
    what: str
    result: str


def main() -> int:
    """Print the table and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--skip", nargs="*", default=[], help="folders left aside")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, path in enumerate(files(given.folder, set(given.skip))):
            for target in datasets(path):
                name = str(target.relative_to(given.folder))
                rows.append(check(name, target, Path(scratch) / str(number)))
                print(f"{rows[-1].name:72} {rows[-1].what:52} {rows[-1].result}", flush=True)
    counts = Counter(row.result.split(":")[0] for row in rows)
    print(f"\n{len(rows)} files: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    return int("CHANGED" in counts)


def files(folder: Path, skip: set[str]) -> Iterator[Path]:
    """Yield every file, in order, hidden ones and skipped folders left aside."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not skip & set(inside) and not path.name.startswith("."):
            yield path


def datasets(path: Path) -> list[Path]:
    """Return the file, or the first few data sets of an HDF5 file."""
    if path.suffix != ".h5":
        return [path]
    import h5py

    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda n, node: found.append(n) if hasattr(node, "shape") else None)
    return [Path(f"{path}:/{name}") for name in found[:4]]


def check(name: str, path: Path, folder: Path) -> Row:
    """Take one file through the round trip."""
    folder.mkdir(exist_ok=True)
    try:
        before = open_image(path)
        digest = hashlib.sha256(before.path.read_bytes()).digest()
        pixels = before.read()
        target = result_path(before, f"{folder}/", several=False, fallback=folder)
        with create(target, before, dtype=before.dtype, overwrite=False, note="copied") as writer:
            for index in bands(before.shape):
                writer.write(index, before.read(index))
    except UserError as error:
        return Row(name, "-", f"refused: {str(error).splitlines()[0]}")
    what = f"{before.axes} {'x'.join(map(str, before.shape))} {before.dtype} {before.format}"
    after = open_image(target, axes=before.axes)
    lost = list(differences(before, after))
    if not np.array_equal(pixels, after.read(), equal_nan=pixels.dtype.kind == "f"):
        lost.append("pixels")
    if hashlib.sha256(before.path.read_bytes()).digest() != digest:
        lost.append("THE INPUT")
    if lost:
        return Row(name, what, "CHANGED: " + "; ".join(lost))
    return Row(name, what, "same" + said(before))


def said(image: Image) -> str:
    """Return what the file told beyond its pixels."""
    steps = [f"{a} {step:g} {image.units.get(a, '')}" for a, step in image.spacing.items()]
    parts = [", ".join(steps), ", ".join(image.channels), "; ".join(image.notes)]
    return "".join(f": {part}" for part in parts if part)


def bands(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield regions that cut the image in three along its first long axis."""
    axis = next((i for i, size in enumerate(shape) if size > 2), 0)
    edges = [0, shape[axis] // 3, 2 * shape[axis] // 3, shape[axis]]
    for start, stop in pairwise(edges):
        if stop > start:
            yield (*[slice(None)] * axis, slice(start, stop))


def differences(before: Image, after: Image) -> Iterator[str]:
    """Yield what is not the same, in words."""
    for field in ("format", "axes", "shape", "dtype", "spacing", "units", "channels"):
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield f"{field} {old} -> {new}"
    old, new = facts(before), facts(after)
    for key in old:
        if key in new and str(old[key]) != str(new[key]):
            yield f"{key} {str(old[key])[:60]!r} -> {str(new[key])[:60]!r}"
        elif key not in new:
            yield f"{key} is gone"


def facts(image: Image) -> dict[str, Any]:
    """Return the metadata of a format that a copy has to keep."""
    meta = image.meta
    if image.format == "tiff":
        derived = {"ImageJ", "images", "hyperstack"}
        found = {f"imagej {k}": v for k, v in meta.imagej.items() if k not in derived}
        found |= {"kind": meta.kind, "photometric": _SHOWN.get(meta.photometric, meta.photometric)}
        found |= {"resolution": [n / d for n, d in meta.resolution or [(1, 1), (1, 1)]]}
        found |= {"resolution unit": meta.resolution_unit, "date": meta.datetime}
        return {**found, **{f"tag {code}": text for code, text in meta.tags.items()}}
    if image.format == "mrc":
        header = Header(bytearray(meta.header), meta.order)
        names = ("mode", "n", "m", "cell", "origin", "start", "map", "space_group", "extended")
        found = {name: header.get(name) for name in names}
        return {**found, "label": bytes(header.data[224:304]), "extended": meta.extended}
    if image.format == "nifti":
        keys = ("pixdim", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "xyzt_units")
        found = {key: meta.header[key].tolist() for key in (*keys, "dim", "slice_code")}
        return {**found, "affine": meta.header.get_best_affine().tolist()}
    if image.format == "hdf5":
        return dict(meta.attributes)
    if image.format == "png":
        return {f"{kind.decode()} {body[:20]!r}": body for kind, body in meta.chunks}
    return {}


if __name__ == "__main__":
    sys.exit(main())
