"""TIFF files of every cut and compression, and those that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from bioreco.data import tiffpages
from bioreco.data.formats import create, open_image
from bioreco.data.image import Image
from bioreco.data.shelf import Shelf
from bioreco.data.tiffpages import TiffPages
from bioreco.errors import UserError

Copy = Callable[..., Image]
RNG = np.random.default_rng(3)
F4 = np.dtype(np.float32)


WAYS: list[dict[str, Any]] = [
    {},
    {"bigtiff": True},
    {"byteorder": ">"},
    {"bigtiff": True, "byteorder": ">"},
    {"rowsperstrip": 7},
    {"tile": (16, 32)},
    {"tile": (16, 32), "compression": "zlib", "predictor": True},
    {"compression": "lzw"},
    {"compression": "zstd", "rowsperstrip": 5},
    {"compression": "packbits"},
    {"compression": "zlib", "byteorder": ">", "predictor": True},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)) or "plain")
@pytest.mark.parametrize("code", ["u1", "u2", "u4", "i2", "f2", "f4", "f8"])
def test_every_cut_and_compression(way: dict[str, Any], code: str, tmp_path: Path) -> None:
    values = RNG.integers(0, 120, (3, 41, 53)).astype(code)
    way = dict(way)
    if way.get("compression") == "packbits":
        values = values.astype(np.uint8)
    path = tmp_path / "a.tif"
    file = {key: way.pop(key) for key in ("bigtiff", "byteorder") if key in way}
    with tifffile.TiffWriter(path, **file) as tif:
        tif.write(values, photometric="minisblack", **way)
    image = open_image(path)
    assert (image.axes, image.dtype) == ("IYX", values.dtype)
    np.testing.assert_array_equal(image.read(), values)
    index = (slice(1, 3), slice(9, 30), slice(30, 50))
    np.testing.assert_array_equal(image.read(index), values[index])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("way", [{}, {"tile": (16, 16)}, {"compression": "zlib"}])
def test_samples_come_last(planar: str, way: dict[str, Any], tmp_path: Path, copied: Copy) -> None:
    colour = RNG.integers(0, 255, (30, 40, 3), np.uint8)
    stored = colour if planar == "contig" else np.moveaxis(colour, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, metadata=None, **way
    )
    image = open_image(tmp_path / "a.tif")
    assert (image.axes, image.shape) == ("YXS", (30, 40, 3))
    index = (slice(3, 19), slice(12, 40), slice(1, 3))
    np.testing.assert_array_equal(image.read(index), colour[index])
    again = copied(image, tmp_path / "b.tif")
    assert again.axes == "YXS"
    np.testing.assert_array_equal(again.read(), colour)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), colour)


def test_only_the_tiles_of_a_region_are_decoded(tmp_path: Path) -> None:
    values = RNG.integers(0, 255, (64, 64), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        starts, sizes = tif.pages[0].dataoffsets, tif.pages[0].databytecounts
    data = bytearray(path.read_bytes())
    for number in range(1, 16):
        if number != 6:
            data[starts[number] : starts[number] + sizes[number]] = bytes(sizes[number])
    path.write_bytes(data)
    image = open_image(path)
    np.testing.assert_array_equal(image.read((slice(16, 32), slice(32, 48))), values[16:32, 32:48])
    with pytest.raises(UserError, match=r"a.tif can't be read: the file is damaged"):
        image.read()


def test_large_strips_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffpages, "_CACHE_BYTES", 3000)
    monkeypatch.setattr(tiffpages, "_LARGE", 1000)
    values = RNG.integers(0, 255, (6, 40, 30), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, rowsperstrip=40, compression="zlib", photometric="minisblack")
    decoded: list[int] = []
    decode = TiffPages._decode
    monkeypatch.setattr(
        TiffPages, "_decode", lambda self, page, n: decoded.append(n) or decode(self, page, n)
    )
    image = open_image(path)
    for _ in range(4):
        for column in range(0, 30, 10):
            index = (slice(None), slice(None), slice(column, column + 10))
            np.testing.assert_array_equal(image.read(index), values[index])
    assert len(decoded) == 6


def test_one_bit_is_read_as_zero_and_one(tmp_path: Path) -> None:
    values = RNG.integers(0, 2, (21, 33)).astype(bool)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    image = open_image(tmp_path / "a.tif")
    assert image.dtype == np.uint8
    assert image.notes == ("a 1-bit image, read as 0 and 1",)
    np.testing.assert_array_equal(image.read(), values)


def test_pyramids_and_further_images_are_told(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.ones((40, 60), np.uint8), subifds=1)
        tif.write(np.ones((20, 30), np.uint8), subfiletype=1)
        tif.write(np.ones((7, 8), np.uint16))
    image = open_image(tmp_path / "a.tif")
    assert image.shape == (40, 60)
    assert image.notes == ("holds another image, left aside; the first (40 x 60) is read",)


@pytest.mark.parametrize("colour", ["separated", "palette", "cielab"])
def test_colours_that_are_no_intensities_are_refused(colour: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    if colour == "palette":
        colours = RNG.integers(0, 65535, (3, 256)).astype(np.uint16)
        tifffile.imwrite(path, np.zeros((9, 9), np.uint8), photometric=colour, colormap=colours)
    else:
        values = np.zeros((9, 9, 4 if colour == "separated" else 3), np.uint8)
        tifffile.imwrite(path, values, photometric=colour)
    with pytest.raises(UserError, match="aren't intensities; save it as grey or RGB TIFF"):
        open_image(path)


def test_a_shorter_imagej_stack_than_promised_is_told(tmp_path: Path) -> None:
    values = RNG.integers(0, 255, (5, 20, 30), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"a.tif is cut short"):
        open_image(path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_file_is_told(compression: str | None, tmp_path: Path) -> None:
    values = RNG.integers(0, 255, (40, 50), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, compression=compression, metadata=None)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"a.tif is cut short: it ends at byte \d+, its pixels at"):
        open_image(path)


def test_types_a_dialect_cannot_hold(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((20, 30), np.uint16))
    image = open_image(tmp_path / "a.ome.tif")
    with pytest.raises(UserError, match="OME-TIFF can't hold float16 pixels"):
        create(tmp_path / "b.ome.tif", image, dtype=np.dtype(np.float16), overwrite=False)
    stack = np.zeros((3, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", stack, metadata=None, photometric="minisblack")
    with pytest.raises(UserError, match="OME-TIFF has no axis for independent images"):
        create(tmp_path / "d.ome.tif", open_image(tmp_path / "c.tif"), dtype=F4, overwrite=False)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_that_run_in_a_circle_are_told(bigtiff: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tif:
        for _ in range(4):
            tif.write(np.zeros((9, 9), np.uint8), contiguous=False, metadata=None)
    assert open_image(path).shape == (4, 9, 9)
    with tifffile.TiffFile(path) as tif:
        second, last = tif.pages[1].offset, tif.pages[3].aspage()
        count, entry, width = (8, 20, 8) if bigtiff else (2, 12, 4)
        link = last.offset + count + entry * len(last.tags)
    data = bytearray(path.read_bytes())
    data[link : link + width] = second.to_bytes(width, "little")
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a.tif is damaged: its pages run in a circle"):
        open_image(path)


def test_tiles_that_were_left_out_are_filled(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = RNG.integers(1, 255, (32, 48), np.uint8)
    tifffile.imwrite(path, values, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        sizes = tif.pages[0].tags["TileByteCounts"]
        starts = tif.pages[0].tags["TileOffsets"]
    with path.open("r+b") as file:
        for tag in (sizes, starts):
            file.seek(tag.valueoffset + (tag.dtype.value == 4) * 4 + (tag.dtype.value == 3) * 2)
            file.write(bytes(2 if tag.dtype.value == 3 else 4))
    truth = values.copy()
    truth[:16, 16:32] = 0
    np.testing.assert_array_equal(open_image(path).read(), truth)
    np.testing.assert_array_equal(tifffile.imread(path), truth)


def test_threads_share_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffpages, "_CACHE_BYTES", 3000)
    monkeypatch.setattr(tiffpages, "_LARGE", 1000)
    values = RNG.integers(0, 255, (8, 40, 30), np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, rowsperstrip=40, compression="zlib", photometric="minisblack")
    read = open_image(path).read
    with ThreadPoolExecutor(4) as pool:
        for whole in pool.map(lambda _: read(), range(12)):
            np.testing.assert_array_equal(whole, values)


def test_a_forked_process_writes_to_a_shelf_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.integers(0, 255, (5, 6), np.uint8)
    shelf = Shelf()
    shelf["parent"] = values
    first = shelf._path
    monkeypatch.setattr("os.getpid", lambda: -1)
    shelf["child"] = values + 1
    second = shelf._path
    assert first.read_bytes() == values.tobytes()
    np.testing.assert_array_equal(shelf["parent"], values)
    np.testing.assert_array_equal(shelf["child"], values + 1)
    del shelf
    assert first.exists()
    assert not second.exists()
    first.unlink()
