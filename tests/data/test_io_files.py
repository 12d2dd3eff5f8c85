"""Which files are meant, what results are called, and what broken files say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioreco.data.formats import check_distinct, create, find_images, open_image, result_path
from bioreco.data.paths import ENDINGS, ending, split_dataset
from bioreco.errors import UserError

imagecodecs = pytest.importorskip("imagecodecs")
F4, U1 = np.dtype(np.float32), np.dtype(np.uint8)
VALUES = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a10.tif", "a2.tif", "B1.tif", ".hidden.tif", "a2_denoised.tif"):
        tifffile.imwrite(tmp_path / name, VALUES)
    (tmp_path / "notes.txt").write_text("not an image")
    np.save(tmp_path / "c.npy", VALUES)
    return tmp_path


def names(found: list[str]) -> list[str]:
    return [Path(path).name for path in found]


def test_a_folder_is_its_images_in_natural_order(folder: Path) -> None:
    assert names(find_images([str(folder)])) == ["a2.tif", "a10.tif", "B1.tif", "c.npy"]


def test_globs_files_and_duplicates(folder: Path) -> None:
    given_ = [str(folder / "a*.tif"), str(folder / "a10.tif"), str(folder), f"{folder}/./a2.tif"]
    assert names(find_images(given_)) == ["a2.tif", "a10.tif", "B1.tif", "c.npy"]
    own = str(folder / "a2_denoised.tif")
    assert find_images([own]) == [own]


@pytest.mark.parametrize("name", ["it's=odd, [1] $x.tif", "ünï çødé.tif", "a*b.tif", "x?.tif"])
def test_any_name_that_exists_is_that_file(name: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / name, VALUES)
    found = find_images([str(tmp_path / name)])
    assert found == [str(tmp_path / name)]
    np.testing.assert_array_equal(open_image(found[0]).read(), VALUES)


def test_what_matches_nothing(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_images([str(folder / "a11.tif")])
    assert str(caught.value) == f"There is no file {folder}/a11.tif. Did you mean 'a10.tif'?"
    with pytest.raises(UserError, match=r"No file matches .*/z\*\.tif\."):
        find_images([str(folder / "z*.tif")])
    with pytest.raises(UserError, match=r"There is no folder .*/gone \(looking for a\.tif\)\."):
        find_images([str(folder / "gone" / "a.tif")])
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match=r"The folder .*/empty holds no image that can be read"):
        find_images([str(folder / "empty")])
    with pytest.raises(UserError, match="An empty file name was given"):
        find_images([""])


@pytest.mark.parametrize("known", [known for group in ENDINGS.values() for known in group])
def test_every_ending_is_one_ending(known: str) -> None:
    assert ending(Path(f"/x/a.b{known.upper()}")) == known


def test_data_sets_are_split_from_files() -> None:
    assert split_dataset("a b.H5:raw") == (Path("a b.H5"), "/raw")
    assert split_dataset("x/a.hdf5:/q/r/") == (Path("x/a.hdf5"), "/q/r")
    assert split_dataset("a.tif:/q") == (Path("a.tif:/q"), None)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a.tif", "a_denoised.tif"),
        ("a.ome.tif", "a_denoised.ome.tif"),
        ("a.b.TIFF", "a.b_denoised.TIFF"),
        ("a.lsm", "a_denoised.tif"),
        ("a", "a_denoised.tif"),
        ("a.png", "a_denoised.tif"),
    ],
)
def test_the_result_lies_beside_the_input(source: str, result: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / source, VALUES)
    image = open_image(tmp_path / source)
    found = result_path(image, None, several=False, fallback=Path("/elsewhere"), dtype=F4)
    assert found == tmp_path / result


def test_a_picture_becomes_a_tiff_only_if_it_must(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(VALUES))
    image = open_image(tmp_path / "a.png")
    where = {"several": False, "fallback": tmp_path}
    assert result_path(image, None, **where, dtype=F4).name == "a_denoised.tif"
    assert result_path(image, None, **where, dtype=U1).name == "a_denoised.png"
    with pytest.raises(UserError) as caught:
        create(tmp_path / "b.png", image, dtype=F4, overwrite=False)
    assert str(caught.value) == (
        "b.png: PNG holds only 8 and 16-bit unsigned integers, not float32."
        " Give the result a name ending in .tif, or say output.dtype=same."
    )


def test_where_output_points(folder: Path) -> None:
    image = open_image(folder / "a2.tif")
    where = {"several": False, "fallback": folder}
    assert result_path(image, str(folder / "x.mrc"), **where) == folder / "x.mrc"
    assert result_path(image, str(folder), **where) == folder / "a2_denoised.tif"
    assert result_path(image, f"{folder}/new/", **where) == folder / "new" / "a2_denoised.tif"
    assert result_path(image, f"{folder}/new", **where) == folder / "new" / "a2_denoised.tif"
    assert str(result_path(image, f"{folder}/x.h5", **where)) == f"{folder}/x.h5:/data"
    with pytest.raises(UserError, match=r"images can't be written as '\.jpg'\. The ending decides"):
        result_path(image, str(folder / "x.jpg"), **where)
    with pytest.raises(UserError, match=r"x.tif is one file, but there are several results"):
        result_path(image, str(folder / "x.tif"), several=True, fallback=folder)


def test_results_that_clash_are_told(folder: Path) -> None:
    (folder / "sub").mkdir()
    tifffile.imwrite(folder / "sub" / "a2.tif", VALUES)
    images = [open_image(folder / "a2.tif"), open_image(folder / "sub" / "a2.tif")]
    out = [result_path(i, f"{folder}/out/", several=True, fallback=folder) for i in images]
    with pytest.raises(UserError, match=r"would both be written to .*/out/a2_denoised\.tif"):
        check_distinct(images, out)
    with pytest.raises(UserError, match="is an input, and inputs are never changed"):
        check_distinct(images[:1], [folder / "sub" / ".." / "a2.tif"])
    with pytest.raises(UserError, match="is the input, and inputs are never changed"):
        create(folder / "sub" / ".." / "a2.tif", images[0], dtype=F4, overwrite=True)
