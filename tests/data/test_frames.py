"""Frames: any order of axes, mirrored borders, and values that fit their type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.data.formats import create, open_image
from bioreco.data.frames import Frames, as_type, choose_dims, mirror
from bioreco.data.image import Image
from bioreco.errors import UserError

SIZES = {"T": 3, "Z": 4, "C": 2, "Y": 7, "X": 5, "S": 3, "I": 2}
ORDERS = ["YX", "XY", "ZYX", "XYZ", "TZCYX", "CTZXY", "YXS", "TYXS", "ZCYXS", "IYX", "YXC", "TCYX"]


class Memory:
    """Pixels, and a place to write them to."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.dtype = values.dtype

    def read(self, index):
        return np.ascontiguousarray(self.values[index])

    def write(self, index, values):
        assert values.dtype == self.dtype
        assert values.shape == self.values[index].shape
        self.values[index] = values


def frames(axes: str, dims: int = 2, dtype: str = "float32", values: np.ndarray | None = None):
    shape = tuple(SIZES[axis] for axis in axes)
    if values is None:
        values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    image = Image(
        path=Path("a.tif"), name="a.tif", format="tiff", axes=axes, shape=values.shape,
        dtype=values.dtype, pixels=Memory(values),
    )  # fmt: skip
    return Frames(image, dims)


def arranged(axes: str, dims: int, values: np.ndarray) -> np.ndarray:
    """Return (frames, channels, [z,] y, x) by way of an array with all axes."""
    spatial = "ZYX"[3 - dims :]
    apart = [a for a in axes if a not in spatial + "CS"]
    order = [*apart, *[a for a in "CS" if a in axes], *spatial]
    moved = values.transpose([axes.index(a) for a in order])
    count = int(np.prod([SIZES[a] for a in apart], dtype=int))
    return moved.reshape(count, -1, *[SIZES[a] for a in spatial])


CASES = [(axes, 2) for axes in ORDERS] + [(axes, 3) for axes in ORDERS if "Z" in axes]


@pytest.mark.parametrize(("axes", "dims"), CASES)
def test_every_order_of_axes_is_read_the_same_way(axes, dims):
    one = frames(axes, dims)
    expected = arranged(axes, dims, one.image.pixels.values)
    assert (len(one), one.channels, *one.shape) == expected.shape
    for k in range(len(one)):
        found = one.read(k)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        assert np.array_equal(found, expected[k])
        region = [slice(1, n - 1) for n in one.shape]
        assert np.array_equal(one.read(k, region), expected[(k, slice(None), *region)])


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
@pytest.mark.parametrize(("axes", "dims"), CASES)
def test_what_is_read_and_written_is_the_same(axes, dims, dtype):
    one = frames(axes, dims, dtype)
    target = Memory(np.zeros_like(one.image.pixels.values))
    for k in range(len(one)):
        for part in (slice(0, 3), slice(3, None)):
            region = [slice(0, n) for n in one.shape]
            region[-1] = slice(*part.indices(one.shape[-1])[:2])
            one.write(target, k, region, one.read(k, region))
    assert np.array_equal(target.values, one.image.pixels.values)


def test_read_and_write_through_a_file(tmp_path):
    values = np.random.default_rng(1).integers(0, 60000, (3, 4, 2, 12, 10)).astype(np.uint16)
    one = frames("TZCYX", 3, values=values)
    with create(tmp_path / "a.tif", one.image, dtype=one.image.dtype, overwrite=False) as writer:
        for k in range(len(one)):
            one.write(writer, k, [slice(0, n) for n in one.shape], one.read(k))
    back = open_image(tmp_path / "a.tif")
    assert np.array_equal(np.squeeze(back.read()), values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 9), st.integers(0, 30), st.integers(0, 30))
def test_mirroring_is_that_of_numpy_without_repeating_the_border(size, before, after):
    values = np.arange(size)
    expected = np.pad(values, (before, after), mode="reflect")
    assert np.array_equal(values[mirror(np.arange(-before, size + after), size)], expected)


