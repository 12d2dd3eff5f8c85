"""What training and inference need to know of a data set of images."""

from __future__ import annotations

from collections.abc import Sequence

from bioreco.data.blocks import load
from bioreco.data.frames import Frames
from bioreco.data.normalisation import Normalisation
from bioreco.data.patches import AUGMENTATIONS, Patches, patch_size
from bioreco.errors import UserError, nearest

CHANNELS = ("independent", "joint")


class Measurements:
    """Images to learn from and to reconstruct, with their references where there are some.

    Parameters
    ----------
    images
        The noisy images.
    references
        For each of them the clean one, or None.
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
    """

    def __init__(
        self,
        images: Sequence[Frames],
        references: Sequence[Frames | None],
        *,
        channels: str,
        patch: int,
        augment: str,
        seed: int,
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
        self.patch = patch_size([frames.shape for frames in self.images], patch, names)

    def training(self) -> tuple[Patches, Normalisation]:
        """Load what is learnt from; return its patches and the scale they are on."""
        blocks = load(self.images, seed=self.seed)
        scale = Normalisation.of(blocks)
        for i, block in enumerate(blocks):
            blocks[i] = scale.apply(block)
        if self.inputs == 1:
            blocks = [block[c : c + 1] for block in blocks for c in range(len(block))]
        return Patches(blocks, self.patch, self.augment), scale
