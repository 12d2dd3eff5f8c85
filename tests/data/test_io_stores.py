"""HDF5 data sets and OME-Zarr images as others write them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bioreco.data.formats import create, open_image, result_path
from bioreco.data.image import Image
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")
zarr = pytest.importorskip("zarr")

Copy = Callable[..., Image]
RNG = np.random.default_rng(5)
VALUES = RNG.integers(0, 120, (4, 11, 13))
F4 = np.dtype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        raw = file.create_dataset("raw/left", data=VALUES.astype(np.uint16), chunks=(2, 5, 5))
        raw.attrs["exposure"] = 0.5
        file["raw/right"] = VALUES.astype(np.float32)
        file["kspace"] = VALUES.astype(np.complex64)
        file["list"] = np.arange(3)
    return tmp_path / "a.h5"


def test_hdf5_names_what_is_there(store: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_image(f"{store}:/raw/lefft")
    assert str(caught.value) == (
        "a.h5 has no data set /raw/lefft. Did you mean '/raw/left'? There are:"
        " /kspace (4 x 11 x 13 complex64), /list (3 int64), /raw/left (4 x 11 x 13 uint16),"
        " /raw/right (4 x 11 x 13 float32)."
    )
    with pytest.raises(UserError, match=r"a.h5: say which data set, as in a.h5:/raw/left\."):
        open_image(store)
    with pytest.raises(UserError, match=r"a.h5:/kspace holds complex numbers \(complex64\)"):
        open_image(f"{store}:/kspace")
    with pytest.raises(UserError, match=r"a.h5:/list is a list of 3 numbers, not an image"):
        open_image(f"{store}:list")


def test_hdf5_results_share_a_file_and_keep_attributes(store: Path, tmp_path: Path) -> None:
    before = store.read_bytes()
    for name in ("left", "right"):
        image = open_image(f"{store}:/raw/{name}", axes="ZYX")
        target = result_path(image, None, several=True, fallback=tmp_path)
        assert str(target) == f"{tmp_path}/a_denoised.h5:/raw/{name}"
        with create(target, image, dtype=F4, overwrite=False, note="a test") as writer:
            writer.write((), image.read().astype(F4))
    with h5py.File(tmp_path / "a_denoised.h5") as file:
        assert file["raw/left"].attrs["exposure"] == 0.5
        np.testing.assert_array_equal(file["raw/left"][()], VALUES)
        np.testing.assert_array_equal(file["raw/right"][()], VALUES)
    assert store.read_bytes() == before
    with pytest.raises(UserError, match=r"a.h5 is the input, and inputs are never changed"):
        create(Path(f"{store}:/new"), image, dtype=F4, overwrite=True)


@pytest.mark.parametrize("way", ["labels", "axes", "axistags"])
def test_hdf5_axes_as_others_name_them(way: str, tmp_path: Path, copied: Copy) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        node = file.create_dataset("d", data=VALUES)
        for dimension, letter in zip(node.dims, "tyx", strict=True):
            if way == "labels":
                dimension.label = letter
        if way == "axes":
            node.attrs["axes"] = "tyx"
        if way == "axistags":
            node.attrs[way] = json.dumps({"axes": [{"key": letter} for letter in "tyx"]})
    image = open_image(tmp_path / "a.h5")
    assert (image.axes, image.name) == ("TYX", "a.h5:/d")
    assert image.notes == ("the only image in the file, /d, is read",)
    assert copied(image, Path(f"{tmp_path}/b.h5:/d")).axes == "TYX"


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_keeps_axes_scale_and_channels(version: int, tmp_path: Path, copied: Copy) -> None:
    group = zarr.create_group(tmp_path / "a.ome.zarr", zarr_format=version)
    group.create_array("full", data=VALUES[None].astype(np.uint16), chunks=(1, 2, 6, 6))
    group.create_array("half", data=VALUES[None, ::2].astype(np.uint16), chunks=(1, 2, 6, 6))
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    levels = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for path, scale in (("full", [1, 2, 0.5, 0.25]), ("half", [1, 4, 0.5, 0.25]))
    ]
    inner = {
        "multiscales": [{"axes": axes, "datasets": levels, "name": "cell"}],
        "omero": {"channels": [{"label": "actin", "color": "00FF00"}]},
    }
    group.attrs.update(inner if version == 2 else {"ome": {"version": "0.5", **inner}})
    image = open_image(tmp_path / "a.ome.zarr")
    assert (image.axes, image.shape, image.channels) == ("CZYX", (1, 4, 11, 13), ("actin",))
    assert image.spacing == {"Z": 2.0, "Y": 0.5, "X": 0.25}
    assert image.units == {"Z": "um", "Y": "um", "X": "um"}
    again = copied(image, tmp_path / "b.ome.zarr", F4)
    for name in ("axes", "shape", "spacing", "units", "channels"):
        assert getattr(again, name) == getattr(image, name)
    np.testing.assert_array_equal(again.read()[0], VALUES)
    kept = zarr.open(tmp_path / "b.ome.zarr").attrs.asdict()
    kept = kept if version == 2 else kept["ome"]
    assert kept["omero"]["channels"][0]["color"] == "00FF00"
    assert [level["path"] for level in kept["multiscales"][0]["datasets"]] == ["full"]


def test_zarr_without_an_image(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    with pytest.raises(UserError, match=r"a.zarr is an empty Zarr group"):
        open_image(tmp_path / "a.zarr")
    group.create_group("left")
    group.create_group("right")
    with pytest.raises(UserError, match=r"a group of left, right; name one image, as in a.zarr/l"):
        open_image(tmp_path / "a.zarr")


def test_zarr_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(8, 9), dtype="u1")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UserError) as caught:
        open_image(tmp_path / "a.zarr")
    assert str(caught.value) == (
        "Reading and writing OME-Zarr needs the zarr package: pip install 'bioreco[zarr]'."
    )
