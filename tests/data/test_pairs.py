"""Pairs show the same, measured alike; what doesn't is refused or told in one line."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bioreco.data.alike import check
from bioreco.data.frames import Frames
from bioreco.data.image import Image
from bioreco.data.measurements import Measurements
from bioreco.data.pairs import Half, frame_pairs
from bioreco.data.simulation.held import InMemory
from bioreco.data.synthetic import Synthetic, scene
from bioreco.errors import UserError


def frames(values, axes: str = "YX", name: str = "a.tif", dims: int = 2, **more) -> Frames:
    values = np.asarray(values, dtype=np.float32)
    image = Image(
        path=Path(name), name=name, format="tiff", axes=axes, shape=values.shape,
        dtype=values.dtype, pixels=InMemory(values), **more,
    )  # fmt: skip
    return Frames(image, dims)


def measured(count: int, shape=(96, 96), seed: int = 0, move: int = 0) -> list[np.ndarray]:
    """Return noisy measurements of one scene, each moved by some pixels more."""
    rng = np.random.default_rng(seed)
    wide = 100 + 100 * scene((*shape[:-1], shape[-1] + count * move), rng)
    return [
        wide[..., k * move : k * move + shape[-1]] + 10 * rng.standard_normal(shape)
        for k in range(count)
    ]


def told(one: Frames, two: Frames, caplog) -> str:
    caplog.clear()
    with caplog.at_level(logging.INFO, "bioreco"):
        check(one, two)
    return caplog.text


@pytest.mark.parametrize("shape", [(96, 96), (8, 48, 48)])
def test_two_measurements_of_the_same_are_taken_silently(caplog, shape):
    axes = "ZYX"[-len(shape) :]
    one, two = (frames(v, axes, dims=len(shape)) for v in measured(2, shape))
    assert told(one, two, caplog) == ""


def test_pure_noise_and_flat_images_are_taken_silently(caplog):
    rng = np.random.default_rng(0)
    assert told(*[frames(rng.poisson(0.2, (64, 64))) for _ in range(2)], caplog) == ""
    assert told(*[frames(rng.normal(size=(5, 9)), name=n) for n in "ab"], caplog) == ""


def test_missing_pixels_do_no_harm(caplog):
    a, b = measured(2)
    a[3:9, 4] = np.nan
    b[50, 50] = np.inf
    assert told(frames(a), frames(b), caplog) == ""
    assert told(frames(a), frames(b * np.nan), caplog) == ""


A, B = measured(2)
STILL, MOVED = measured(2, move=4)
OTHER = measured(1, seed=7)[0]


@pytest.mark.parametrize(
    ("one", "two", "text"),
    [
        (frames(A), frames(A, name="b.tif"),
         "a.tif and b.tif hold the same pixels: a pair is two measurements, each with noise of its"
         " own"),
        (frames(A), frames(B[1:], name="b.tif"),
         "a.tif is 96 x 96 (YX), its pair b.tif 95 x 96 (YX): both must be alike"),
        (frames([A, B], "CYX"), frames(B, name="b.tif"),
         "a.tif is 2 x 96 x 96 (CYX), its pair b.tif 96 x 96 (YX): both must be alike"),
        (frames([A, B], "CYX"), frames([A, B], "TYX", name="b.tif"),
         "a.tif is 2 x 96 x 96 (CYX), its pair b.tif 2 x 96 x 96 (TYX): both must be alike"),
        (frames(A, spacing={"X": 0.1}), frames(B, name="b.tif", spacing={"X": 0.2}),
         "a.tif has pixels of 0.1 along X, its pair b.tif of 0.2: both must be alike"),
        (frames(A), frames(OTHER, name="b.tif"),
         "a.tif and b.tif show different things: a pair shows the same twice"),
    ],
    ids=["same", "size", "channels", "axes", "spacing", "unlike"],
)  # fmt: skip
def test_what_is_no_pair_is_refused(one, two, text):
    with pytest.raises(UserError) as said:
        check(one, two)
    assert str(said.value) == text


@pytest.mark.parametrize("change", [lambda v: 1.3 * v, lambda v: v + 40, lambda v: 2 * v - 150])
def test_another_brightness_is_refused(change):
    with pytest.raises(UserError, match=r"^a.tif and b.tif differ in brightness: mean 1\d\d"):
        check(frames(A), frames(change(B), name="b.tif"))


def test_a_little_more_brightness_is_told(caplog):
    said = told(frames(A), frames(B + 6, name="b.tif"), caplog)
    assert "a.tif and b.tif differ in brightness: mean 1" in said
    assert "the result is between them" in said


def test_the_shift_of_a_pair_is_told(caplog):
    with pytest.raises(UserError) as said:
        check(frames(A), frames(np.roll(B, (2, -3), (0, 1)), name="b.tif"))
    assert str(said.value) in {
        f"a.tif and b.tif are shifted by {y}, {x} pixels (y, x): align them first"
        for y in ("1.9", "2.0", "2.1") for x in ("-2.9", "-3.0", "-3.1")
    }  # fmt: skip
    said = told(frames(A), frames(ndimage.shift(B, (0, 0.7), mode="nearest")), caplog)
    assert re.search(r"by about -?0\.[01], 0\.[678] pixels \(y, x\), which blurs the result", said)


def test_all_ends_of_a_series_are_looked_at():
    even = frames([A, A, A], "TYX")
    odd = frames([B, B, np.roll(B, 4, 0)], "TYX", name="b.tif")
    with pytest.raises(UserError, match=r"^a.tif and b.tif \(frame 2 of 3\) are shifted by"):
        check(even, odd)


# --- every second frame


@pytest.mark.parametrize(("axes", "count"), [("TYX", 5), ("IYX", 4), ("TCYX", 4), ("TZYX", 4)])
def test_halves_of_a_series_are_its_even_and_its_odd_frames(axes, count):
    extra = (3,) if len(axes) == 4 else ()
    values = np.random.default_rng(0).normal(size=(count, *extra, 20, 24)).astype(np.float32)
    source = frames(values, axes)
    odd = Half(source.image, 2, axes[0], 1)
    even = odd.other
    together = 3 if axes[1] == "Z" else 1
    assert len(even) == len(odd) == count // 2 * together
    for k in range(len(odd)):
        pair, rest = divmod(k, together)
        for half, first in ((even, 0), (odd, 1)):
            whole = source.read((2 * pair + first) * together + rest)
            assert np.array_equal(half.read(k), whole)
            part = half.read_mirrored(k, (-2, 3), (8, 9))
            assert np.array_equal(part, source.read_mirrored(
                (2 * pair + first) * together + rest, (-2, 3), (8, 9)))  # fmt: skip
    assert odd.shape == (20, 24)
    assert odd.channels == (3 if axes[1] == "C" else 1)


def series(*values, axes: str = "TYX") -> Frames:
    return frames(values, axes, name="s.tif")


def learnt_from(data: Measurements) -> tuple[list[np.ndarray], list[np.ndarray]]:
    samples, scale = data.training(("pair",))
    return tuple(
        [scale.invert(b) for b in blocks] for blocks in (samples.blocks, samples.beside["pair"])
    )


def data_of(images, pairs) -> Measurements:
    return Measurements(
        images, [None] * len(images), pairs=pairs, channels="independent", patch=16, augment="turn",
        seed=0,
    )  # fmt: skip


def test_each_pair_of_frames_is_learnt_from_once_so_that_held_pixels_stay_held(caplog):
    values = measured(5)
    whole = series(*values)
    with caplog.at_level(logging.INFO, "bioreco"):
        data = data_of([whole], frame_pairs([whole]))
    assert "s.tif: frame 0 is paired with 1, 2 with 3 and so on" in caplog.text
    for found, wanted in zip(learnt_from(data), (values[:4:2], values[1:4:2]), strict=True):
        assert len(found) == 2
        for one, two in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one[0], two, atol=1e-3)
    assert data.beside(("pair",)) == [{}]
    assert len(data.images[0]) == 5


def test_files_are_learnt_from_and_reconstructed_together():
    (a, b), (c, d) = measured(2), measured(2, seed=1)
    pairs = [frames(b), frames(d)]
    data = data_of([frames(a), frames(c)], pairs)
    for found, wanted in zip(learnt_from(data), ((a, c), (b, d)), strict=True):
        for one, two in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one[0], two, atol=1e-3)
    assert [seen["pair"] for seen in data.beside(("pair",))] == pairs
    assert data.beside(()) == data.beside(("x",)) == [{}, {}]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (frames(A, name="s.tif"), "s.tif has axes YX and is no series of frames"),
        (series(A, B, axes="ZYX"), "s.tif has axes ZYX and is no series of frames"),
        (series(A, A), "the frames of s.tif hold the same pixels"),
        (series(STILL, MOVED), "the frames of s.tif are shifted by"),
        (series(A, OTHER, axes="IYX"), "the frames of s.tif show different things"),
    ],
    ids=["image", "volume", "same", "moving", "unlike"],
)
def test_a_series_without_pairs_is_refused(image, text):
    with pytest.raises(UserError) as said:
        frame_pairs([image])
    assert str(said.value).startswith(text)
    assert "\n" not in str(said.value)


# --- simulated pairs


def test_simulated_images_are_measured_twice():
    one, two = (Synthetic(seed=3, count=2, size=64) for _ in range(2))
    for k in range(2):
        y, pair, x = (f[k].read(0) for f in (one.images, one.pairs, one.references))
        assert np.array_equal(pair, two.pairs[k].read(0))
        noise = y - x, pair - x
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.06
        assert noise[0].std() == pytest.approx(noise[1].std(), rel=0.1)
        check(one.images[k], one.pairs[k])
    assert not np.array_equal(one.pairs[0].read(0), one.pairs[1].read(0))
    assert [set(seen) for seen in one.beside(("pair",))] == [{"pair"}, {"pair"}]
