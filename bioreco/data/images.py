"""The user's own images, and the samples that come with the package."""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import Path

from bioreco.data.formats import find_images, open_image
from bioreco.data.frames import Frames, choose_dims
from bioreco.data.measurements import Measurements
from bioreco.data.pairs import FRAMES, frame_pairs, pairs_of
from bioreco.errors import UserError, nearest

log = logging.getLogger("bioreco")


class Images(Measurements):
    """Images from files.

    Parameters
    ----------
    paths
        Files, folders or globs.
    root
        A folder that relative paths start from; alone, all images in it.
    sample
        A shipped sample, used where neither `paths` nor `root` is given.
    reference
        Clean images to score against: files, folders or globs, in the order of the images.
    pairs
        A second measurement of each image, with noise of its own: files, folders or globs, matched
        by name (see `match`). Or "frames": the even frames of each series T or I are paired with
        its odd ones, which holds only if nothing moves from one to the next.
    axes
        One letter for each dimension, to settle what the files leave open, e.g. ZYX.
    dims
        2, 3, or "auto": 3 for stacks of at least 8 slices.
    channels, patch, augment, seed
        See `Measurements`.

    Raises
    ------
    UserError
        If there is nothing to read, or references or pairs don't fit.

    """

    def __init__(
        self,
        *,
        seed: int,
        paths: list[str] | None = None,
        root: str | None = None,
        sample: str | None = None,
        reference: list[str] | None = None,
        pairs: list[str] | str | None = None,
        axes: str | None = None,
        dims: int | str = "auto",
        channels: str = "independent",
        patch: int = 64,
        augment: str = "turn",
    ) -> None:
        found = _find(paths, root, sample)
        images = [_open(path, axes, str(dims)) for path in found]
        references: list[Frames | None] = [None] * len(images)
        if reference:
            references = [
                _open(path, axes, str(dims)) for path in find_images(_under(reference, root))
            ]
            _check_references(images, references)
        seconds: list[Frames] = []
        if pairs == FRAMES:
            seconds = frame_pairs(images)
        elif pairs:
            files = find_images(_under([pairs] if isinstance(pairs, str) else pairs, root))
            seconds = pairs_of(images, found, files, lambda path: _open(path, axes, str(dims)))
        super().__init__(
            images, references, channels=channels, patch=patch, augment=augment, seed=seed,
            pairs=seconds,
        )  # fmt: skip


def _find(paths: list[str] | None, root: str | None, sample: str | None) -> list[str]:
    if paths:
        return find_images(_under(paths, root))
    if root:
        return find_images([str(Path(root).expanduser())])
    if sample is None:
        raise UserError("no images given: say data.paths=[FILE,...] or data.root=FOLDER")
    log.info("No images given, so this uses the shipped sample %s.", sample)
    return [str(sample_path(sample))]


def _under(paths: list[str], root: str | None) -> list[str]:
    if root is None:
        return list(paths)
    base = Path(root).expanduser()
    if not base.is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    return [str(base / path) for path in paths]


def sample_path(name: str) -> Path:
    """Return the file of a shipped sample.

    Raises
    ------
    UserError
        If there is no such sample.

    """
    folder = Path(str(resources.files("bioreco.data"))) / "samples"
    known = {path.name.split(".")[0]: path for path in folder.iterdir() if path.suffix != ".md"}
    if name not in known:
        raise UserError(
            f"data.sample={name}: choose one of {', '.join(sorted(known))}." + nearest(name, known)
        )
    return known[name]


def _open(path: str, axes: str | None, dims: int | str) -> Frames:
    image = open_image(path, axes=axes)
    for note in image.notes:
        log.info("%s: %s", image.name, note)
    return Frames(image, choose_dims(image, str(dims)))


def _check_references(images: list[Frames], references: list[Frames | None]) -> None:
    if len(images) != len(references):
        raise UserError(
            f"{len(images)} images, but {len(references)} references: they are matched in order"
        )
    for image, clean in zip(images, references, strict=True):
        if clean is not None and (len(image), image.channels, image.shape) != (
            len(clean),
            clean.channels,
            clean.shape,
        ):
            raise UserError(
                f"{image.image.name} is {image.image.shape} ({image.image.axes}), its reference"
                f" {clean.image.name} {clean.image.shape} ({clean.image.axes})"
            )
