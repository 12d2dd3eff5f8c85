"""The data set of MRI: what is asked for is wrapped around each scan, in the right order."""

import logging

import numpy as np
import pytest
from kspaces import made

from bioreco.data.kspace.fourier import to_image, to_kspace
from bioreco.data.kspace.store import write
from bioreco.data.mri import MRI
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")


def saved(path, **options):
    scan = made(**{"frames": 2, "groups": 3, "size": (40, 36), "sigma": 0.01, **options})
    np.save(path, scan.y[0])
    return scan


def only(tmp_path, **options):
    (acquisition,) = MRI(seed=0, paths=[str(tmp_path / "a.npy")], **options).acquisitions
    return acquisition


def test_a_file_is_made_ready(tmp_path):
    source = saved(tmp_path / "a.npy")
    scan = only(tmp_path, acceleration=3, acs_lines=16, slices=1)
    assert (scan.groups, scan.coils, scan.size) == (1, 4, (40, 36))
    assert scan.mask(0, 0).mean() < 0.7
    maps = scan.maps(0)
    combined = (maps.conj() * to_image(source.y[0, 1])).sum(1)
    np.testing.assert_allclose(scan.reference(0, 0), combined, atol=1e-5)
    assert "coil maps by ESPIRiT from 16 x 16 central samples (y x)" in scan.notes
    assert scan.notes[-1].startswith("undersampled in retrospect: equispaced, R=3 with 16")
    again = only(tmp_path, acceleration=3, acs_lines=16, slices=1)
    np.testing.assert_array_equal(scan.kspace(0, 0), again.kspace(0, 0))


@pytest.mark.parametrize(
    "options",
    [
        {"coils": 2},
        {"maps": "lowres"},
        {"support": 0.0},
        {"acceleration": 2.0},
        {"acs_lines": 12},
        {"pattern": "points"},
        {"prewhiten": "edge"},
        {"oversampling": "2"},
        {"axes": ["frame", "coil", "y", "x"]},
        {"slices": 2},
    ],
)
def test_each_option_makes_a_difference(tmp_path, options):
    saved(tmp_path / "a.npy")
    plain, other = only(tmp_path), only(tmp_path, **options)
    assert (
        (plain.coils, plain.size, plain.groups) != (other.coils, other.size, other.groups)
        or (plain.kspace(0, 0) != other.kspace(0, 0)).any()
        or (plain.maps(0) != other.maps(0)).any()
    )


def test_frames_jitter_and_caipi(tmp_path):
    source = made(frames=3, groups=1, bands=2, size=(40, 36))
    write(source, tmp_path / "a.h5")
    where = [str(tmp_path / "a.h5")]
    (scan,) = MRI(seed=0, paths=where, frames=2, caipi=[0, 7], acceleration=4).acquisitions
    assert (scan.frames, scan.caipi) == (2, (0.0, 7.0))
    np.testing.assert_array_equal(scan.mask(0, 0), scan.mask(1, 0))
    (scan,) = MRI(seed=1, paths=where, jitter=True, pattern="uniform").acquisitions
    assert (scan.mask(0, 0) != scan.mask(1, 0)).any()


def test_the_oversampling_of_the_header_is_removed_after_the_maps(tmp_path):
    y = made(frames=1, groups=1, size=(40, 64)).y[0]
    xml = (
        "<ismrmrdHeader><encoding><encodedSpace><matrixSize><x>64</x><y>40</y><z>1</z></matrixSize>"
        "<fieldOfView_mm><x>2</x><y>1</y><z>1</z></fieldOfView_mm></encodedSpace><reconSpace>"
        "<matrixSize><x>32</x><y>40</y><z>1</z></matrixSize><fieldOfView_mm><x>1</x><y>1</y><z>1"
        "</z></fieldOfView_mm></reconSpace></encoding></ismrmrdHeader>"
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"], file["ismrmrd_header"] = y.swapaxes(-1, -2), xml
    where = [str(tmp_path / "a.h5")]
    (scan,) = MRI(seed=0, paths=where, acceleration=None).acquisitions
    assert scan.size == (40, 32)
    (whole,) = MRI(seed=0, paths=where, acceleration=None, oversampling="none").acquisitions
    assert whole.size == (40, 64)
    np.testing.assert_array_equal(scan.maps(0), whole.maps(0)[..., 16:48])


def test_scans_are_found(tmp_path):
    saved(tmp_path / "a.npy")
    saved(tmp_path / "b.npy", coils=5)
    np.save(tmp_path / "image.npy", np.ones((4, 4)))
    (tmp_path / "notes.txt").write_text("x")
    assert [s.coils for s in MRI(seed=0, root=str(tmp_path)).acquisitions] == [4, 5]
    assert [s.coils for s in MRI(seed=0, root=str(tmp_path), paths=["b.npy"]).acquisitions] == [5]
    found = MRI(seed=0, paths=[str(tmp_path / "*.npy")]).acquisitions
    assert [scan.coils for scan in found] == [4, 5]


def nan_in_the_last_slice(tmp_path):
    y = np.load(tmp_path / "a.npy")
    y[2, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", y)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prewhiten": "scam"}, "data.prewhiten=scam: choose from auto, scan, edge, none."
                                " Did you mean 'scan'?"),
        ({"support": 1.0}, "data.support=1: from 0 to below 1"),
        ({"oversampling": "two"}, "data.oversampling=two: auto, none, or a factor such as 2."),
        ({"slices": 9}, "data.slices=9: a.npy has 3; or null for all."),
        ({"paths": ["*.cfl"]}, "data.paths: no file with k-space matches *.cfl"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_right(tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.npy")
    with pytest.raises(UserError) as error:
        MRI(**{"seed": 0, "paths": [str(tmp_path / "a.npy")], **options})
    assert str(error.value) == said


def test_bad_values_are_found_before_anything_is_learnt(tmp_path):
    saved(tmp_path / "a.npy")
    nan_in_the_last_slice(tmp_path)
    with pytest.raises(UserError) as error:
        only(tmp_path)
    assert str(error.value).startswith("a.npy, frame 0, slice 2: 1 of 5760 values are NaN")


def test_folders_without_scans_are_told(tmp_path):
    with pytest.raises(UserError) as error:
        MRI(seed=0, root=str(tmp_path))
    assert str(error.value) == (
        f"data.root={tmp_path}: no file in it holds k-space (fastMRI or ISMRMRD HDF5, BART .cfl,"
        " or complex arrays in .npy, .npz or .mat)"
    )
    with pytest.raises(UserError) as error:
        MRI(seed=0, root=str(tmp_path / "x"))
    assert str(error.value) == f"data.root={tmp_path / 'x'}: there is no such folder"


def test_without_files_slices_are_simulated_and_that_is_said(caplog):
    with caplog.at_level(logging.INFO, "bioreco"):
        (scan,) = MRI(seed=3).acquisitions
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == (
        "This is a seeded simulation (seed 3), not a scan: 16 slices of 128 x 128 pixels, 8 coils."
    )
    maps, image = scan.maps(5), scan.reference(0, 5)
    seen = to_kspace((maps * image[:, None]).sum(0))
    mask, y = scan.mask(0, 5), scan.kspace(0, 5)
    assert mask.mean() < 0.5
    error = np.linalg.norm((seen - y)[:, mask]) / np.linalg.norm(y)
    assert error < 0.07  # the noise; true maps leave as much
