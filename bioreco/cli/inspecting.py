"""`bioreco inspect`: what a file holds, how noisy it is, and what to do with it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from bioreco.cli.context import Context
from bioreco.cli.listing import config_dir
from bioreco.data.formats import find_images, open_image
from bioreco.data.image import SPATIAL, Image
from bioreco.data.kspace.scan import is_scan
from bioreco.data.tomograms.files import is_tomogram
from bioreco.engine.glance import Array, Place, crops, places
from bioreco.errors import UserError
from bioreco.metrics.noise import Noise, estimate_noise
from bioreco.metrics.noise_words import number

CHANNELS = 6  # channels whose noise is told at most
INDENT = "  "
STRUCTURED = "struct_n2v"  # the method for noise that neighbours share


def run(cfg: DictConfig, _context: Context) -> None:
    """Describe every file; go on after one that can't be read and refuse at the end."""
    given = [str(path) for path in cfg.input]
    kinds = {path: kind for path in given if (kind := _kind(path)) != "image"}
    images = [path for path in given if path not in kinds]
    paths = [*kinds, *(find_images(images) if images else [])]
    refused = []
    for path in paths:
        try:
            print("\n".join(_described(cfg, path, kinds.get(path, "image"))))
        except UserError as error:
            if len(paths) == 1:
                raise
            refused.append(path)
            print(f"{path}\n{INDENT}{error}")
        print()
    if refused:
        raise UserError(f"{len(refused)} of {len(paths)} files can't be read (told above).")


def _kind(path: str) -> str:
    if is_tomogram(path):
        return "tomogram"
    if Path(path).suffix.lower() == ".star":
        return "table of particles"
    return "scan" if Path(path).is_file() and is_scan(path) else "image"


def _described(cfg: DictConfig, path: str, kind: str) -> list[str]:
    if kind == "scan":
        from bioreco.cli.scanning import inspecting

        return inspecting.describe(path, check=bool(cfg.check))
    if cfg.check:
        raise UserError(
            f"{path} is {'an' if kind == 'image' else 'a'} {kind}; check=true is for k-space"
        )
    if kind == "tomogram":
        from bioreco.cli.tomograms import inspecting as tomograms

        return tomograms.describe(path)
    if kind == "table of particles":
        from bioreco.cli.particles import inspecting as particles

        return particles.describe(path)
    return describe(open_image(path, axes=cfg.axes), path)


def describe(image: Image, path: str) -> list[str]:
    """Return what there is to say about one image, reading a few crops only."""
    lines = [path, f"{INDENT}{_shape(image)}"]
    lines += [f"{INDENT}{text}" for text in _sizes(image)]
    if image.channels:
        lines.append(f"{INDENT}channels: {', '.join(image.channels)}")
    found = [(name, list(crops(image, place))) for name, place in _looked_at(image)]
    lines.append(INDENT + _values(image, [crop for _, parts in found for crop in parts]))
    lines += [f"{INDENT}note: {note}" for note in image.notes]
    noises = [(name, estimate_noise(*parts)) for name, parts in found]
    for name, noise in noises:
        title = f"{name}: " if name else ""
        lines += [f"{INDENT}{title}{sentence}" for sentence in noise.describe()]
    lines += [f"{INDENT}try: {advice}" for advice in _advice(image, path, [n for _, n in noises])]
    return lines


def _shape(image: Image) -> str:
    sizes = " x ".join(f"{a} {n}" for a, n in zip(image.axes, image.shape, strict=True))
    total = float(np.prod(image.shape)) * image.dtype.itemsize
    power, unit = next(((p, u) for p, u in ((1e9, "GB"), (1e6, "MB")) if total >= p), (1e3, "kB"))
    weight = f"{total / power:.3g} {unit}"
    return f"{image.format}, {sizes}, {image.dtype}, {weight}"


def _sizes(image: Image) -> Iterator[str]:
    known = [axis for axis in SPATIAL if axis in image.spacing]
    if known:
        sizes = (f"{a} {image.spacing[a]:.4g} {image.units.get(a, '')}".rstrip() for a in known)
        yield f"pixel size: {', '.join(sizes)}"
    else:
        yield "pixel size: not in the file"
    if "T" in image.spacing:
        yield f"time between frames: {image.spacing['T']:.4g} {image.units.get('T', 's')}"


def _looked_at(image: Image) -> Iterator[tuple[str, Place]]:
    """Yield the frames that stand for all: the middle one of each channel."""
    middle = {axis: image.size(axis) // 2 for axis in "TI" if axis in image.axes}
    letter = next((axis for axis in "CS" if axis in image.axes), None)
    for place in places(image):
        if any(place[axis] != index for axis, index in middle.items()):
            continue
        if letter is None:
            yield "", place
        elif place[letter] < CHANNELS:
            yield _channel_name(image, letter, place[letter]), place


def _channel_name(image: Image, letter: str, index: int) -> str:
    if letter == "S":
        return (
            ("red", "green", "blue", "alpha")[index] if image.size("S") <= 4 else f"sample {index}"
        )
    if image.size("C") == 1:
        return ""
    return image.channels[index] if image.channels else f"channel {index}"


def _values(image: Image, parts: list[Array]) -> str:
    read = sum(part.size for part in parts)
    total = int(np.prod(image.shape))
    finite = [part[np.isfinite(part)] for part in parts]
    lost = read - sum(part.size for part in finite)
    seen = [part for part in finite if part.size]
    scope = "" if read == total else f" (in {100 * read / total:.2g} % of the pixels)"
    if not seen:
        return f"values: none is a number{scope}"
    low, high = min(float(p.min()) for p in seen), max(float(p.max()) for p in seen)
    text = f"values: {number(low)} to {number(high)}{scope}"
    return f"{text}, {lost} not a number" if lost else text


def _advice(image: Image, path: str, noises: list[Noise]) -> Iterator[str]:
    if all(noise.constant for noise in noises):
        return
    shared = any(noise.shared_axes() for noise in noises)
    known = (config_dir() / "method" / f"{STRUCTURED}.yaml").exists()
    yield f"bioreco denoise {shlex.quote(path)}" + (f" method={STRUCTURED}" * (shared and known))
    if 1 < image.size("Z") < 8:
        yield f"{image.size('Z')} slices are few: they may be better denoised one by one"
    if image.size("S") > 1:
        yield "this is an RGB picture: the microscope's own channels are better, if you have them"
