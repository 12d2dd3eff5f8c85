"""Bioreco's own files of k-space: what is written is what is read, a frame at a time."""

from dataclasses import replace

import numpy as np
import pytest
from kspaces import made, task

from bioreco.data.acquisition import Geometry
from bioreco.data.kspace.scan import is_scan, open_scan
from bioreco.data.kspace.store import write
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")


def full(**parts):
    rng = np.random.default_rng(1)
    made_ = made(frames=3, groups=2, bands=2, size=(16, 15), sigma=0.1, **parts)
    single = rng.normal(size=(2, 2, 4, 6, 15)).astype(np.complex64)
    silent = (rng.normal(size=(4, 50)) * 1j).astype(np.complex64)
    place = replace(made_.geometry, repetition_time=1.5)
    return replace(made_, single=single, silent=silent, geometry=place, paradigm=task(3))


def same(a, b):
    for name in ("frames", "groups", "bands", "coils", "size", "caipi"):
        assert getattr(a, name) == getattr(b, name)
    assert a.geometry.repetition_time == b.geometry.repetition_time
    np.testing.assert_array_equal(a.geometry.affine, b.geometry.affine)
    np.testing.assert_array_equal(a.geometry.slices, b.geometry.slices)
    for g in range(a.groups):
        np.testing.assert_array_equal(a.maps(g), b.maps(g))
        np.testing.assert_array_equal(a.calibration(g), b.calibration(g))
        for f in range(a.frames):
            np.testing.assert_array_equal(a.kspace(f, g), b.kspace(f, g))
            np.testing.assert_array_equal(a.mask(f, g), b.mask(f, g))
            np.testing.assert_array_equal(a.reference(f, g), b.reference(f, g))
    np.testing.assert_array_equal(a.noise(), b.noise())


@pytest.mark.parametrize("masks", ["all alike", "of frames", "of frames and groups"])
def test_what_is_written_is_read(tmp_path, masks):
    taken = np.ones((3, 2, 16, 15), bool)
    taken[..., 3, :] = False
    if masks != "all alike":
        taken[1, :, 4] = False
    if masks == "of frames and groups":
        taken[2, 1, 5] = False
    source = full(taken=taken)
    path, ticks = tmp_path / "run.h5", []
    write(source, path, lambda: ticks.append(1))
    assert is_scan(path)
    read = open_scan(path, maps=None)
    same(source, read)
    np.testing.assert_array_equal(read.paradigm.regressor, source.paradigm.regressor)
    np.testing.assert_array_equal(read.paradigm.beta, source.paradigm.beta)
    assert read.paradigm.frequency == source.paradigm.frequency
    assert len(ticks) == 6
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]
    with h5py.File(path) as file:
        assert file["mask"].ndim == {"all alike": 2}.get(masks, 4)
        assert file["kspace"].chunks == (1, 1, 4, 16, 15)
        assert file["kspace"].attrs["axes"] == "frame group coil ky kx"
    again = tmp_path / "again.h5"
    write(read, again)
    same(read, open_scan(again, maps=None))


def test_only_the_frame_that_is_asked_for_is_read(tmp_path, monkeypatch):
    write(made(frames=20, groups=1, size=(12, 10)), tmp_path / "long.h5")
    read = []
    whole = h5py.Dataset.__getitem__

    def counted(self, index):
        found = whole(self, index)
        read.append((self.name, np.size(found)))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    scan = open_scan(tmp_path / "long.h5", maps=None)
    assert [name for name, _ in read if name == "/kspace"] == []
    scan.kspace(7, 0)
    scan.mask(7, 0)
    scan.kspace(7, 0)
    assert [size for name, size in read if name == "/kspace"] == [4 * 12 * 10]


def test_writing_reads_each_frame_once(tmp_path):
    source = made(frames=5, groups=2, size=(12, 10))
    write(source, tmp_path / "a.h5")
    assert sorted(source.reads) == [(f, g) for f in range(5) for g in range(2)]


def test_nothing_is_left_when_writing_fails(tmp_path):
    source = full()
    ticks = []

    def stop():
        ticks.append(1)
        if len(ticks) == 3:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write(source, tmp_path / "a.h5", stop)
    assert list(tmp_path.iterdir()) == []


def broken(path, change):
    write(full(), path)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda f: f.attrs.update(bands=3),
            "bad.h5: 'sensitivity_maps' is 2 x 2 x 4 x 16 x 15, but k-space of 3 frames, 2 groups,"
            " 3 bands, 4 coils and 16 x 15 (y x) needs 2 x 3 x 4 x 16 x 15.",
        ),
        (
            lambda f: f.attrs.update(caipi=[0.0]),
            "bad.h5: 1 CAIPI shifts for 2 bands.",
        ),
        (
            lambda f: f.pop("kspace"),
            "bad.h5 holds no 'kspace' with the axes frame slice coil y x.",
        ),
        (
            lambda f: f.attrs.update(slices=[[0, 1]]),
            "bad.h5: slices are 1 x 2 and the affine 4 x 4; they should be 2 x 2 (groups, bands)"
            " and 4 x 4.",
        ),
    ],
)
def test_conflicts_are_told(tmp_path, change, said):
    with pytest.raises(UserError) as error:
        open_scan(broken(tmp_path / "bad.h5", change), maps=None)
    assert str(error.value) == said


def test_a_mask_that_is_not_binary_is_told(tmp_path):
    def change(file):
        del file["mask"]
        file["mask"] = np.full((16, 15), 0.5)

    scan = open_scan(broken(tmp_path / "bad.h5", change), maps=None)
    with pytest.raises(UserError) as error:
        scan.mask(0, 0)
    assert str(error.value) == (
        "bad.h5: the mask holds 0.5; a mask is 1 where k-space was measured and 0 elsewhere."
    )


def test_a_value_that_is_not_finite_is_told(tmp_path):
    def change(file):
        file["kspace"][2, 1, 3, 4, 5] = np.nan

    scan = open_scan(broken(tmp_path / "bad.h5", change), maps=None)
    scan.kspace(0, 0)
    with pytest.raises(UserError) as error:
        scan.kspace(2, 1)
    assert str(error.value) == (
        "bad.h5, frame 2, slice 1: 1 of 960 values are NaN or infinite, the first at (3, 4, 5)."
        " Set them to 0 to have them treated as not acquired."
    )


def test_axes_of_a_file_that_names_them_are_not_taken(tmp_path):
    write(full(), tmp_path / "a.h5")
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "a.h5", axes=["frame", "slice", "coil", "x", "y"])
    assert str(error.value) == "a.h5 names its axes itself; leave data.axes out."


def test_an_acquisition_without_maps_is_written(tmp_path):
    source = made(frames=1, groups=1)
    np.save(tmp_path / "a.npy", source.kspace(0, 0))
    scan = open_scan(tmp_path / "a.npy", maps=None)
    write(scan, tmp_path / "b.h5")
    np.testing.assert_array_equal(
        open_scan(tmp_path / "b.h5", maps=None).kspace(0, 0), source.y[0, 0]
    )
    assert isinstance(scan.geometry, Geometry)
