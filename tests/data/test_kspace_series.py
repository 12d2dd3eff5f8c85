"""Series of complex volumes as NIfTI, with nibabel as the oracle."""

from pathlib import Path

import numpy as np
import pytest
from kspaces import made

from bioreco.data.kspace.series import Series, open_series
from bioreco.errors import UserError

nibabel = pytest.importorskip("nibabel")

AFFINE = np.array([[-2.0, 0.1, 0, 30], [0.1, 2.4, 0.2, -40], [0, -0.2, 3.0, 7], [0, 0, 0, 1]])


def volume(seed, shape=(3, 5, 4)):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def test_what_is_written_frame_by_frame_is_what_nibabel_and_we_read(tmp_path):
    path = tmp_path / "x.nii"
    with Series(path, (4, 5, 3, 6), AFFINE, 1.25) as series:
        for t in range(6):
            series.write(t, volume(t))
            assert not path.exists()
    image, phase = nibabel.load(path), nibabel.load(tmp_path / "x_phase.nii")
    assert image.shape == phase.shape == (4, 5, 3, 6)
    for file in (image, phase):
        np.testing.assert_allclose(file.affine, AFFINE, atol=1e-6)
        np.testing.assert_allclose(file.get_qform(), file.header.get_qform())
        sizes = np.linalg.norm(AFFINE[:3, :3], axis=0)
        np.testing.assert_allclose(file.header.get_zooms(), [*sizes, 1.25], rtol=1e-6)
        assert file.header.get_xyzt_units() == ("mm", "sec")
        assert file.get_data_dtype() == np.float32
    for t in range(6):
        np.testing.assert_allclose(image.dataobj[..., t].T, np.abs(volume(t)), rtol=1e-6)
        np.testing.assert_allclose(phase.dataobj[..., t].T, np.angle(volume(t)), rtol=1e-6)
    read = open_series(path)
    assert (read.frames, read.repetition_time) == (6, 1.25)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-6)
    for t in range(6):
        np.testing.assert_allclose(read.read(t), volume(t), rtol=1e-5, atol=1e-6)
    (tmp_path / "x_phase.nii").unlink()
    np.testing.assert_allclose(open_series(path).read(2), np.abs(volume(2)), rtol=1e-6)


def test_groups_go_to_their_slices(tmp_path):
    scan = made(frames=1, groups=2, bands=2, size=(6, 8))
    path = tmp_path / "x.nii"
    with Series.of(scan, path) as series:
        for g in range(2):
            series.write(0, scan.reference(0, g), scan.geometry.slices[g])
    image = nibabel.load(path)
    assert image.shape == (8, 6, 4, 1)
    np.testing.assert_allclose(image.affine, scan.geometry.affine, atol=1e-5)
    values = image.get_fdata()[..., 0].T
    for g in range(2):
        for s in range(2):
            np.testing.assert_allclose(values[g + 2 * s], np.abs(scan.x[0, g, s]), rtol=1e-5)


def test_nothing_is_left_when_a_series_stops(tmp_path):
    def half():
        with Series(tmp_path / "x.nii", (4, 5, 3, 6), AFFINE, None) as series:
            series.write(0, volume(0))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_more_slices_than_nifti_1_counts(tmp_path):
    with Series(tmp_path / "x.nii", (2, 1, 1, 2**15), np.eye(4), 2.0) as series:
        series.write(2**15 - 1, np.full((1, 1, 2), 3 + 4j, np.complex64))
    image = nibabel.load(tmp_path / "x.nii")
    assert isinstance(image, nibabel.Nifti2Image)
    assert image.dataobj[0, 0, 0, 2**15 - 1] == 5
    assert image.header.get_zooms()[3] == 2.0


def test_wrong_names_and_places_are_told(tmp_path):
    with pytest.raises(UserError) as error:
        Series(tmp_path / "x.tif", (4, 5, 3, 6), AFFINE, None)
    assert str(error.value) == (
        f"{tmp_path}/x.tif: a series is written as NIfTI; end the name in .nii."
    )
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written: File exists"):
        Series(tmp_path / "file" / "x.nii", (4, 5, 3, 6), AFFINE, None)
    with (
        Series(tmp_path / "x.nii", (4, 5, 3, 1), AFFINE, None) as series,
        pytest.raises(ValueError, match="values for"),
    ):
        series.write(0, volume(0, (2, 5, 4)))


def test_sizes_of_magnitude_and_phase_agree(tmp_path: Path):
    for name, size in (("x.nii", 4), ("y.nii", 5)):
        with Series(tmp_path / name, (size, 5, 3, 2), AFFINE, None):
            pass
    (tmp_path / "y_phase.nii").replace(tmp_path / "x_phase.nii")
    with pytest.raises(UserError) as error:
        open_series(tmp_path / "x.nii")
    assert str(error.value) == "x_phase.nii has another size than x.nii."
