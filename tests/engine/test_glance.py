from __future__ import annotations

import numpy as np
import pytest
import tifffile

from bioreco.data.formats import open_image
from bioreco.data.image import Image
from bioreco.engine.glance import CROPS, PLENTY, crops, name_of, places, read_frame


class Counting:
    """Pixels that note how much was read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.read_pixels = 0

    def read(self, index):
        part = self.values[index].copy()
        self.read_pixels += part.size
        return part


def image(values: np.ndarray, axes: str) -> tuple[Image, Counting]:
    pixels = Counting(values)
    made = Image(
        path=None,
        name="made",
        format="npy",
        axes=axes,
        shape=values.shape,
        dtype=values.dtype,
        pixels=pixels,
    )
    return made, pixels


@pytest.mark.parametrize("axes", ["TCZYX", "ZCYX", "CZYX", "TYX", "YX", "YXS", "XYZ", "IZYX"])
def test_frames_have_their_axes_in_one_order(axes):
    size = {"T": 2, "I": 2, "C": 3, "Z": 4, "Y": 5, "X": 6, "S": 3}
    values = np.random.default_rng(0).integers(0, 99, [size[a] for a in axes])
    made, _ = image(values, axes)
    found = places(made)
    assert len(found) == np.prod([size[a] for a in axes if a in "TICS"], dtype=int)
    for place in found:
        index = tuple(place.get(a, slice(None)) for a in axes)
        inner = [a for a in axes if a in "ZYX"]
        order = [inner.index(a) for a in "ZYX" if a in inner]
        assert np.array_equal(read_frame(made, place), values[index].transpose(order))


def test_a_single_slice_is_a_plane():
    made, _ = image(np.zeros((1, 5, 6)), "ZYX")
    assert read_frame(made, {}).shape == (5, 6)


def test_regions():
    values = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    made, _ = image(values, "ZYX")
    region = {"Z": slice(1, 3), "X": slice(2, 5)}
    assert np.array_equal(read_frame(made, {}, region), values[1:3, :, 2:5])


def test_small_images_are_looked_at_whole_and_large_ones_in_crops():
    small, _ = image(np.zeros((20, 30)), "YX")
    assert [crop.shape for crop in crops(small, {})] == [(20, 30)]
    large, pixels = image(np.broadcast_to(np.float32(1), (40, 3000, 2000)), "ZYX")
    found = list(crops(large, {}))
    assert len(found) == CROPS
    assert {crop.shape for crop in found} == {(5, 256, 256)}
    assert pixels.read_pixels < 2 * PLENTY


def test_names():
    assert name_of({}) == ""
    assert name_of({"T": 3, "C": 0}) == "T=3 C=0"


def test_files(tmp_path):
    values = np.random.default_rng(1).integers(0, 99, (2, 3, 8, 9)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, metadata={"axes": "ZCYX"})
    opened = open_image(tmp_path / "a.tif")
    assert np.array_equal(read_frame(opened, {"C": 2}), values[:, 2])
