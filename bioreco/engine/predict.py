"""Apply a trained method to whole images, tile by tile, in memory bounded by the tile."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bioreco.engine import wiener
from bioreco.engine.holes import read_mended, with_holes
from bioreco.engine.inference import Inference
from bioreco.engine.memory import check_whole
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sources import Array, Frames, Scale
from bioreco.engine.tiles import Tile, plan
from bioreco.engine.turns import Turn, turn_back, turn_there, where
from bioreco.engine.wiener import Variance
from bioreco.errors import UserError
from bioreco.methods.method import Batch, Estimate, Method

log = logging.getLogger("bioreco")

Write = Callable[[int, Sequence[slice], Array, Array | None], None]
Draw = Callable[[Batch], Estimate]


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
        self._blends = inference.blends(method.blends)
        self._variance: Variance | None = None

    def run(
        self,
        frames: Frames,
        write: Write,
        tick: Callable[[float], None],
        *,
        beside: Mapping[str, Frames] | None = None,
        number: int | None = None,
        variance: Variance | None = None,
    ) -> None:
        """Reconstruct all frames.

        Parameters
        ----------
        frames
            What to reconstruct.
        write
            Called with (frame, region, values (c, [z,] y, x), standard deviation or None) for each
            tile, in the images' units. Pixels that are not finite stay as they are.
        tick
            Called with the share of the work done since the last call.
        beside
            What else the method sees of the same frames, by the names that it wants.
        number
            Draw the sample of this number, instead of the best reconstruction.
        variance
            Noise variance at clean grey levels (c, [z,] y, x), if it is known.

        Raises
        ------
        UserError
            If memory doesn't even suffice for the smallest tile.

        """
        pixels = len(frames) * frames.channels * math.prod(frames.shape)
        if self.method.halo is None:
            check_whole(frames.shape, frames.channels, self.method.footprint)
        allowed = self.allowed if self.method.averaged else "none"
        turns = self.inference.orientations(allowed, pixels)
        draw: Draw = self.method.reconstruct
        if number is not None:
            turns = turns[:1]
            draw = partial(_sampled, self.method, number)
        sources = {"y": frames, **(beside or {})}
        self._variance = variance if self._blends and number is None else None
        for frame in range(len(frames)):
            for share in self._tiles(sources, frame, turns, draw, write):
                tick(share / len(frames))

    def _tiles(
        self,
        sources: Mapping[str, Frames],
        frame: int,
        turns: Sequence[Turn],
        draw: Draw,
        write: Write,
    ) -> Iterator[float]:
        """Write one frame; when memory runs out, start it again with tiles of half the size."""
        done = 0.0
        frames = sources["y"]
        deep = self.scale.invert(np.zeros((frames.channels, *[1] * len(frames.shape)), np.float32))
        while True:
            halo, stride = self._halo(len(frames.shape)), self.method.stride
            size = self._tile or self.inference.size(
                self.runtime.device, len(frames.shape), halo, stride
            )
            tiles = plan(frames.shape, size, halo, stride)
            try:
                for number, tile in enumerate(tiles):
                    seen: dict[str, Array] = {}
                    gaps: list[Array] = []
                    for name, source in sources.items():
                        read = partial(source.read_mirrored, frame)
                        seen[name], broken = read_mended(read, tile.start, tile.size, deep)
                        gaps += [] if broken is None else [broken]
                    found = self._reconstruct(seen, frame, tile, turns, draw)
                    if self._variance is not None:
                        variance = self._variance(found[0])
                        found[0] = self._blended(seen, found[0], variance, frame, tile, turns, draw)
                    values = [with_holes(v, gaps)[:, *tile.inside] for v in found]
                    mean, *std = map(np.ascontiguousarray, values)
                    write(frame, tile.core, mean, std[0] if std else None)
                    share = max(0.0, (number + 1) / len(tiles) - done)
                    done += share
                    yield share
                return
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                self._shrink(error, tiles, size)

    def _halo(self, dims: int) -> tuple[int, ...] | None:
        blended = dims if self._variance is not None else None
        return self.inference.halo(self.method.halo, blended)

    def _shrink(self, error: Exception, tiles: Sequence[Tile], size: Sequence[int]) -> None:
        """Halve the tile after an error that says memory ran out; raise any other error again."""
        told = str(error).lower()
        short = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not short and "allocate memory" not in told and "out of memory" not in told:
            raise error
        if self.method.halo is None:
            raise UserError(
                "not enough memory, and this method or network looks at the whole image, so it"
                " can't be cut: crop it, or for a network use network.norm=none"
            ) from error
        torch.cuda.empty_cache()
        used = [min(a, b) for a, b in zip(size, tiles[0].size, strict=True)]
        self._tile = (*used[:-2], *[n // 2 for n in used[-2:]])
        try:
            plan((1,) * len(size), self._tile, self._halo(len(size)), self.method.stride)
        except UserError:
            smallest = " x ".join(map(str, used[-2:]))
            raise UserError(f"not enough memory, even for tiles of {smallest} pixels") from error
        log.warning(
            "Not enough memory for tiles of %d x %d pixels; going on with %d x %d.",
            *used[-2:],
            *self._tile[-2:],
        )

    def _blended(
        self,
        seen: Mapping[str, Array],
        found: Array,
        variance: Array,
        frame: int,
        tile: Tile,
        turns: Sequence[Turn],
        draw: Draw,
    ) -> Array:
        """Blend the measurement in where the residual shows more than noise."""
        changed = wiener.change(variance, fold(frame, 0), tile.start)
        once = found
        if len(turns) > 1:
            once = self._reconstruct(seen, frame, tile, turns[:1], draw)[0]
        again = {**seen, "y": seen["y"] + changed}
        response = self._reconstruct(again, frame, tile, turns[:1], draw)[0] - once
        return wiener.restore(seen["y"], found, variance, changed, response)

    @torch.no_grad()
    def _reconstruct(
        self,
        seen: Mapping[str, Array],
        frame: int,
        tile: Tile,
        turns: Sequence[Turn],
        draw: Draw,
    ) -> list[Array]:
        """Return the reconstruction (c, [z,] y, x) and, if known, its deviation, in its units."""
        batch = {name: self._batched(self.scale.apply(y)) for name, y in seen.items()}
        samples = len(batch["y"])
        scales = self.scale.each(samples, joint=self.joint)
        shift, unit = (torch.from_numpy(np.stack(values)) for values in zip(*scales, strict=True))
        known = {"shift": shift.to(self.runtime.device), "unit": unit.to(self.runtime.device)}
        total: Tensor | float = 0.0
        variance: Tensor | None = None
        for number, turn in enumerate(turns):
            known |= where(tile, turn, [fold(frame, number, k) for k in range(samples)])
            turned = {name: turn_there(values, turn) for name, values in batch.items()}
            with self.runtime.autocast():
                found = draw({**turned, **{k: v.to(self.runtime.device) for k, v in known.items()}})
            total = turn_back(found.mean.float(), turn) + total
            if found.std is not None:
                square = turn_back(found.std.float() ** 2, turn)
                variance = square if variance is None else variance + square
        mean = self._apart(torch.as_tensor(total) / len(turns))
        if variance is None:
            return [self.scale.invert(mean)]
        std = self._apart((variance / len(turns)).sqrt())
        return [self.scale.invert(mean), self.scale.invert(std) - self.scale.invert(0 * std)]

    def _batched(self, values: Array) -> Tensor:
        on_device = torch.from_numpy(values).to(self.runtime.device)
        return on_device[None] if self.joint else on_device[:, None]

    def _apart(self, values: Tensor) -> Array:
        return (values[0] if self.joint else values[:, 0]).cpu().numpy()


def _sampled(method: Method, number: int, batch: Batch) -> Estimate:
    return Estimate(method.sample(batch, number))
