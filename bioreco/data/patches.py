"""The patches that training draws: where there is signal, turned and mirrored, some pixels kept.

Every patch is a function of one seed, so that training can be stopped and resumed anywhere.
One pixel in a hundred is never a target of training: validation predicts those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.errors import UserError

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Sample = dict[str, Any]

HELD = 0.01
SMALLEST = 16  # pixels along y and x that a patch needs
COARSE = 4  # pixels averaged along y and x before signal is looked for
VALIDATION_PIXELS = 2**18
VALIDATION_SIDE = 256
AUGMENTATIONS = ("turn", "mirror", "none")


class Patches:
    """Random patches of blocks.

    Parameters
    ----------
    blocks
        Images or parts of them, (c, [z,] y, x) on the network's scale; pixels that are not finite
        are never targets, and read as 0.
    patch
        Size of a patch along its spatial axes.
    augment
        "turn": by 90 degrees and mirrored in the plane, stacks also along z; "mirror": mirrored
        only, for noise or structure with a direction; "none".
    beside
        What else is measured or known of the same pixels, by name: for each block one array of its
        shape, on the same scale. It is cut and turned as the block is.
    scales
        For each block the (shift, unit) of its channels: what was measured is y * unit + shift.
    apart
        Other images on the same scale, by name, whose patches are drawn independently.

    """

    def __init__(
        self,
        blocks: Sequence[Array],
        patch: Sequence[int],
        augment: str,
        *,
        beside: Mapping[str, Sequence[Array]] | None = None,
        scales: Sequence[tuple[Array, Array]] | None = None,
        apart: Mapping[str, Sequence[Array]] | None = None,
    ) -> None:
        self.apart = {
            name: Patches(others, patch, augment) for name, others in (apart or {}).items()
        }
        self.patch = tuple(patch)
        self.augment = augment
        self.scales = scales or [
            (np.zeros(len(b), np.float32), np.ones(len(b), np.float32)) for b in blocks
        ]
        together = [
            [block, *more] for block, *more in zip(blocks, *(beside or {}).values(), strict=True)
        ]
        valid = [np.logical_and.reduce([np.isfinite(a) for a in arrays]) for arrays in together]
        self.beside = {
            name: [np.nan_to_num(a, posinf=0, neginf=0).astype(np.float32) for a in arrays]
            for name, arrays in (beside or {}).items()
        }
        self.blocks = [
            np.where(ok, b, 0).astype(np.float32) for ok, b in zip(valid, blocks, strict=True)
        ]
        chosen = [
            np.random.default_rng([7, k]).random(block.shape, dtype=np.float32) < HELD
            for k, block in enumerate(blocks)
        ]
        self.held: list[Mask] = [c & ok for c, ok in zip(chosen, valid, strict=True)]
        self.target: list[Mask] = [~c & ok for c, ok in zip(chosen, valid, strict=True)]
        self._cells = [self._corners(block) for block in self.blocks]
        weight = np.concatenate(
            [_signal(b, c, self.patch) for b, c in zip(self.blocks, self._cells, strict=True)]
        )
        self._owner = np.repeat(np.arange(len(blocks)), [len(c) for c in self._cells])
        self._corner = np.concatenate(self._cells)
        uniform = np.full(len(weight), 1 / len(weight))
        signal = weight / weight.sum() if weight.sum() > 0 else uniform
        self._cumulated = np.cumsum(0.5 * uniform + 0.5 * signal)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, draw: tuple[int, int]) -> Sample:
        """Return the patch of a draw (index, seed); it depends on the seed alone."""
        seed = draw[1]
        rng = np.random.default_rng(seed)
        cell = int(np.searchsorted(self._cumulated, rng.random() * self._cumulated[-1]))
        cell = min(cell, len(self._corner) - 1)
        block = int(self._owner[cell])
        size = self.blocks[block].shape[1:]
        step = [max(1, p // 2) for p in self.patch]
        region = tuple(
            slice(a, a + p)
            for a, p in (
                (int(min(c + rng.integers(s), n - p)), p)
                for c, s, n, p in zip(self._corner[cell], step, size, self.patch, strict=True)
            )
        )
        turn = _turner(rng, self.augment, len(size))
        cut = {
            name: np.ascontiguousarray(turn(part[:, *region]))
            for name, part in self._parts(block).items()
        }
        cut |= {name: self._drawn(name, rng) for name in self.apart}
        return cut | self._scale(block) | {"seed": np.int64(seed >> 1)}

    def _drawn(self, name: str, rng: np.random.Generator) -> Array:
        """Draw a patch of other images, turned as these may be."""
        others = self.apart[name]
        others.augment = self.augment
        drawn: Array = others[0, int(rng.integers(2**62))]["y"]
        return drawn

    def _parts(self, block: int) -> dict[str, NDArray[Any]]:
        known = {"y": self.blocks[block], "target": self.target[block], "held": self.held[block]}
        return known | {name: arrays[block] for name, arrays in self.beside.items()}

    def _scale(self, block: int) -> dict[str, Array]:
        shift, unit = self.scales[block]
        return {"shift": shift, "unit": unit}

    def validation(self) -> list[Sample]:
        """Return fixed crops, each a batch of one, whose held pixels are to be predicted."""
        crops: list[Sample] = []
        pixels = 0
        for block in np.random.default_rng(11).permutation(len(self.blocks)):
            size = self.blocks[block].shape[1:]
            many = [*[1] * (len(size) - 2), *[max(VALIDATION_SIDE // self.patch[-1], 1)] * 2]
            crop = [min(n // p, k) * p for n, p, k in zip(size, self.patch, many, strict=True)]
            region = tuple(
                slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(size, crop, strict=True)
            )
            sample: Sample = {
                key: v[None, :, *region].copy() for key, v in self._parts(int(block)).items()
            }
            sample |= {key: v[None] for key, v in self._scale(int(block)).items()}
            for name, others in self.apart.items():
                rest = others.validation()
                sample[name] = rest[len(crops) % len(rest)]["y"]
            crops.append(sample | {"seed": np.array([len(crops)], dtype=np.int64)})
            pixels += int(np.prod(crop))
            if pixels >= VALIDATION_PIXELS:
                break
        return crops

    def _corners(self, block: Array) -> NDArray[np.int64]:
        """Return the corners of half-overlapping cells (n, dims) that cover a block."""
        steps = [
            np.arange(0, max(n - p, 0) + 1, max(1, p // 2))
            for n, p in zip(block.shape[1:], self.patch, strict=True)
        ]
        return np.stack([g.ravel() for g in np.meshgrid(*steps, indexing="ij")], axis=1)


def _signal(block: Array, corners: NDArray[np.int64], patch: Sequence[int]) -> NDArray[np.float64]:
    """Return how much each cell varies on a coarse scale, beyond what its noise explains.

    Cells that only look busy by chance would be drawn for their noise, and a flat image would come
    out too bright: of counts, the brighter cells vary more.
    """
    plane = block.mean(axis=0)
    fine = [1] * (plane.ndim - 2) + [COARSE, COARSE]
    cut = plane[tuple(slice(0, n // f * f) for n, f in zip(plane.shape, fine, strict=True))]
    split = [part for n, f in zip(cut.shape, fine, strict=True) for part in (n // f, f)]
    coarse = cut.reshape(split).mean(axis=tuple(range(1, 2 * plane.ndim, 2)))
    out = np.empty(len(corners))
    for i, corner in enumerate(corners):
        cell = tuple(slice(c, c + p) for c, p in zip(corner, patch, strict=True))
        region = tuple(
            slice(part.start // f, max(part.stop // f, part.start // f + 1))
            for part, f in zip(cell, fine, strict=True)
        )
        noise = np.mean(np.diff(plane[cell], axis=-1) ** 2) / 2 / COARSE**2
        out[i] = np.sqrt(max(0.0, float(coarse[region].var() - 2 * noise)))
    return out


def _turner(
    rng: np.random.Generator, augment: str, dims: int
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Draw a mirroring, and where asked a quarter turn, that is applied to (c, [z,] y, x)."""
    if augment == "none":
        return np.asarray
    step = [-1 if rng.random() < 0.5 else 1 for _ in range(dims)]
    order = (slice(None), *[slice(None, None, k) for k in step])
    transposed = augment == "turn" and rng.random() < 0.5

    def turn(values: NDArray[Any]) -> NDArray[Any]:
        return (values.swapaxes(-1, -2) if transposed else values)[order]

    return turn


