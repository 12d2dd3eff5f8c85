"""What broken files say, and that a failed write leaves nothing behind."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.data import raw
from bioreco.data.formats import create, open_image
from bioreco.errors import UserError

imagecodecs = pytest.importorskip("imagecodecs")
F4, U1 = np.dtype(np.float32), np.dtype(np.uint8)
VALUES = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)

BROKEN = [
    ("a.tif", b"", "a.tif is empty (0 bytes)."),
    ("a.tif", b"hello world", "a.tif isn't TIFF: its first bytes are b'hello wo'."),
    (
        "a.png",
        b"\xff\xd8\xff\xe0JFIF",
        r"a.png isn't PNG: its first bytes are b'\xff\xd8\xff\xe0JFIF'.",
    ),
    ("a.czi", b"ZISRAWFILE", "a.czi: Zeiss CZI files aren't read; export it as OME-TIFF."),
    ("a.nd2", b"\xda\xce", "a.nd2: Nikon ND2 files aren't read; export it as OME-TIFF."),
    ("a.PAR", b"# CLINICAL", "a.PAR: Philips PAR/REC files aren't read; export it as OME-TIFF."),
    ("a.mnc", b"\x89HDF\r\n\x1a\n", "a.mnc: MINC files aren't read; export it as OME-TIFF."),
    ("a.mrc", b"\1" * 2000, "a.mrc isn't MRC, or its header is damaged."),
    ("a.tif", b"II*\0\x08\0\0\0\0\0", "a.tif is a TIFF file without an image in it."),
    ("a.png", b"\x89PNG\r\n\x1a\n1234", "a.png is damaged: a PNG starts with its header."),
    (
        "a.txt",
        b"1 2 3",
        "a.txt isn't an image that can be read (TIFF, PNG, NPY, MRC, NIfTI, HDF5, OME-Zarr).",
    ),
]


@pytest.mark.parametrize(("name", "data", "says"), BROKEN)
def test_what_a_broken_file_says(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as caught:
        open_image(tmp_path / name)
    assert str(caught.value) == says


ARRAYS = [
    (
        np.zeros((3, 4), complex),
        "a.npy holds complex numbers (complex128), which are not an image;",
    ),
    (np.zeros((0, 4)), "a.npy holds no pixels: its shape is 0 x 4."),
    (np.array([["a", "b"]]), "a.npy holds values of type <U1; images are 8 to 64-bit integers or"),
    (np.zeros(5), "a.npy is a list of 5 numbers, not an image."),
    (np.zeros(()), "a.npy is a list of 1 numbers, not an image."),
]


@pytest.mark.parametrize(("values", "says"), ARRAYS)
def test_arrays_that_are_no_images(values: np.ndarray, says: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(UserError) as caught:
        open_image(tmp_path / "a.npy")
    assert str(caught.value).startswith(says)


def test_arrays_in_another_order_and_of_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(VALUES.astype(">u2")))
    image = open_image(tmp_path / "a.npy")
    assert image.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(image.read((slice(3, 9), slice(4, 7))), VALUES[3:9, 4:7])
    np.save(tmp_path / "b.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"b.npy can't be read as NPY"):
        open_image(tmp_path / "b.npy")


def test_folders_and_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, not an image"):
        open_image(tmp_path)
    with pytest.raises(UserError, match="/dev/null isn't an ordinary file"):
        open_image("/dev/null")
    np.save(tmp_path / "a.npy", VALUES)
    for name in ("old.tif", "old.zarr"):
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match="is a folder, which isn't replaced by a file"):
            create(tmp_path / name, open_image(tmp_path / "a.npy"), dtype=F4, overwrite=True)
    (tmp_path / "really.tif").write_bytes(imagecodecs.png_encode(VALUES))
    assert open_image(tmp_path / "really.tif").format == "png"


def test_png_pixel_size_and_texts_survive(tmp_path: Path) -> None:
    data = imagecodecs.png_encode(VALUES)
    extra = b""
    for kind, body in ((b"pHYs", struct.pack(">IIB", 4_000_000, 2_000_000, 1)), (b"tEXt", b"A\0b")):
        extra += struct.pack(">I", len(body)) + kind + body
        extra += struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "a.png").write_bytes(data[:33] + extra + data[33:])
    image = open_image(tmp_path / "a.png")
    assert (image.spacing, image.units) == ({"Y": 0.5, "X": 0.25}, {"Y": "um", "X": "um"})
    with create(tmp_path / "b.png", image, dtype=image.dtype, overwrite=False) as writer:
        writer.write((), image.read())
    again = open_image(tmp_path / "b.png")
    assert (again.spacing, again.meta) == (image.spacing, image.meta)
    np.testing.assert_array_equal(again.read(), VALUES)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-30])
    with pytest.raises(UserError, match=r"a.png is cut short: the end of the PNG is missing"):
        open_image(tmp_path / "a.png")


def test_writes_are_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    image = open_image(tmp_path / "a.npy")
    with create(tmp_path / "b.tif", image, dtype=F4, overwrite=False) as writer:
        with pytest.raises(ValueError, match=r"\(3, 3\) values for a region of \(20, 30\)"):
            writer.write((), np.zeros((3, 3), np.float32))
        writer.write((), image.read())
    with pytest.raises(IndexError, match="step 1"):
        image.read((slice(None, None, 2),))
    with pytest.raises(UserError, match=r"images can't be written as '\.jpg'"):
        create(tmp_path / "b.jpg", image, dtype=F4, overwrite=False)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    image = open_image(tmp_path / "a.npy")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(UserError, match=r"x/b.tif can't be written: No space left on device\."):
        create(tmp_path / "x" / "b.tif", image, dtype=F4, overwrite=False)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    "end", [".tif", ".ome.tif", ".png", ".npy", ".mrc", ".nii", ".nii.gz", ".h5"]
)
def test_damage_is_told_and_never_a_traceback(end: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    image = open_image(tmp_path / "a.npy")
    dtype = np.dtype(np.uint16)
    with create(tmp_path / f"good{end}", image, dtype=dtype, overwrite=False) as writer:
        writer.write((), VALUES)
    good = (tmp_path / f"good{end}").read_bytes()

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=4), st.data())
    def holds(changes: list[tuple[int, int]], data: st.DataObject) -> None:
        broken = bytearray(good)
        for place, value in changes:
            broken[place % len(broken)] = value
        path = tmp_path / f"broken{end}"
        path.write_bytes(broken[: data.draw(st.sampled_from([None, 40, 350, len(good) // 2]))])
        with suppress(UserError):
            open_image(path).read((slice(0, 2),))

    holds()


@pytest.mark.parametrize("span", [1, 40, 100, 700, 10**6])
def test_wide_regions_are_read_and_written_in_pieces(
    span: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.arange(2 * 3 * 7 * 11, dtype=np.int16).reshape(2, 3, 7, 11)
    np.save(tmp_path / "a.npy", values)
    monkeypatch.setattr(raw, "_SPAN", span)
    image = open_image(tmp_path / "a.npy", axes="TZYX")
    index = (slice(0, 2), slice(1, 3), slice(2, 6), slice(3, 4))
    np.testing.assert_array_equal(image.read(index), values[index])
    with create(tmp_path / "b.npy", image, dtype=image.dtype, overwrite=False) as writer:
        for start, stop in ((0, 5), (5, 11)):
            part = (slice(None), slice(None), slice(None), slice(start, stop))
            writer.write(part, values[part])
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), values)
