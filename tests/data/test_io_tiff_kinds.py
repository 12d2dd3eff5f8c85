"""ImageJ, OME and plain TIFF: what each says, and that it survives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioreco.data import tiffwrite
from bioreco.data.formats import open_image
from bioreco.data.image import Image
from bioreco.errors import UserError

Copy = Callable[..., Image]
RNG = np.random.default_rng(3)
F4 = np.dtype(np.float32)


def test_imagej_stays_imagej(tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 999, (3, 4, 2, 20, 30)).astype(np.uint16)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (3, 1))
    said = {"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.5, "mode": "composite"}
    said |= {"LUTs": [ramp, ramp], "Ranges": (0.0, 9.0, 1.0, 8.0), "Info": "kept", "min": 3.0}
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(4, 4), metadata=said)
    image = open_image(tmp_path / "a.tif")
    assert image.spacing == {"T": 2.5, "Z": 0.5, "Y": 0.25, "X": 0.25}
    assert image.units == {"T": "s", "Z": "um", "Y": "um", "X": "um"}
    again = copied(image, tmp_path / "b.tif", F4)
    assert (again.axes, again.spacing, again.units) == (image.axes, image.spacing, image.units)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        found = tif.imagej_metadata
        assert tif.series[0].axes == "TZCYX"
        assert tif.pages[0].tags["Software"].value == "a test"
    for key in ("Info", "Ranges", "min", "mode", "unit", "finterval"):
        assert found[key] == said[key]
    np.testing.assert_array_equal(found["LUTs"], said["LUTs"])


def test_imagej_keeps_its_micrometre_sign_and_colour_table(tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 255, (20, 30), np.uint8)
    colours = np.zeros((3, 256), np.uint16)
    colours[1] = np.arange(256) * 257
    said = {"unit": "\\u00B5m"}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, imagej=True, resolution=(4, 4), metadata=said, colormap=colours)
    image = open_image(path)
    assert image.units["X"] == "um"
    again = copied(image, tmp_path / "b.tif", F4)
    assert again.spacing == {"Y": 0.25, "X": 0.25}
    assert again.meta.imagej["unit"] == "\\u00B5m"
    np.testing.assert_array_equal(again.meta.imagej["LUTs"], colours >> 8)


def test_an_imagej_file_over_four_gigabytes_has_one_page_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: Copy
) -> None:
    values = RNG.integers(0, 255, (5, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, metadata={"axes": "TYX"})
    monkeypatch.setattr(tiffwrite, "_CLASSIC_LIMIT", 1000)
    again = copied(open_image(tmp_path / "a.tif"), tmp_path / "b.tif")
    assert again.axes == "TYX"
    np.testing.assert_array_equal(again.read(), values)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert (len(tif.pages), tif.is_imagej, tif.is_bigtiff) == (1, True, False)


def test_ome_keeps_what_it_knows(tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 99, (2, 3, 20, 30)).astype(np.uint16)
    said = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeY": 0.2,
        "PhysicalSizeZ": 300.0,
        "PhysicalSizeZUnit": "nm",
        "Channel": {"Name": ["actin", "nuclei"], "Color": [255, 65280]},
        "Description": "a <strange> embryo",
    }
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values, metadata=said, tile=(16, 16), compression="zlib")
    image = open_image(path)
    assert (image.axes, image.channels) == ("CZYX", ("actin", "nuclei"))
    again = copied(image, tmp_path / "b.ome.tif", F4)
    for name in ("axes", "shape", "spacing", "units", "channels"):
        assert getattr(again, name) == getattr(image, name)
    assert again.spacing == {"X": 0.1, "Y": 0.2, "Z": 300.0}
    assert again.units == {"X": "um", "Y": "um", "Z": "nm"}
    for kept in ('Color="65280"', "a &lt;strange&gt; embryo", 'Type="float"'):
        assert kept in again.meta.description
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.ome.tif"), values)


def test_plain_stays_plain_with_its_resolution_and_texts(tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 99, (20, 30)).astype(np.uint16)
    tags = [(315, 2, 0, "A. Person", True), (271, 2, 0, "Maker", True)]
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        metadata=None,
        description="slide 7",
        resolution=(20000, 40000),
        resolutionunit="centimeter",
        datetime="2026:01:02 03:04:05",
        extratags=tags,
    )
    image = open_image(tmp_path / "a.tif")
    assert (image.spacing, image.units) == ({"X": 0.5, "Y": 0.25}, {"X": "um", "Y": "um"})
    again = copied(image, tmp_path / "b.tif", F4)
    assert (again.spacing, again.units) == (image.spacing, image.units)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        found = tif.pages[0].tags
        assert found["ImageDescription"].value == "slide 7"
        assert found["DateTime"].value == "2026:01:02 03:04:05"
        assert (found["Artist"].value, found["Make"].value) == ("A. Person", "Maker")


def test_an_unknown_stack_is_explained_and_settled(tmp_path: Path, copied: Copy) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 20, 30), np.uint8), photometric="minisblack")
    image = open_image(tmp_path / "a.tif")
    assert image.axes == "IYX"
    assert image.notes == (
        "5 pages of unknown meaning, read as 5 independent images;"
        " say data.axes=ZYX for a volume or TYX for a time series",
    )
    settled = open_image(tmp_path / "a.tif", axes="ZYX")
    assert (settled.axes, settled.notes) == ("ZYX", ())
    assert copied(settled, tmp_path / "b.tif").axes == "ZYX"


def test_axes_that_do_not_fit_name_the_shape(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 20, 30), np.uint8), photometric="minisblack")
    with pytest.raises(UserError) as caught:
        open_image(tmp_path / "a.tif", axes="TZYX")
    assert str(caught.value) == (
        "axes=TZYX doesn't fit: a.tif is 5 x 20 x 30, which takes 3 different letters from"
        " T Z C Y X, S for RGB and I for independent images; the file says IYX."
    )
    with pytest.raises(UserError, match="it needs Y and X, and S only last"):
        open_image(tmp_path / "a.tif", axes="ZYC")


def test_two_unknown_axes_are_asked_for(tmp_path: Path) -> None:
    values = np.zeros((2, 5, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    with pytest.raises(UserError, match=r"a.tif is 2 x 5 x 20 x 30, and .* data.axes=ZCYX"):
        open_image(tmp_path / "a.tif")
    assert open_image(tmp_path / "a.tif", axes="TZYX").axes == "TZYX"
