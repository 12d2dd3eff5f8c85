"""Which format a file has: what it holds counts more than what it is called."""

from __future__ import annotations

from pathlib import Path

from bioreco.data.paths import format_of
from bioreco.errors import UserError

_FOREIGN = {
    ".czi": "Zeiss CZI",
    ".nd2": "Nikon ND2",
    ".lif": "Leica LIF",
    ".oib": "Olympus OIB",
    ".oif": "Olympus OIF",
    ".vsi": "Olympus VSI",
    ".dm3": "Gatan DM3",
    ".dm4": "Gatan DM4",
    ".ser": "FEI SER",
    ".emd": "Velox EMD",
    ".par": "Philips PAR/REC",
    ".rec": "Philips PAR/REC",
    ".mnc": "MINC",
    ".ims": "Imaris",
    ".dcm": "DICOM",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jp2": "JPEG 2000",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WebP",
    ".npz": "NumPy archive",
    ".mat": "MATLAB",
    ".zip": "ZIP archive",
}


def recognised(path: Path) -> str:
    """Return the format of a file: what it holds counts more than what it is called."""
    with path.open("rb") as file:
        head = file.read(540)
    by_name = format_of(path)
    kind = _by_content(head)
    if kind is None and (head[:2] == b"\x1f\x8b" or head[:3] == b"BZh"):
        kind = by_name if by_name in {"mrc", "nifti"} else None
    if kind is None and by_name == "mrc" and not _foreign(path, head):
        kind = "mrc"
    foreign = _FOREIGN.get(path.suffix.lower())
    if kind is not None and (kind != "hdf5" or foreign is None):
        return kind
    if foreign is not None:
        raise UserError(f"{path.name}: {foreign} files aren't read; export it as OME-TIFF.")
    if by_name is not None:
        raise UserError(f"{path.name} isn't {by_name.upper()}: its first bytes are {head[:8]!r}.")
    raise UserError(
        f"{path.name} isn't an image that can be read (TIFF, PNG, NPY, MRC, NIfTI, HDF5, OME-Zarr)."
    )


def _by_content(head: bytes) -> str | None:
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if head[208:212] == b"MAP ":
        return "mrc"
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        return "nifti"
    return None


def _foreign(path: Path, head: bytes) -> bool:
    """Tell a Philips .REC, which has no header at all, from the .rec of a tomogram."""
    return path.suffix == ".REC" or path.with_suffix(".PAR").exists() or not any(head[:16])
