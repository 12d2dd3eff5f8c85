"""Apply a trained method to whole images, tile by tile, in memory bounded by the tile."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.engine.holes import read_mended
from bioreco.engine.inference import Inference, Turn
from bioreco.engine.runtime import Runtime
from bioreco.engine.tiles import Tile, plan
from bioreco.errors import UserError
from bioreco.methods.method import Method

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]
Write = Callable[[int, Sequence[slice], Array], None]


class Frames(Protocol):
    """Frames (c, [z,] y, x) to read; beyond the border they are mirrored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along the spatial axes."""
        ...

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        ...

    def __len__(self) -> int: ...

    def read_mirrored(self, frame: int, start: Sequence[int], size: Sequence[int]) -> Array:
        """Read a region."""
        ...


class Scale(Protocol):
    """The scale that the network works on."""

    def apply(self, y: Array) -> Array:
        """Go to the network's scale."""
        ...

    def invert(self, x: Array) -> Array:
        """Come back to the units of the images."""
        ...


class Predictor:
    """A trained method, ready for images of any size.

    Parameters
    ----------
    method
        The trained method.
    scale
        The scale it was trained on.
    runtime
        Where it runs.
    inference
        How it is applied.
    allowed
        How its training patches were turned, which is how its input may be.
    joint
        Whether the network sees all channels at once.

    """

    def __init__(
        self,
        method: Method,
        scale: Scale,
        runtime: Runtime,
        *,
        inference: Inference,
        allowed: str,
        joint: bool,
    ) -> None:
        runtime.place(method)
        self.method, self.scale, self.runtime = method.eval(), scale, runtime
        self.inference, self.allowed, self.joint = inference, allowed, joint
        self._tile: tuple[int, ...] | None = None

    def run(self, frames: Frames, write: Write, tick: Callable[[float], None]) -> None:
        """Reconstruct all frames.

        Parameters
        ----------
        frames
            What to reconstruct.
        write
            Called with (frame, region, values (c, [z,] y, x)) for each tile, in the images' units.
            Pixels that are not finite stay as they are.
        tick
            Called with the share of the work done since the last call.

        Raises
        ------
        UserError
            If memory doesn't even suffice for the smallest tile.

        """
        pixels = len(frames) * frames.channels * math.prod(frames.shape)
        turns = self.inference.orientations(self.allowed, pixels)
        for frame in range(len(frames)):
            for tile, share in self._tiles(frames, frame, turns, write):
                tick(share / len(frames))
                del tile

    def _tiles(
        self,
        frames: Frames,
        frame: int,
        turns: Sequence[Turn],
        write: Write,
    ) -> Iterator[tuple[Tile, float]]:
        """Write one frame; when memory runs out, start it again with tiles of half the size."""
        done = 0.0
        deep = self.scale.invert(np.zeros((frames.channels, *[1] * len(frames.shape)), np.float32))
        while True:
            halo, stride = self.method.halo, self.method.stride
            size = self._tile or self.inference.size(
                self.runtime.device, len(frames.shape), halo, stride
            )
            tiles = plan(frames.shape, size, halo, stride)
            try:
                for number, tile in enumerate(tiles):
                    read = partial(frames.read_mirrored, frame)
                    y, broken = read_mended(read, tile.start, tile.size, deep)
                    values = self._reconstruct(y, turns)
                    if broken is not None:
                        values = np.where(np.isfinite(broken), values, broken)
                    write(frame, tile.core, np.ascontiguousarray(values[:, *tile.inside]))
                    share = max(0.0, (number + 1) / len(tiles) - done)
                    done += share
                    yield tile, share
                return
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                self._shrink(error, tiles, size)

    def _shrink(self, error: Exception, tiles: Sequence[Tile], size: Sequence[int]) -> None:
        """Halve the tile after an error that says memory ran out; raise any other error again."""
        told = str(error).lower()
        short = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not short and "allocate memory" not in told and "out of memory" not in told:
            raise error
        if self.method.halo is None:
            raise UserError(
                "not enough memory, and this network looks at the whole image, so it can't be"
                " cut: use network.norm=none"
            ) from error
        torch.cuda.empty_cache()
        used = [min(a, b) for a, b in zip(size, tiles[0].size, strict=True)]
        self._tile = (*used[:-2], *[n // 2 for n in used[-2:]])
        log.warning(
            "Not enough memory for tiles of %d x %d pixels; going on with %d x %d.",
            *used[-2:],
            *self._tile[-2:],
        )

    @torch.no_grad()
    def _reconstruct(self, y: Array, turns: Sequence[Turn]) -> Array:
        """Return the reconstruction of (c, [z,] y, x), in its units."""
        values = torch.from_numpy(self.scale.apply(y)).to(self.runtime.device)
        values = values[None] if self.joint else values[:, None]
        total = torch.zeros(())
        for transposed, mirrored in turns:
            turned = values.transpose(-1, -2) if transposed else values
            turned = turned.flip(mirrored) if mirrored else turned.contiguous()
            with self.runtime.autocast():
                mean = self.method.reconstruct({"y": turned}).mean.float()
            mean = mean.flip(mirrored) if mirrored else mean
            total = total.to(mean.device) + (mean.transpose(-1, -2) if transposed else mean)
        mean = total / len(turns)
        return self.scale.invert((mean[0] if self.joint else mean[:, 0]).cpu().numpy())
