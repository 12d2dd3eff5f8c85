"""What training and inference need to know of a data set of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.blocks import load
from bioreco.data.frames import Frames
from bioreco.data.normalisation import Normalisation
from bioreco.data.pairs import Half
from bioreco.data.patches import AUGMENTATIONS, Patches, patch_size
from bioreco.data.psf import shared_spacing
from bioreco.errors import UserError, nearest

CHANNELS = ("independent", "joint")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Beside(Frames):
    """Frames with those of other images beside them, as further channels."""

    together: tuple[Frames, ...] = ()

    @property
    def channels(self) -> int:
        """Channels of all of them."""
        return sum(one.channels for one in self.together)

    def __len__(self) -> int:
        return len(self.together[0])

    def read(self, frame: int, region: Sequence[slice] | None = None) -> Array:
        """Read the same region of each."""
        return np.concatenate([one.read(frame, region) for one in self.together])


class Measurements:
    """Images to learn from and to reconstruct, with their references where there are some.

    Parameters
    ----------
    images
        The noisy images.
    references
        For each of them the clean one, or None.
    pairs
        For each of them a second measurement of the same, or None; none at all if left out. A
        `Half` of the image itself is learnt from together with the other half.
    channels
        "independent": one network sees one channel at a time; "joint": it sees all of them.
    patch
        Pixels of a training patch along y and x.
    augment
        How patches are turned and mirrored; see `Patches`.
    seed
        Decides which parts of data too large for memory are learnt from.

    Attributes
    ----------
    inputs
        Channels of the network.
    dims
        Spatial axes of the network.
    patch
        Size of a training patch, ([z,] y, x), which is smaller than wanted for small images.
    smallest
        Pixels ([z,] y, x) that all images have at least.
    spacing
        Their pixel sizes ([z,] y, x) in nanometres; None where they don't say or differ.
    validation
        Further images with their references, which methods may settle an option on.
    """

    validation: Sequence[tuple[Frames, Frames]] = ()
    kind = "images"

    def __init__(
        self,
        images: Sequence[Frames],
        references: Sequence[Frames | None],
        *,
        channels: str,
        patch: int,
        augment: str,
        seed: int,
        pairs: Sequence[Frames | None] = (),
    ) -> None:
        for key, value, allowed in (
            ("channels", channels, CHANNELS),
            ("augment", augment, AUGMENTATIONS),
        ):
            if value not in allowed:
                raise UserError(
                    f"data.{key}={value}: choose one of {', '.join(allowed)}."
                    + nearest(value, allowed)
                )
        self.images, self.references = list(images), list(references)
        self.pairs = list(pairs) or [None] * len(self.images)
        self.channels, self.augment, self.seed = channels, augment, seed
        first = self.images[0]
        for other in self.images:
            if (other.channels, other.dims) != (first.channels, first.dims):
                raise UserError(
                    f"{first.image.name} has {first.channels} channels and is treated in"
                    f" {first.dims}D, {other.image.name} {other.channels} in {other.dims}D:"
                    " one model can't learn both.\nTrain one for each (per_file=true), or say"
                    " data.dims=2 if only the number of slices differs."
                )
        self.dims = first.dims
        self.inputs = first.channels if channels == "joint" else 1
        names = [frames.image.name for frames in self.images]
        self.smallest = tuple(map(min, zip(*(one.shape for one in self.images), strict=True)))
        self.spacing = shared_spacing([one.image for one in self.images], first.spatial)
        self.patch = patch_size([frames.shape for frames in self.images], patch, names)

    def training(self, wants: Sequence[str] = ()) -> tuple[Patches, Normalisation]:
        """Load what is learnt from; return its patches and the scale they are on.

        Parameters
        ----------
        wants
            What the method learns from beside the measurements `y`: "pair", a second measurement
            of the same, "x", the reference, or "sharp", other images that aren't blurred.

        Raises
        ------
        UserError
            If there is none of what is wanted.

        """
        apart = [name for name in wants if name == "sharp"]
        wants = [name for name in wants if name not in apart]
        blocks = load(self._beside(wants), seed=self.seed)
        own = self.images[0].channels
        scale = Normalisation.of(block[:own] for block in blocks)
        others = {name: self._split(map(scale.apply, self.unpaired(blocks))) for name in apart}
        parts: dict[str, list[Array]] = {name: [] for name in ("y", *wants)}
        while blocks:
            block = blocks.pop(0)
            for name, values in zip(parts, np.split(block, len(parts)), strict=True):
                parts[name] += self._split([scale.apply(values)])
        y = parts.pop("y")
        scales = scale.each(len(y), joint=self.inputs > 1)
        options: Any = {"beside": parts, "scales": scales, "apart": others}
        return Patches(y, self.patch, self.augment, **options), scale

    def _split(self, blocks: Iterable[Array]) -> list[Array]:
        """Return blocks as the network sees them, all channels at once or one by one."""
        return [part for one in blocks for part in ([one] if self.inputs > 1 else one[:, None])]

    def true_psf(self) -> Array | None:
        """Return the PSF ([z,] y, x) that simulated images were blurred with; None: unknown."""
        return None

    def unpaired(self, blocks: Sequence[Array]) -> list[Array]:
        """Return sharp images of something else, in the grey levels of the blurred `blocks`.

        Raises
        ------
        UserError
            If there are none.

        """
        raise UserError(
            "this method learns from sharp images of something else: say data=deconvolution,"
            f" and for your own data.sharp=FOLDER ({len(blocks)} blurred images are given)"
        )

    def _beside(self, wants: Sequence[str]) -> Sequence[Frames]:
        if not wants:
            return self.images
        known: Mapping[str, Sequence[Frames | None]] = {"pair": self.pairs, "x": self.references}
        told = {
            "pair": "pairs of measurements: say data.pairs=[FILE,...]",
            "x": "clean references: say data.reference=[FILE,...]",
        }
        together = []
        for k, image in enumerate(self.images):
            others = [known[name][k] for name in wants]
            lacking = [told[name] for name, one in zip(wants, others, strict=True) if one is None]
            if lacking:
                raise UserError(
                    f"this method learns from {lacking[0]} (there is none for {image.image.name})"
                )
            found = tuple(one for one in others if one is not None)
            own = next((one.other for one in found if isinstance(one, Half)), image)
            together.append(Beside(image.image, image.dims, (own, *found)))
        return together

    def beside(self, wants: Sequence[str]) -> list[dict[str, Frames]]:
        """Return what of the wanted each image is reconstructed with, by its name in a batch.

        The frames of one series are reconstructed one by one.
        """
        return [
            {"pair": pair}
            if "pair" in wants and pair is not None and not isinstance(pair, Half)
            else {}
            for pair in self.pairs
        ]
