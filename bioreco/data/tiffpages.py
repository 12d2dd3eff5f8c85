"""Pages of a TIFF file, decoded strip by strip or tile by tile, only where a region asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bioreco.data.image import Array, Index, region_shape
from bioreco.data.raw import Raw
from bioreco.data.shelf import Shelf

_JPEG = {6, 7, 34892, 33007}
_CACHE_BYTES = 64 * 2**20
_LARGE = 2**20


@dataclass(frozen=True)
class Page:
    """Where the strips or tiles of one page lie.

    ``offset`` is set where the page is one uncompressed block.
    """

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    offset: int | None
    tables: bytes | None

    def __len__(self) -> int:
        """Return how many strips or tiles the file has for the page."""
        return min(len(self.offsets), len(self.counts))


@dataclass(frozen=True)
class Layout:
    """How the pages of a series are cut: tifffile's five axes (sample, depth, y, x, sample)."""

    axes: str
    shape: tuple[int, ...]
    shaped: tuple[int, ...]
    segment: tuple[int, int, int]
    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    fill: float
    decode: Callable[..., Any]
    header: bytes | None
    jpeg: bool

    @classmethod
    def of(cls, page: Any, dtype: np.dtype[Any]) -> Layout:
        """Read the layout from a keyframe of tifffile."""
        if page.is_tiled:
            segment = (page.tiledepth, page.tilelength, page.tilewidth)
        else:
            segment = (1, min(page.rowsperstrip, page.shaped[2]), page.shaped[3])
        jpeg = int(page.compression) in _JPEG
        return cls(
            axes=page.axes,
            shape=page.shape,
            shaped=page.shaped,
            segment=segment,
            dtype=dtype,
            stored=np.dtype(page.dtype).newbyteorder(page.parent.byteorder),
            fill=page.nodata,
            decode=page.decode,
            header=page.jpegheader if jpeg else None,
            jpeg=jpeg,
        )

    @property
    def nothing(self) -> Array:
        """A strip or tile that was left out of the file, as sparse files do."""
        depth, length, width = self.segment
        return np.broadcast_to(self.dtype.type(self.fill), (depth, length, width, self.shaped[4]))

    def normal(self, index: Index) -> Index:
        """Return the region in the five axes of tifffile."""
        whole = [slice(0, size) for size in self.shaped]
        for position, (letter, part) in enumerate(zip(self.axes, index, strict=True)):
            if letter == "S":
                whole[0 if position == 0 else 4] = part
            else:
                whole[{"Z": 1, "Y": 2, "X": 3}[letter]] = part
        return tuple(whole)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many strips or tiles there are along depth, y and x."""
        return tuple(-(-n // step) for n, step in zip(self.shaped[1:4], self.segment, strict=True))

    def segments(self, region: Index) -> Iterator[int]:
        """Yield the numbers of the strips or tiles that touch a region of the five axes."""
        counts = [
            -(-size // step) for size, step in zip(self.shaped[1:4], self.segment, strict=True)
        ]
        touched = [
            range(part.start // step, -(-part.stop // step))
            for part, step in zip(region[1:4], self.segment, strict=True)
        ]
        for s, z, y, x in product(range(region[0].start, region[0].stop), *touched):
            yield ((s * counts[0] + z) * counts[1] + y) * counts[2] + x


class TiffPages:
    """The pixels of a TIFF series that isn't one uncompressed block.

    Decoded strips and tiles are kept in a small cache, so that neighbouring regions don't decode
    them again. Large ones, as of files whose pages are one strip, go from there to a temporary
    file.
    """

    def __init__(
        self,
        path: Path,
        leading: tuple[int, ...],
        pages: Sequence[Page | None],
        layout: Layout,
    ) -> None:
        self.path = path
        self.leading = leading
        self.pages = pages
        self.layout = layout
        self._cache: OrderedDict[tuple[int, int], Array] = OrderedDict()
        self._bytes = 0
        self._shelf = Shelf()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[Path], Any], tuple[Path]]:
        """Pickle as the path: worker processes open the file anew."""
        from bioreco.data.tiff import reopen

        return reopen, (self.path,)

    def read(self, index: Index) -> Array:
        """Return one region, decoding only the strips or tiles that it touches."""
        rank = len(self.leading)
        out = np.empty(region_shape(index), self.layout.dtype)
        starts = [part.start for part in index[:rank]]
        for position in np.ndindex(out.shape[:rank]):
            where = tuple(start + step for start, step in zip(starts, position, strict=True))
            number = int(np.ravel_multi_index(where, self.leading)) if rank else 0
            self._read_page(number, index[rank:], out[position])
        return out

    def _read_page(self, number: int, index: Index, out: Array) -> None:
        page, layout = self.pages[number], self.layout
        if page is None:
            out[...] = layout.fill
        elif page.offset is not None:
            out[...] = Raw(page.path, page.offset, layout.stored, layout.shape).read(index)
        else:
            region = layout.normal(index)
            target = out.reshape(region_shape(region))
            for segment in layout.segments(region):
                self._copy(page, number, segment, region, target)

    def _copy(self, page: Page, number: int, segment: int, region: Index, target: Array) -> None:
        """Copy the overlap of one decoded strip or tile with the region."""
        corner, values = self._decoded(page, number, segment)
        source: list[slice] = []
        goal: list[slice] = []
        for start, size, part in zip(corner[1:], values.shape, region[1:], strict=True):
            low, high = max(start, part.start), min(start + size, part.stop)
            if high <= low:
                return
            source.append(slice(low - start, high - start))
            goal.append(slice(low - part.start, high - part.start))
        target[corner[0] - region[0].start, *goal] = values[tuple(source)]

    def _decoded(self, page: Page, number: int, segment: int) -> tuple[tuple[int, ...], Array]:
        """Return where a strip or tile lies, and its pixels."""
        corner = self._corner(segment)
        with self._lock:
            return corner, self._cached(page, number, segment)

    def _cached(self, page: Page, number: int, segment: int) -> Array:
        key = (number, segment)
        if key in self._cache:
            self._cache.move_to_end(key)
        elif key in self._shelf:
            return self._shelf[key]
        elif not page.counts[segment]:
            return self.layout.nothing
        else:
            self._cache[key] = self._decode(page, segment)
            self._bytes += self._cache[key].nbytes
        values = self._cache[key]
        while self._bytes > _CACHE_BYTES and len(self._cache) > 1:
            oldest, dropped = self._cache.popitem(last=False)
            self._bytes -= dropped.nbytes
            if dropped.nbytes >= _LARGE:
                self._shelf[oldest] = dropped
        return values

    def _corner(self, segment: int) -> tuple[int, ...]:
        """Return the five-axis position of a strip or tile."""
        layout = self.layout
        sample, *block = np.unravel_index(segment, (layout.shaped[0], *layout.counts))
        corner = [int(b) * step for b, step in zip(block, layout.segment, strict=True)]
        return int(sample), *corner, 0

    def _decode(self, page: Page, segment: int) -> Array:
        layout = self.layout
        with page.path.open("rb") as file:
            file.seek(page.offsets[segment])
            data = file.read(page.counts[segment])
        extra = {"jpegtables": page.tables, "jpegheader": layout.header} if layout.jpeg else {}
        values, _, _ = layout.decode(data, segment, **extra)
        return values.astype(layout.dtype, copy=False)  # type: ignore[no-any-return]
