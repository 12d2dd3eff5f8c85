"""Reconstructed series as NIfTI: magnitude and phase, written and read frame by frame.

NIfTI viewers don't show complex numbers, so there are two files: NAME.nii with the magnitude and
NAME_phase.nii with the phase in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition, Complex
from bioreco.data.image import Image
from bioreco.data.nifti import open_nifti
from bioreco.data.raw import Raw
from bioreco.data.writing import Together, Writer, disk_told, remove, temporary_name
from bioreco.errors import UserError

PHASE = "_phase"
_LARGEST = 2**15


class Series:
    """Writes a series of complex volumes; both files appear when all is written.

    A context manager: leaving it after an exception leaves nothing behind.

    Parameters
    ----------
    path
        NAME.nii; the phase goes to NAME_phase.nii. Files that are there are replaced.
    shape
        Voxels along x, y and z, and frames.
    affine
        Voxel (x, y, z, 1) to millimetres (4, 4).
    repetition_time
        Seconds between frames, or None.

    Raises
    ------
    UserError
        If the name doesn't end in .nii, or the file can't be written.

    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int, int],
        affine: NDArray[np.float64],
        repetition_time: float | None,
    ) -> None:
        if path.suffix != ".nii":
            raise UserError(f"{path}: a series is written as NIfTI; end the name in .nii.")
        self.path, self.phase_path = path, phase_path(path)
        self.shape = shape
        self._together = Together()
        try:
            self._magnitude, self._phase = (
                self._together.add(_created(target, shape, affine, repetition_time))
                for target in (self.path, self.phase_path)
            )
        except BaseException:
            self._together.discard()
            raise

    @staticmethod
    def of(acquisition: Acquisition, path: Path) -> Series:
        """Return a series for the images of an acquisition; its geometry numbers the slices."""
        place, size = acquisition.geometry, acquisition.size
        shape = (size[1], size[0], int(place.slices.max()) + 1, acquisition.frames)
        return Series(path, shape, place.affine, place.repetition_time)

    def write(self, frame: int, image: Complex, slices: NDArray[np.int64] | None = None) -> None:
        """Store images of one frame.

        Parameters
        ----------
        frame
            Its number.
        image
            Slices (n, y, x).
        slices
            Their numbers along z (n,); None for the whole volume.

        """
        numbers = np.arange(self.shape[2]) if slices is None else np.asarray(slices)
        if image.shape != (len(numbers), self.shape[1], self.shape[0]):
            raise ValueError(f"{image.shape} values for {len(numbers)} slices of {self.shape[:2]}")
        for number, values in zip(numbers, image, strict=True):
            place = (slice(frame, frame + 1), slice(int(number), int(number) + 1))
            self._magnitude.write(place, np.abs(values).astype(np.float32)[None, None])
            self._phase.write(place, np.angle(values).astype(np.float32)[None, None])

    def __enter__(self) -> Series:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._together.__exit__(kind, error, trace)


def phase_path(path: Path) -> Path:
    """Return the name of the file with the phase."""
    return path.with_name(path.stem + PHASE + path.suffix)


def _created(
    target: Path,
    shape: tuple[int, int, int, int],
    affine: NDArray[np.float64],
    repetition_time: float | None,
) -> Writer:
    """Lay out an empty file under a temporary name."""
    temporary = temporary_name(target)
    with disk_told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_told(target):
            header = _header(shape, affine, repetition_time)
            with temporary.open("wb") as file:
                header.write_to(file)
                file.write(b"\0" * 4)  # no extension follows
            raw = Raw(temporary, int(header.get_data_offset()), np.dtype("<f4"), shape[::-1])
            raw.reserve()
    except BaseException:
        remove(temporary)
        raise
    return Writer(target, temporary, raw, shape=shape[::-1], dtype=np.dtype(np.float32))


def _header(
    shape: tuple[int, int, int, int], affine: NDArray[np.float64], repetition_time: float | None
) -> Any:
    import nibabel

    kind = nibabel.Nifti1Header if max(shape) < _LARGEST else nibabel.Nifti2Header
    header = kind(endianness="<")
    header.set_data_shape(shape)
    header.set_data_dtype(np.float32)
    header.set_sform(affine, code=1)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms((*sizes, repetition_time or 1.0))
    header.set_qform(affine, code=1)
    header.set_xyzt_units("mm", "sec" if repetition_time else "unknown")
    header.set_data_offset(header.single_vox_offset)
    header["descrip"] = b"reconstructed by bioreco"
    return header


@dataclass(frozen=True)
class Written:
    """A series that was written, read frame by frame.

    Attributes
    ----------
    magnitude
        The image in NAME.nii.
    phase
        That in NAME_phase.nii, or None.
    affine
        Voxel (x, y, z, 1) to millimetres.

    """

    magnitude: Image
    phase: Image | None
    affine: NDArray[np.float64]

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.magnitude.size("T")

    @property
    def repetition_time(self) -> float | None:
        """Seconds between frames."""
        return self.magnitude.spacing.get("T")

    def read(self, frame: int) -> Complex:
        """Return one frame (z, y, x); without a file of the phase, it is the magnitude."""
        place = (slice(frame, frame + 1),) if "T" in self.magnitude.axes else ()
        values = self.magnitude.read(place)
        angle = self.phase.read(place) if self.phase is not None else np.zeros(1, np.float32)
        shape = [self.magnitude.size(axis) for axis in "ZYX"]
        return np.asarray(values * np.exp(1j * angle), dtype=np.complex64).reshape(shape)


def open_series(path: Path) -> Written:
    """Open a series; the phase is read too, if NAME_phase.nii is there.

    Raises
    ------
    UserError
        If it isn't NIfTI, or the sizes of both differ.

    """
    magnitude = open_nifti(path)
    beside = phase_path(path)
    phase = open_nifti(beside) if beside.exists() else None
    if phase is not None and phase.shape != magnitude.shape:
        raise UserError(f"{beside.name} has another size than {path.name}.")
    affine = np.asarray(magnitude.meta.header.get_best_affine(), dtype=np.float64)
    return Written(magnitude, phase, affine)
