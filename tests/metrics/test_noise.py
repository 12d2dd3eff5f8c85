from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import ndimage

from bioreco.metrics.noise import Noise, estimate_noise


def cells(shape: tuple[int, ...] = (384, 384), seed: int = 1) -> np.ndarray:
    """Return blurred, textured ellipses between 0 and 1 on an empty background."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[: shape[-2], : shape[-1]]
    image = np.zeros(shape[-2:])
    for _ in range(30):
        cy, cx = rng.uniform(0, shape[-2]), rng.uniform(0, shape[-1])
        a, b = rng.uniform(8, 36, 2)
        t = rng.uniform(0, np.pi)
        u = (yy - cy) * np.cos(t) + (xx - cx) * np.sin(t)
        v = -(yy - cy) * np.sin(t) + (xx - cx) * np.cos(t)
        texture = 1 + 0.2 * np.sin(u / 4) * np.sin(v / 5)
        image = np.maximum(image, rng.uniform(0.2, 1) * ((u / a) ** 2 + (v / b) ** 2 < 1) * texture)
    image = ndimage.gaussian_filter(image, 1.5)
    return image / image.max()


def smoothed(shape: tuple[int, ...], kernel: list[float], axes: tuple[int, ...]) -> np.ndarray:
    """Return unit noise smoothed along axes."""
    noise = np.random.default_rng(8).normal(size=shape)
    for axis in axes:
        noise = ndimage.correlate1d(noise, np.array(kernel, dtype=float), axis=axis)
    return noise / noise.std()


def measured(counts: float, gain: float, offset: float, read: float) -> tuple[np.ndarray, float]:
    """Return a simulated exposure and the true mean noise."""
    rng = np.random.default_rng(2)
    clean = counts * cells()
    y = gain * rng.poisson(clean) + offset + read * rng.normal(size=clean.shape)
    return y, math.sqrt(gain**2 * clean.mean() + read**2)


@pytest.mark.parametrize("counts", [1, 5, 20, 100, 400])
@pytest.mark.parametrize(("gain", "offset", "read"), [(1, 0, 0), (10, 100, 5), (24, -10, 3)])
def test_sigma_is_found_from_few_counts_to_many(counts, gain, offset, read):
    y, sigma = measured(counts, gain, offset, read)
    noise = estimate_noise(y)
    assert noise.sigma == pytest.approx(sigma, rel=0.12)
    assert noise.shared_axes() == ()


@pytest.mark.parametrize("counts", [5, 20, 100])
@pytest.mark.parametrize(("gain", "offset", "read"), [(2, 100, 3), (10, 100, 5), (24, -10, 3)])
def test_gain_offset_and_read_noise_are_found(counts, gain, offset, read):
    y, _ = measured(counts, gain, offset, read)
    noise = estimate_noise(y)
    assert noise.gain == pytest.approx(gain, rel=0.2)
    assert noise.offset == pytest.approx(offset, abs=0.5 * read)
    assert noise.read_noise == pytest.approx(read, abs=0.2 * read + 0.06 * gain)
    assert noise.variance(noise.offset) == pytest.approx(noise.read_noise**2)
    assert noise.variance(noise.offset + 10) > noise.variance(noise.offset)


def test_offset_is_found_below_the_darkest_part_at_low_counts():
    rng = np.random.default_rng(3)
    y = 10 * rng.poisson(3 + 20 * cells()) + 50
    noise = estimate_noise(y)
    assert noise.offset == pytest.approx(50, abs=6)
    assert noise.read_noise < 8


@pytest.mark.parametrize("sigma", [0.01, 3.0, 500.0])
def test_equal_noise_everywhere_has_no_gain(sigma):
    clean = 20 * sigma * cells()
    noise = estimate_noise(clean + sigma * np.random.default_rng(4).normal(size=clean.shape))
    assert noise.sigma == pytest.approx(sigma, rel=0.05)
    assert noise.read_noise == pytest.approx(sigma, rel=0.05)
    assert noise.gain * np.ptp(clean) < 0.5 * sigma**2


@pytest.mark.parametrize("kernel", [[1, 1], [1, 2, 1], [1, 3, 1], [1, 1, 1]])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_shared_noise_is_found_along_the_right_axes(kernel, axes):
    products = np.correlate(kernel, kernel, "full")
    middle = len(kernel) - 1
    one, two = (products[middle + k] / products[middle] if middle >= k else 0 for k in (1, 2))
    image = 100 * cells()
    noise = estimate_noise(image + 8 * smoothed(image.shape, kernel, axes))
    assert noise.sigma == pytest.approx(8, rel=0.08)
    for axis, letter in enumerate("YX"):
        expected = (one, two) if axis in axes else (0, 0)
        assert noise.correlation[letter] == pytest.approx(expected, abs=0.06)
    assert noise.shared_axes() == tuple("YX"[axis] for axis in axes)


def test_noise_shared_between_slices_is_found():
    volume = np.stack([np.roll(cells((200, 200)), shift, 0) for shift in range(10)])
    noise = estimate_noise(100 * volume + 5 * smoothed(volume.shape, [1, 2, 1], (0,)))
    assert noise.shared_axes() == ("Z",)
    assert noise.correlation["Z"][0] == pytest.approx(2 / 3, abs=0.05)
    assert noise.sigma == pytest.approx(5, rel=0.08)


def test_axes_of_the_answer_are_those_of_the_image():
    rng = np.random.default_rng(5)
    assert list(estimate_noise(rng.normal(size=(40, 50))).correlation) == ["Y", "X"]
    assert list(estimate_noise(rng.normal(size=(6, 40, 50))).correlation) == ["Z", "Y", "X"]
    assert list(estimate_noise(rng.normal(size=(2, 40, 50))).correlation) == ["Y", "X"]


def test_several_regions_are_one_image():
    y, _ = measured(20, 10, 100, 5)
    parts = [y[:200], y[200:, :150], y[200:, 150:]]
    assert estimate_noise(*parts).sigma == pytest.approx(estimate_noise(y).sigma, rel=0.05)


def test_rounding_and_clipping_to_8_bits_do_not_matter():
    rng = np.random.default_rng(6)
    clean = 15 * cells()
    y = 10 * rng.poisson(clean) + 20 + 3 * rng.normal(size=clean.shape)
    noise = estimate_noise(np.clip(np.round(y), 0, 255).astype(np.uint8))
    assert noise.sigma == pytest.approx(math.sqrt(100 * clean.mean() + 9), rel=0.1)
    assert noise.gain == pytest.approx(10, rel=0.2)


def test_an_empty_background_at_zero_has_no_noise_and_spoils_nothing():
    rng = np.random.default_rng(7)
    y = rng.poisson(20 * cells()).astype(np.uint8)
    noise = estimate_noise(y)
    assert noise.floor > 0.5
    assert noise.gain == pytest.approx(1, rel=0.15)
    assert noise.offset == pytest.approx(0, abs=0.3)
    assert any("lowest value" in sentence for sentence in noise.describe())


def test_saturated_pixels_are_counted_and_left_out():
    clean = 300 * cells()
    y = np.clip(clean + 8 * np.random.default_rng(8).normal(size=clean.shape), None, 200)
    noise = estimate_noise(y)
    assert noise.saturated == pytest.approx(np.mean(y == 200))
    assert noise.sigma == pytest.approx(8, rel=0.12)
    assert any("saturated" in sentence for sentence in noise.describe())


def test_missing_and_hot_pixels_do_not_matter():
    rng = np.random.default_rng(9)
    y = 500 * cells() + 10 * rng.normal(size=(384, 384))
    holed = y.copy()
    holed[rng.uniform(size=y.shape) < 0.05] = np.nan
    holed[0, 0] = np.inf
    hot = y.copy()
    hot[::41, ::37] = 65535
    assert estimate_noise(holed).sigma == pytest.approx(10, rel=0.1)
    assert estimate_noise(holed).missing == pytest.approx(0.05, abs=0.005)
    assert estimate_noise(hot).sigma == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("value", [0, 7.5, -3])
def test_a_constant_image_has_nothing_to_denoise(value):
    noise = estimate_noise(np.full((64, 64), value))
    assert noise.constant
    assert noise.sigma == 0
    assert noise.describe() == [f"All pixels are {value}: there is nothing to denoise."]


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (5, 5), (12, 300), (4, 30, 1)])
def test_small_images_get_a_rough_figure(shape):
    rng = np.random.default_rng(10)
    noise = estimate_noise(10 + 3 * rng.normal(size=shape))
    assert noise.sigma == pytest.approx(3, rel=0.5)
    assert noise.correlation == {}
    assert len(noise.describe()) == 3


@pytest.mark.parametrize("frame", [np.zeros((0, 5)), np.full((30, 30), np.nan), np.eye(2) + 1])
def test_too_little_is_said_to_be_too_little(frame):
    noise = estimate_noise(frame)
    assert math.isnan(noise.sigma)
    assert "Too few pixels" in noise.describe()[0]


def gratings() -> np.ndarray:
    """Return patches of stripes of many directions and widths: structure everywhere."""
    rng = np.random.default_rng(12)
    yy, xx = np.mgrid[:32, :32]
    angles, widths = rng.uniform(0, np.pi, (10, 10)), rng.uniform(0.8, 6, (10, 10))
    rows = []
    for pair in zip(angles, widths, strict=True):
        waves = [(np.cos(t) / w, np.sin(t) / w) for t, w in zip(*pair, strict=True)]
        rows.append(np.hstack([np.sin(a * xx + b * yy) for a, b in waves]))
    return np.vstack(rows)


@pytest.mark.parametrize("noise", [0, 0.05, 0.2])
@pytest.mark.parametrize("clean", [cells(), gratings()], ids=["cells", "gratings"])
def test_structure_is_not_taken_for_shared_noise(clean, noise):
    y = clean + noise * np.random.default_rng(13).normal(size=clean.shape)
    assert estimate_noise(y).shared_axes() == ()


def test_the_sentences_say_it_plainly():
    y, _ = measured(20, 24, 100, 3)
    amount, kind, sharing = estimate_noise(y).describe()
    assert amount.startswith("Noise: ")
    assert kind.startswith("Shot noise dominates: about 2")
    assert "grey levels per photon count" in kind
    assert sharing == "Neighbouring pixels have independent noise, as n2v and n2s need."
    image = 100 * cells()
    striped = estimate_noise(image + 8 * smoothed(image.shape, [1, 1], (1,)))
    assert "Neighbouring pixels along X (0.5" in striped.describe()[2]
    assert "n2v and n2s can't remove that part" in striped.describe()[2]
    unsure = Noise(sigma=1, correlation={"Y": (0.5, 0.1), "X": (0.5, 0.1)}, sure=False, contrast=3)
    assert "no flat area" in unsure.describe()[-1]


def test_the_input_is_not_changed_and_its_type_does_not_matter():
    y, _ = measured(20, 10, 100, 5)
    integers = np.round(y).astype(np.int16)
    before = integers.copy()
    integers.flags.writeable = False
    assert estimate_noise(integers) == estimate_noise(integers.astype(np.float32))
    assert np.array_equal(integers, before)


def test_large_images_are_looked_at_in_tiles():
    tile = 5 * np.random.default_rng(11).normal(size=(512, 512)).astype(np.float32)
    large = np.tile(tile, (6, 7))
    start = time.process_time()
    noise = estimate_noise(large)
    assert time.process_time() - start < 3
    assert noise.sigma == pytest.approx(5, rel=0.03)


def test_other_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"\(y, x\) or \(z, y, x\)"):
        estimate_noise(np.zeros(5))
