"""Names of what is written beside results, and results that appear together or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioreco.data.beside import Sample, samples_path, stacked, std_path
from bioreco.data.formats import create, find_images, open_image
from bioreco.data.image import Image
from bioreco.data.paths import is_beside
from bioreco.data.raw import Memory, Raw
from bioreco.data.writing import Together
from bioreco.errors import UserError

F4 = np.dtype(np.float32)
VALUES = np.arange(3 * 6 * 5, dtype=np.float32).reshape(3, 6, 5)


def image(axes: str = "ZYX", values: np.ndarray = VALUES) -> Image:
    return Image(
        path=Path("in.npy"), name="in.npy", format="npy", axes=axes, shape=values.shape,
        dtype=values.dtype, pixels=Memory(values), spacing={"Y": 0.5, "X": 0.5},
        units={"Y": "um", "X": "um"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "std", "samples"),
    [
        ("d/a_denoised.tif", "d/a_denoised_std.tif", "d/a_denoised_samples.tif"),
        ("a_denoised.ome.tif", "a_denoised_std.ome.tif", "a_denoised_samples.tif"),
        ("a.b_denoised.nii.gz", "a.b_denoised_std.nii.gz", "a.b_denoised_samples.tif"),
        ("a_denoised.ome.zarr", "a_denoised_std.ome.zarr", "a_denoised_samples.tif"),
        ("a_denoised.png", "a_denoised_std.tif", "a_denoised_samples.tif"),
        ("x.h5:/raw", "x.h5:/raw_std", "x_raw_samples.tif"),
    ],
)
def test_names(result, std, samples):
    assert std_path(Path(result)) == Path(std)
    assert samples_path(Path(result)) == Path(samples)
    apart = std_path(Path(result), apart=True)
    folder = Path(result).parent if ":" not in result else Path()
    assert apart.relative_to(folder).parts[0] == "std"
    assert samples_path(Path(result), apart=True).parent == folder / "samples"


def test_what_lies_beside_results_is_no_input_and_an_image_called_std_is(tmp_path):
    names = ["a.npy", "a_denoised.npy", "a_denoised_std.npy", "a_denoised_samples.tif",
             "b_std.npy", "c_samples.npy"]  # fmt: skip
    for name in names:
        np.save(tmp_path / "x.npy", VALUES)
        (tmp_path / "x.npy").rename(tmp_path / name)
    found = [Path(path).name for path in find_images([str(tmp_path)])]
    assert found == ["a.npy", "b_std.npy", "c_samples.npy"]
    assert [is_beside(Path(n)) for n in names] == [False, False, True, True, False, False]


@pytest.mark.parametrize(("axes", "letter"), [("ZYX", "T"), ("TYX", "I"), ("CYX", "T")])
def test_samples_are_the_first_axis(tmp_path, axes, letter):
    like = stacked(image(axes), 2)
    path = tmp_path / "s.tif"
    with create(path, like, dtype=F4, overwrite=False) as writer:
        for number in range(2):
            index = (slice(1, 3), slice(0, 6), slice(0, 5))
            Sample(writer, number).write(index, VALUES[1:] + 100 * number)
    found = open_image(path)
    assert found.axes == letter + axes
    assert found.spacing["X"] == 0.5
    assert np.array_equal(found.read()[1, 1:], VALUES[1:] + 100)
    assert not found.read()[:, 0].any()


def test_files_appear_together(tmp_path):
    with Together() as group:
        for name in ("a.tif", "b.npy"):
            writer = group.add(create(tmp_path / name, image(), dtype=F4, overwrite=False))
            writer.write((), VALUES)
            assert not (tmp_path / name).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.npy"]


class Stop(Exception):
    pass


def two_files(folder: Path, *, stop: bool) -> None:
    with Together() as group:
        for name in ("a.tif", "b.npy"):
            group.add(create(folder / name, image(), dtype=F4, overwrite=False))
        if stop:
            raise Stop


def test_files_appear_not_at_all_after_a_failure(tmp_path, monkeypatch):
    with pytest.raises(Stop):
        two_files(tmp_path, stop=True)
    assert list(tmp_path.iterdir()) == []

    def full(self):
        raise OSError(28, "full")

    monkeypatch.setattr(Raw, "close", full)
    with pytest.raises(UserError, match="can't be written: full"):
        two_files(tmp_path, stop=False)
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_appears_beside_another_in_its_file(tmp_path):
    path = tmp_path / "a.h5"
    options = {"dtype": F4, "overwrite": False, "note": "bioreco"}
    result = Path(f"{path}:/x/raw")
    with Together() as group:
        one = group.add(create(result, image(), **options))
        two = group.add(create(std_path(result), image(), within=one, **options))
        one.write((), VALUES)
        two.write((), VALUES + 1)
        assert not path.exists()
    assert np.array_equal(open_image(path).read(), VALUES)  # without a name: the result
    assert np.array_equal(open_image(f"{path}:/x/raw_std").read(), VALUES + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    with pytest.raises(UserError, match="raw_std exists already"):
        create(std_path(result), image(), **options)


def test_a_failure_beside_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.h5"
    with create(Path(f"{path}:/old"), image(), dtype=F4, overwrite=False) as writer:
        writer.write((), VALUES)
    before = path.read_bytes()

    def both() -> None:
        with Together() as group:
            one = group.add(create(Path(f"{path}:/new"), image(), dtype=F4, overwrite=False))
            old = Path(f"{path}:/old")
            group.add(create(old, image(), dtype=F4, overwrite=False, within=one))

    with pytest.raises(UserError, match="old exists already"):
        both()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_remains_of_a_killed_run_are_not_taken_over(tmp_path):
    path = tmp_path / "a.h5"
    writer = create(Path(f"{path}:/raw"), image(), dtype=F4, overwrite=False)
    assert writer.temporary.exists()  # and the process ends here
    with create(Path(f"{path}:/raw"), image(), dtype=F4, overwrite=False) as again:
        again.write((), VALUES)
    assert np.array_equal(open_image(path).read(), VALUES)