def patch_size(
    sizes: Sequence[Sequence[int]], wanted: int, names: Sequence[str]
) -> tuple[int, ...]:
    """Settle the size of a patch that fits every image.

    Parameters
    ----------
    sizes
        Spatial size of each image, ([z,] y, x).
    wanted
        Pixels along y and x of a patch of an image. Patches of stacks have half as many, and an
        eighth of it as slices, so that they hold about twice as many.
    names
        What to call the images in a message.

    Raises
    ------
    UserError
        If an image is too small to learn from.

    """
    if wanted < SMALLEST or wanted % SMALLEST:
        raise UserError(f"data.patch={wanted}: a multiple of {SMALLEST} pixels")
    for size, name in zip(sizes, names, strict=True):
        if min(size[-2:]) < SMALLEST:
            raise UserError(
                f"{name} is {size[-2]} x {size[-1]} pixels: at least"
                f" {SMALLEST} x {SMALLEST} are needed to learn from"
            )
    planar = len(sizes[0]) == 2
    most = wanted if planar else max(SMALLEST, wanted // 2 // SMALLEST * SMALLEST)
    side = min(most, *[n for size in sizes for n in size[-2:]]) // SMALLEST * SMALLEST
    if planar:
        return (side, side)
    return (min(wanted // 8, *[size[0] for size in sizes]), side, side)
