"""Laws of every format: what is written is read again, whole or by region."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.data.formats import create, open_image, result_path
from bioreco.data.image import Image
from bioreco.data.raw import Memory
from bioreco.errors import UserError


@dataclass(frozen=True)
class Format:
    ending: str
    axes: tuple[str, ...]
    types: tuple[str, ...]
    unit: str | None = "um"
    digits: float = 1e-6


FORMATS = (
    Format(".tif", ("YX", "ZYX", "TYX", "CYX", "TZCYX", "IYX"), ("u1", "u2", "f4")),
    Format(".tif", ("YXS", "IYXS", "CZYX", "YX"), ("u1", "i2", "f2", "f8", "u4", "i8"), None),
    Format(".ome.tif", ("YX", "CZYX", "TZCYX", "ZCYX", "CTYX", "YXS"), ("i1", "u2", "f4", "f8")),
    Format(".npy", ("YX", "IYX", "YXS"), ("u1", "i4", "f2", "f8", "u8"), None),
    Format(".png", ("YX", "YXS"), ("u1", "u2"), "um", 0.1),
    Format(".mrc", ("YX", "IYX", "ZYX", "IZYX"), ("i1", "i2", "u2", "f2", "f4"), "angstrom"),
    Format(".nii", ("YX", "ZYX", "TZYX", "CTZYX"), ("u1", "i2", "f4", "f8"), "um"),
    Format(".nii.gz", ("ZYX", "TZYX"), ("u1", "f4"), "um"),
    Format(".h5:/a/b", ("YX", "TZCYX", "IYX", "YXS"), ("u1", "i8", "f2", "f4")),
    Format(".ome.zarr", ("YX", "TZCYX", "ZYX", "CYX"), ("u1", "i2", "f4")),
)
CASES = [pytest.param(f, id=f"{f.ending}-{number}") for number, f in enumerate(FORMATS)]
law = settings(max_examples=8, deadline=None, derandomize=True)


@st.composite
def images(draw: st.DrawFn, form: Format) -> Image:
    axes = draw(st.sampled_from(form.axes))
    dtype = np.dtype(draw(st.sampled_from(form.types)))
    lengths = {"S": st.just(3), "Y": st.integers(5, 20), "X": st.integers(5, 20)}
    shape = tuple(draw(lengths.get(axis, st.integers(2, 4))) for axis in axes)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(0, 100, shape).astype(dtype)
    spacing = {}
    if form.unit is not None and draw(st.booleans()):
        size = st.floats(0.125, 8, width=16)
        spacing = {axis: draw(size) for axis in "ZYX" if axis in axes}
    units = dict.fromkeys(spacing, form.unit or "")
    return Image(
        path=Path("made.up"),
        name="made.up",
        format="memory",
        axes=axes,
        shape=shape,
        dtype=dtype,
        pixels=Memory(values),
        spacing=spacing,
        units=units,
    )


def halves(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Cut an image in four, along its first and its last axes."""
    cuts = [[slice(0, n // 2), slice(n // 2, n)] for n in (shape[0], shape[-1])]
    middle = [slice(None)] * (len(shape) - 2)
    return [(first, *middle, last) for first in cuts[0] for last in cuts[1]]


def write(path: Path, like: Image, values: np.ndarray) -> None:
    with create(path, like, dtype=values.dtype, overwrite=False, note="a law") as writer:
        for index in reversed(halves(like.shape)):
            writer.write(index, values[index])


@pytest.mark.parametrize("form", CASES)
def test_what_is_written_is_read_again(form: Format) -> None:
    @law
    @given(image=images(form))
    def holds(image: Image) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"r{form.ending}"
            write(path, image, image.read())
            again = open_image(path, axes=image.axes)
            assert (again.axes, again.shape, again.dtype) == (image.axes, image.shape, image.dtype)
            np.testing.assert_array_equal(again.read(), image.read())
            assert again.spacing == pytest.approx(dict(image.spacing), rel=form.digits)
            assert again.units == image.units
            if "I" not in image.axes and form.ending != ".npy" and "C" not in image.axes[:1]:
                assert open_image(path).axes == image.axes

    holds()


@pytest.mark.parametrize("form", CASES)
def test_a_copy_in_the_same_format_is_the_same(form: Format) -> None:
    @law
    @given(image=images(form))
    def holds(image: Image) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"r{form.ending}"
            write(path, image, image.read())
            first = open_image(path, axes=image.axes)
            before = snapshot(Path(folder))
            target = result_path(first, None, several=False, fallback=Path(folder))
            write(target, first, first.read())
            second = open_image(target, axes=image.axes)
            for name in ("format", "axes", "shape", "dtype", "spacing", "units", "channels"):
                assert getattr(second, name) == getattr(first, name), name
            np.testing.assert_array_equal(second.read(), first.read())
            after = snapshot(Path(folder))
            assert {key: after[key] for key in before} == before

    holds()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("form", CASES)
def test_a_region_is_that_part_of_the_whole(form: Format) -> None:
    @law
    @given(image=images(form), data=st.data())
    def holds(image: Image, data: st.DataObject) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"r{form.ending}"
            write(path, image, image.read())
            again = open_image(path, axes=image.axes)
            whole = again.read()
            for _ in range(3):
                index = tuple(
                    slice(*sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n)))))
                    for n in again.shape[: data.draw(st.integers(1, len(again.shape)))]
                )
                part = again.read(index)
                np.testing.assert_array_equal(part, whole[index])
                assert part.flags.c_contiguous
                assert part.flags.owndata or part.base.nbytes == part.nbytes
                assert part.dtype == again.dtype

    holds()


