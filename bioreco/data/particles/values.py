"""A set of particle images with what is known of each: its CTF, and maybe its pose and origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

CTF = (
    *("defocus_u", "defocus_v", "defocus_angle", "voltage", "spherical_aberration"),
    *("amplitude_contrast", "phase_shift", "b_factor", "pixel_size"),
)
PIXEL_SIZE = CTF.index("pixel_size")
NO_CTF = (0.0, 0.0, 0.0, 300.0, 0.0, 1.0, 0.0, 0.0)  # amplitude contrast alone: the CTF is 1


class Source(Protocol):
    """Particle images, read one by one."""

    def __len__(self) -> int: ...

    def read(self, k: int) -> Image:
        """Return one image (y, x), as it was stored.

        Raises
        ------
        UserError
            If it can't be read.

        """
        ...

    def where(self, k: int) -> str:
        """Say where the image comes from: the file and its line."""
        ...


@dataclass(frozen=True)
class Held:
    """Images that are held in memory."""

    values: NDArray[np.float32]
    name: str

    def __len__(self) -> int:
        return len(self.values)

    def read(self, k: int) -> Image:
        """Return a copy of one image."""
        return np.array(self.values[k])

    def where(self, k: int) -> str:
        """Say which one it is."""
        return f"{self.name}, particle {k + 1}"


@dataclass(frozen=True)
class Volume:
    """A density map.

    Attributes
    ----------
    values
        Density (z, y, x); the centre is the voxel N // 2.
    voxel
        Size of a voxel in Angstrom.
    name
        The file, or what was simulated.

    """

    values: NDArray[np.float32] = field(repr=False)
    voxel: float
    name: str = ""


@dataclass(frozen=True)
class ParticleSet:
    """Particle images and what is known of them; all arrays have one entry for each particle.

    Attributes
    ----------
    name
        The file, or what was simulated.
    source
        The images, read when asked for.
    index
        The number of each particle's image in the source.
    box
        Pixels along y and x of an image.
    ctf
        (n, 9) in the order of `CTF`: defocus U and V (Angstrom, underfocus > 0), angle (rad),
        voltage (kV), spherical aberration (mm), amplitude contrast, phase shift (rad), B factor
        (Angstrom squared), pixel size (Angstrom).
    optics
        The optics group, from 0.
    poses
        Rotations A (n, 3, 3) with r_image = A r_volume, vectors (x, y, z); or None.
    origins
        (x, y) in Angstrom that centre the image, RELION's sign; or None.
    halves
        1 or 2; or None.
    micrographs
        The number of the micrograph; or None.
    micrograph_names
        What it is called.
    notes
        What reading the file found out, in plain words.

    """

    name: str
    source: Source = field(repr=False)
    index: Integers = field(repr=False)
    box: int
    ctf: Floats = field(repr=False)
    optics: Integers = field(repr=False)
    poses: Floats | None = field(default=None, repr=False)
    origins: Floats | None = field(default=None, repr=False)
    halves: Integers | None = field(default=None, repr=False)
    micrographs: Integers | None = field(default=None, repr=False)
    micrograph_names: Sequence[str] = field(default=(), repr=False)
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.index)

    @property
    def pixel_size(self) -> float:
        """Size of a pixel in Angstrom, that of the first particle."""
        return float(self.ctf[0, PIXEL_SIZE])

    def read(self, k: int) -> Image:
        """Return the image of a particle (y, x), as it was stored."""
        return self.source.read(int(self.index[k]))

    def where(self, k: int) -> str:
        """Say where a particle comes from."""
        return self.source.where(int(self.index[k]))

    def subset(self, chosen: NDArray[Any]) -> ParticleSet:
        """Return some of the particles: their numbers, or a mask."""
        parts = ("index", "ctf", "optics", "poses", "origins", "halves", "micrographs")
        values = {name: getattr(self, name) for name in parts}
        cut = {name: value[chosen] for name, value in values.items() if value is not None}
        return replace(self, **cut)
