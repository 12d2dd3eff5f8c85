"""NIfTI files as nibabel writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioreco.data.formats import create, open_image
from bioreco.data.image import Image
from bioreco.errors import UserError

nibabel = pytest.importorskip("nibabel")

Copy = Callable[..., Image]
RNG = np.random.default_rng(5)
F4 = np.dtype(np.float32)

AFFINE = np.array([[0, -2.0, 0, 9], [1.5, 0, 0, 8], [0, 0, 3.0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("end", ["nii", "nii.gz"])
def test_nifti_as_nibabel_has_it(kind: Any, end: str, tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(0, 99, (5, 6, 7, 4)).astype(np.int16)
    source = kind(values, AFFINE)
    source.header.set_zooms((1.5, 2.0, 3.0, 2.5))
    source.header.set_xyzt_units("mm", "sec")
    source.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    nibabel.save(source, tmp_path / f"a.{end}")
    image = open_image(tmp_path / f"a.{end}")
    assert (image.axes, image.shape) == ("TZYX", (4, 7, 6, 5))
    assert image.spacing == {"X": 1.5, "Y": 2.0, "Z": 3.0, "T": 2.5}
    assert image.units == {"X": "mm", "Y": "mm", "Z": "mm", "T": "s"}
    np.testing.assert_array_equal(image.read(), values.T)
    copied(image, tmp_path / f"b.{end}", F4)
    again = nibabel.load(tmp_path / f"b.{end}")
    np.testing.assert_array_equal(again.get_fdata(), values)
    np.testing.assert_allclose(again.affine, AFFINE)
    assert again.header.get_zooms() == (1.5, 2.0, 3.0, 2.5)
    assert again.header.extensions[0].get_content() == b"kept"
    assert again.get_data_dtype() == np.float32


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti_slope_is_honoured(order: str, tmp_path: Path, copied: Copy) -> None:
    values = RNG.integers(-99, 99, (5, 6, 7)).astype(f"{order}i2")
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    source = nibabel.Nifti1Image(values, AFFINE, header)
    source.header.set_slope_inter(0.5, 10)
    nibabel.save(source, tmp_path / "a.nii")
    truth = nibabel.load(tmp_path / "a.nii").get_fdata()
    image = open_image(tmp_path / "a.nii")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image.read(), truth.T)
    np.testing.assert_allclose(image.read((slice(2, 3),)), truth.T[2:3])
    copied(image, tmp_path / "b.nii")
    np.testing.assert_allclose(nibabel.load(tmp_path / "b.nii").get_fdata(), truth)


def test_nifti_short_or_of_a_type_it_cannot_hold(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), np.int16), None), tmp_path / "a.nii")
    image = open_image(tmp_path / "a.nii")
    with pytest.raises(UserError, match=r"b.nii: NIfTI can't hold float16 pixels"):
        create(tmp_path / "b.nii", image, dtype=np.dtype(np.float16), overwrite=False)
    data = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(data[:-1])
    with pytest.raises(UserError) as caught:
        open_image(tmp_path / "a.nii")
    assert str(caught.value) == (
        f"a.nii is cut short: it ends at byte {len(data) - 1}, its pixels at byte {len(data)}."
    )


def test_an_odd_header_is_read_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), np.int16), None), tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[80:84] = np.float32(-1).tobytes()
    data[123] = 6
    (tmp_path / "a.nii").write_bytes(data)
    image = open_image(tmp_path / "a.nii")
    assert (image.axes, image.spacing) == ("ZYX", {})
    assert capfd.readouterr() == ("", "")
