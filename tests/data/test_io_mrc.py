"""MRC files as mrcfile, IMOD and old microscopes write them."""

from __future__ import annotations

import bz2
import gzip
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioreco.data.formats import create, open_image, result_path
from bioreco.data.image import Image
from bioreco.errors import UserError

mrcfile = pytest.importorskip("mrcfile")

Copy = Callable[..., Image]
RNG = np.random.default_rng(5)
VALUES = RNG.integers(0, 120, (4, 11, 13))
F4 = np.dtype(np.float32)


def mrc(path: Path, values: np.ndarray, *, volume: bool, voxel: float = 1.5) -> Path:
    with mrcfile.new(path, values) as file:
        if volume:
            file.set_volume()
        elif values.ndim == 3:
            file.set_image_stack()
        file.voxel_size = voxel
        file.header.origin.x = 7
        file.add_label("first light")
    return path


@pytest.mark.parametrize("code", ["i1", "i2", "u2", "f2", "f4"])
@pytest.mark.parametrize("volume", [True, False])
def test_mrc_as_mrcfile_has_it(code: str, volume: bool, tmp_path: Path, copied: Copy) -> None:
    path = mrc(tmp_path / "a.mrc", VALUES.astype(code), volume=volume)
    image = open_image(path)
    assert (image.axes, image.dtype) == ("ZYX" if volume else "IYX", np.dtype(code))
    assert image.spacing == dict.fromkeys("XYZ" if volume else "XY", 1.5)
    np.testing.assert_array_equal(image.read(), VALUES)
    copied(image, tmp_path / "b.mrc", F4)
    assert mrcfile.validate(tmp_path / "b.mrc", print_file=sys.stderr)
    with mrcfile.open(tmp_path / "b.mrc") as file:
        np.testing.assert_array_equal(file.data, VALUES)
        assert (file.is_volume(), file.is_image_stack()) == (volume, not volume)
        assert file.voxel_size.x == pytest.approx(1.5)
        assert file.header.origin.x == 7
        assert "a test" in file.get_labels()[-1]
        assert any("first light" in label for label in file.get_labels())
        assert file.header.dmax == VALUES.max()
        assert file.header.rms == pytest.approx(VALUES.std(), rel=1e-5)


def test_mrc_of_another_byte_order_without_a_map_word(tmp_path: Path, copied: Copy) -> None:
    path = mrc(tmp_path / "a.mrc", VALUES.astype(">i2"), volume=True)
    data = bytearray(path.read_bytes())
    assert data[212] == 0x11
    data[208:216] = bytes(8)
    path.write_bytes(data)
    image = open_image(path)
    np.testing.assert_array_equal(image.read(), VALUES)
    assert copied(image, tmp_path / "b.mrc").spacing == image.spacing


@pytest.mark.parametrize("pack", [gzip, bz2])
def test_packed_mrc_is_read_and_written_plain(pack: Any, tmp_path: Path, copied: Copy) -> None:
    path = mrc(tmp_path / "a.mrc", VALUES.astype(np.float32), volume=True)
    end = {gzip: "gz", bz2: "bz2"}[pack]
    packed = tmp_path / f"p.mrc.{end}"
    packed.write_bytes(pack.compress(path.read_bytes()))
    image = open_image(packed)
    np.testing.assert_array_equal(image.read((slice(1, 3), slice(2, 9))), VALUES[1:3, 2:9])
    target = result_path(image, None, several=False, fallback=tmp_path)
    assert target.name == "p_denoised.mrc"
    np.testing.assert_array_equal(copied(image, target).read(), VALUES)
    packed.write_bytes(packed.read_bytes()[:-300])
    with pytest.raises(UserError, match=rf"p.mrc.{end} can't be read.*: the file is damaged"):
        open_image(packed).read()


def test_mrc_unsigned_bytes_of_imod(tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 255, (3, 11, 13), np.uint8)
    path = mrc(tmp_path / "a.mrc", values.view(np.int8), volume=True)
    data = bytearray(path.read_bytes())
    struct.pack_into("<2i", data, 152, 1146047817, 0)
    path.write_bytes(data)
    image = open_image(path)
    np.testing.assert_array_equal(image.read(), values)
    assert copied(image, tmp_path / "b.mrc").dtype == np.uint8


def test_mrc_axes_in_another_order(tmp_path: Path, copied: Copy) -> None:
    path = mrc(tmp_path / "a.map", VALUES.astype(np.float32), volume=True)
    data = bytearray(path.read_bytes())
    struct.pack_into("<3i", data, 64, 3, 1, 2)
    path.write_bytes(data)
    image = open_image(path)
    assert (image.axes, image.shape) == ("YXZ", (4, 11, 13))
    assert copied(image, tmp_path / "b.map").axes == "YXZ"


def test_mrc_extended_header_and_a_settled_stack(tmp_path: Path, copied: Copy) -> None:
    path = mrc(tmp_path / "a.mrc", VALUES.astype(np.int16), volume=False)
    with mrcfile.open(path, "r+") as file:
        file.set_extended_header(np.arange(64, dtype=np.uint8).view("V1"))
        file.header.exttyp = b"FEI1"
    image = open_image(path)
    assert image.notes == (
        "4 sections marked as a stack, read as 4 independent images;"
        " say data.axes=ZYX for a volume or TYX for frames in time",
    )
    settled = open_image(path, axes="ZYX")
    again = copied(settled, tmp_path / "b.mrc")
    assert (again.axes, again.notes, again.spacing["Z"]) == ("ZYX", (), 1.5)
    assert again.meta.extended == bytes(range(64))


@pytest.mark.parametrize(("mode", "what"), [(4, "complex numbers"), (101, "packed 4-bit numbers")])
def test_mrc_of_what_is_no_image(mode: int, what: str, tmp_path: Path) -> None:
    path = mrc(tmp_path / "a.mrc", VALUES.astype(np.float32), volume=True)
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, 12, mode)
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        open_image(path)
    assert str(caught.value) == f"a.mrc: an MRC file of {what} isn't an image of intensities."


def test_what_mrc_cannot_hold(tmp_path: Path) -> None:
    image = open_image(mrc(tmp_path / "a.mrc", VALUES.astype(np.float32), volume=True))
    with pytest.raises(UserError, match=r"b.mrc: MRC can't hold float64 pixels"):
        create(tmp_path / "b.mrc", image, dtype=np.dtype(np.float64), overwrite=False)
    np.save(tmp_path / "c.npy", VALUES.astype(np.float32))
    channels = open_image(tmp_path / "c.npy", axes="CYX")
    with pytest.raises(UserError, match=r"not axes CYX \(4 x 11 x 13\); give a name ending in"):
        create(tmp_path / "new" / "b.mrc", channels, dtype=F4, overwrite=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mrc", "c.npy"]