def test_one_pixel_is_its_own_mirror():
    assert mirror(np.arange(-3, 4), 1).tolist() == [0] * 7


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    start=st.tuples(*[st.integers(-12, 12)] * 3),
    size=st.tuples(*[st.integers(1, 20)] * 3),
)
def test_regions_beyond_the_border_are_mirrored(shape, start, size):
    values = np.random.default_rng(2).random(shape, dtype=np.float32)
    one = frames("ZYX", 3, values=values)
    expected = values
    for axis, n in enumerate(shape):
        pads = [(0, 0)] * 3
        pads[axis] = (12, 40)
        expected = np.pad(expected, pads, mode="reflect" if n > 1 else "edge")
    region = tuple(slice(12 + a, 12 + a + n) for a, n in zip(start, size, strict=True))
    assert np.array_equal(one.read_mirrored(0, start, size)[0], expected[region])


def test_no_more_is_read_than_the_mirrored_region_needs():
    class Counting(Memory):
        read_pixels = 0

        def read(self, index):
            part = super().read(index)
            Counting.read_pixels += part.size
            return part

    values = np.zeros((100, 100), dtype=np.float32)
    one = frames("YX", values=values)
    object.__setattr__(one.image, "pixels", Counting(values))
    one.read_mirrored(0, (-5, 40), (20, 20))
    assert Counting.read_pixels == 15 * 20


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("uint8", [-3, 0.5, 1.5, 2.4, 254.6, 300], [0, 0, 2, 2, 255, 255]),
        ("uint8", [np.nan, np.inf, -np.inf], [0, 255, 0]),
        ("int8", [-200, -1.5, 127.5, np.nan, -np.inf], [-128, -2, 127, 0, -128]),
        ("uint16", [65535.4, 65536, -1], [65535, 65535, 0]),
        ("int16", [-32769, 32768], [-32768, 32767]),
        ("uint32", [2.0**40, -1], [2**32 - 1, 0]),
        ("int32", [np.inf, -np.inf], [2**31 - 1, -(2**31)]),
    ],
)
def test_whole_numbers_are_rounded_and_clipped(dtype, given, expected):
    found = as_type(np.array(given, dtype=np.float64), np.dtype(dtype))
    assert found.dtype == dtype
    assert found.tolist() == expected


def test_64_bit_types_stay_within_their_limits():
    for dtype in ("int64", "uint64"):
        limits = np.iinfo(dtype)
        found = as_type(np.array([1e30, -1e30, 7.5]), np.dtype(dtype))
        assert 0.999 * limits.max < int(found[0]) <= limits.max
        assert int(found[1]) == limits.min
        assert int(found[2]) == 8


def test_floats_keep_what_they_can():
    values = np.array([1.5, np.nan, np.inf, -np.inf], dtype=np.float32)
    for dtype in ("float32", "float64", "float16"):
        assert np.array_equal(
            as_type(values, np.dtype(dtype)), values.astype(dtype), equal_nan=True
        )


@pytest.mark.parametrize(
    ("axes", "slices", "wanted", "dims"),
    [
        ("ZYX", 8, "auto", 3), ("ZYX", 7, "auto", 2), ("ZYX", 7, "3", 3), ("ZYX", 30, "2", 2),
        ("YX", 1, "auto", 2), ("TYX", 20, "auto", 2), ("IYX", 20, "auto", 2),
    ],
)  # fmt: skip
def test_stacks_of_enough_slices_are_volumes(axes, slices, wanted, dims):
    shape = [slices] * (len(axes) - 2) + [5, 5]
    assert choose_dims(frames(axes, values=np.zeros(shape, np.float32)).image, wanted) == dims


@pytest.mark.parametrize(
    ("axes", "dims", "text"),
    [
        ("YX", "4", "data.dims=4: choose auto, 2 or 3"),
        (
            "TYX",
            "3",
            "data.dims=3: a.tif has axes TYX and no Z."
            " Say data.axes= if the file is wrong about that.",
        ),
    ],
)
def test_dimensions_that_are_not_there_are_told(axes, dims, text):
    with pytest.raises(UserError) as said:
        choose_dims(frames(axes).image, dims)
    assert str(said.value) == text
