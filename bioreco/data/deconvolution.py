"""Blurred images with their PSF, and sharp images of something else: deconvolution, unpaired.

What is sharp is known from other images: the user's, simulated ones, or the planes of the same
stack, which are sharper than its depth. Methods that want "sharp" draw from them independently.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bioreco.data.frames import Frames
from bioreco.data.images import Images
from bioreco.data.measurements import Measurements
from bioreco.data.psf import spacing
from bioreco.data.sharp import lateral, matched, read_sharp
from bioreco.data.simulation.blurred import Simulated, Simulation, microscope
from bioreco.errors import UserError, nearest
from bioreco.operators.optics import Optics

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]

SHARP = ("simulated", "lateral")
SEEN, VALIDATION, APART = 31, 37, 41  # streams of simulated images
SETTLED = 2  # simulated images that options are settled on
MOST = 32  # slices of what is simulated for stacks of the user's


class Deconvolution(Measurements):
    """Blurred images, simulated or the user's, with an unpaired sharp domain.

    Parameters
    ----------
    seed
        Decides what is simulated.
    paths
        The user's blurred images; None: simulated ones, with their truth as the reference.
    reference
        Clean images to score the user's against.
    psf
        "gaussian", "born_wolf", "gibson_lanni" or a file: what simulated images are blurred with,
        and what `forward=blur` takes for all.
    sharp
        The sharp domain: "simulated", "lateral" (the planes of the same stack), or files, folders
        or globs.
    axes, dims
        As of `Images`.
    pixel_size
        [z,y,x] of simulated images in nanometres, and of the user's where the files don't say.
    simulation
        What is simulated, and how much of it.
    optics
        The microscope.
    patch, augment
        See `Measurements`; patches of stacks are cubes where there are as many slices.

    Raises
    ------
    UserError
        If an option is out of range, or a file isn't what it should be.

    """

    def __init__(
        self,
        *,
        seed: int,
        paths: list[str] | None = None,
        reference: list[str] | None = None,
        psf: str = "gibson_lanni",
        sharp: str | list[str] = "simulated",
        axes: str | None = None,
        dims: int | str = "auto",
        pixel_size: tuple[float, float, float] = (200.0, 65.0, 65.0),
        simulation: Simulation | None = None,
        optics: Optics | None = None,
        patch: int = 64,
        augment: str = "turn",
    ) -> None:
        if not all(1 <= step <= 100_000 for step in pixel_size):
            raise UserError(
                f"data.pixel_size={list(pixel_size)}: [z,y,x] in nanometres, 1 to 100000 each"
            )
        what = simulation or Simulation()
        self._sharp, self._axes, self._own = sharp, axes, bool(paths)
        images: Sequence[Frames] = ()
        references: Sequence[Frames | None] = ()
        shape = what.shape
        sizes = tuple(pixel_size)[3 - len(shape) :]
        if paths:
            mine = Images(seed=seed, paths=paths, reference=reference, axes=axes, dims=dims)
            images, references, first = mine.images, mine.references, mine.images[0]
            shape = tuple(map(min, first.shape, (*[MOST] * (mine.dims - 2), what.size, what.size)))
            sizes = spacing(first.image, first.spatial) or tuple(pixel_size)[3 - mine.dims :]
        self._made = Simulated(shape, sizes, psf, optics or Optics(), what, seed)
        if not paths:
            _tell(self._made)
            images, references = zip(*self._made.pairs(SEEN, what.count), strict=True)
            self.validation = self._made.pairs(VALIDATION, SETTLED)
        super().__init__(
            images, references, channels="independent", patch=patch, augment=augment, seed=seed
        )
        if self.dims == 3:
            self.patch = (min(self.smallest[0], self.patch[-1]), *self.patch[1:])
        self.spacing = self.spacing or sizes

    def true_psf(self) -> Array | None:
        """Return the PSF of simulated images, on their pixels."""
        made = self._made
        if self._own:
            return None
        return microscope(made.psf, made.spacing, made.optics, self.smallest).kernel.numpy()

    def unpaired(self, blocks: Sequence[Array]) -> list[Array]:
        """Return the sharp domain (c, [z,] y, x), in the grey levels of the blurred `blocks`."""
        if self._sharp == "simulated":
            count = self._made.what.apart(len(self._made.shape))
            found = [x.read(0) for _, x in self._made.pairs(APART, count)]
            if not self._own:
                return found
            found = [x.repeat(len(blocks[0]), axis=0) for x in found]
        elif self._sharp == "lateral":
            return lateral(blocks, self.spacing or (), self.patch)
        else:
            given = [self._sharp] if isinstance(self._sharp, str) else list(self._sharp)
            if not any(Path(one).expanduser().exists() or set("*?[") & set(one) for one in given):
                raise UserError(
                    f"data.sharp={','.join(given)}: there is no such file or folder; or choose one"
                    f" of {', '.join(SHARP)}." + nearest(given[0], SHARP)
                )
            found = read_sharp(given, self.images[0], self.patch, self._axes)
        made = self._made
        H = microscope(made.psf, made.spacing, made.optics, self.smallest).operator()
        return matched(found, blocks, H)


def _tell(made: Simulated) -> None:
    log.info(
        "These are %d simulated %s of filaments and beads (seed %d), blurred with %s: at most %g"
        " photons, read noise %g grey levels. The sharp domain shows others.",
        made.what.count,
        "images" if len(made.shape) == 2 else "stacks",
        made.seed,
        made.psf,
        made.what.peak,
        made.what.camera.read,
    )