@pytest.mark.parametrize("form", CASES)
def test_a_worker_process_reads_the_same(form: Format, tmp_path: Path) -> None:
    image = simple(form)
    path = tmp_path / f"r{form.ending}"
    write(path, image, image.read())
    again = open_image(path, axes=image.axes)
    again.read()
    sent = pickle.loads(pickle.dumps(again.pixels))
    np.testing.assert_array_equal(sent.read(tuple(slice(0, n) for n in image.shape)), image.read())


@pytest.mark.parametrize("form", CASES)
@pytest.mark.parametrize("when", ["before", "between"])
def test_nothing_is_left_after_an_exception(form: Format, when: str, tmp_path: Path) -> None:
    image = simple(form)

    def interrupted() -> None:
        path = tmp_path / f"r{form.ending}"
        with create(path, image, dtype=image.dtype, overwrite=False) as writer:
            if when == "between":
                index = halves(image.shape)[0]
                writer.write(index, image.read(index))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", CASES)
def test_a_result_is_not_overwritten_by_itself(form: Format, tmp_path: Path) -> None:
    image = simple(form)
    path = tmp_path / f"r{form.ending}"
    write(path, image, image.read())
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match="exists already; say overwrite=true to replace it"):
        write(path, image, image.read())
    assert snapshot(tmp_path) == before
    values = image.read() + np.ones((), image.dtype)
    with create(path, image, dtype=image.dtype, overwrite=True) as writer:
        writer.write((), values)
    np.testing.assert_array_equal(open_image(path, axes=image.axes).read(), values)


@pytest.mark.parametrize("form", CASES)
def test_equal_results_are_equal_bytes(form: Format, tmp_path: Path) -> None:
    image = simple(form)
    found = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        write(folder / f"r{form.ending}", image, image.read())
        found.append([bytes_ for _, bytes_ in sorted(snapshot(folder).items())])
    assert found[0] == found[1]


def simple(form: Format) -> Image:
    values = np.arange(np.prod([7] * len(form.axes[0])), dtype=np.int64) % 100
    values = values.reshape([7] * len(form.axes[0])).astype(form.types[0])
    if form.axes[0].endswith("S"):
        values = np.ascontiguousarray(values[..., :3])
    return Image(
        path=Path("made.up"),
        name="made.up",
        format="memory",
        axes=form.axes[0],
        shape=values.shape,
        dtype=values.dtype,
        pixels=Memory(values),
    )
