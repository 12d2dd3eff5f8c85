from __future__ import annotations

import numpy as np
import pytest

from bioreco.engine.pictures import DEVIATION, busy_crop, central_slices, picture, preview, window

RNG = np.random.default_rng(0)
Y = RNG.poisson(20, size=(90, 120)).astype(np.float32)


def read(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("shape", [(90, 120), (90, 120, 3), (1, 200), (7, 3), (2200, 40)])
def test_preview_draws_every_shape(tmp_path, shape):
    y = RNG.normal(100, 10, size=shape)
    x = np.full(shape, 100.0)
    panels = [("input", y), ("result", x), ("difference", y - x), ("reference", x)]
    preview(tmp_path / "preview.png", panels, title="a title")
    drawn = read(tmp_path / "preview.png")
    assert drawn.shape[1] > 1000
    assert drawn.std() > 5
    assert [path.name for path in tmp_path.iterdir()] == ["preview.png"]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_preview_of_a_constant_or_empty_image(tmp_path, value):
    flat = np.full((40, 40), value)
    preview(tmp_path / "p.png", [("input", flat), ("result", flat)], title="")
    assert (tmp_path / "p.png").stat().st_size > 0


def test_preview_replaces_the_old_one_and_leaves_it_when_it_fails(tmp_path):
    path = tmp_path / "p.png"
    path.write_text("old")
    with pytest.raises((ValueError, TypeError, IndexError)):
        preview(path, [("input", Y), ("result", Y[0])], title="")
    assert path.read_text() == "old"
    preview(path, [("input", Y), ("result", Y)], title="")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert list(tmp_path.iterdir()) == [path]


def test_all_panels_share_the_window_of_the_input(tmp_path):
    dark, bright = np.zeros((64, 64)), np.full((64, 64), 50.0)
    y = np.where(np.arange(64) < 32, dark, 100.0)
    preview(tmp_path / "p.png", [("input", y), ("result", bright)], title="")
    values = read(tmp_path / "p.png")[..., 0]
    grey = values[: values.shape[0] // 2, values.shape[1] // 2 :]
    assert np.bincount(grey.ravel(), minlength=256)[127:129].sum() > 5000


def test_window_ignores_missing_and_extreme_pixels():
    values = np.append(np.linspace(0, 1, 10000), [np.nan, np.inf, 1e9])
    low, high = window(values)
    assert 0 < low < 0.01
    assert 0.99 < high < 1


def test_busy_crop_finds_the_structure():
    image = np.zeros((300, 400))
    image[200:240, 50:90] = 10 * RNG.normal(size=(40, 40)).repeat(4, 0).repeat(4, 1)[:40, :40]
    rows, columns = busy_crop(image, (-20, 20))
    assert rows.start <= 200
    assert rows.stop >= 240
    assert columns.start <= 50
    assert columns.stop >= 90


def test_busy_crop_keeps_off_the_gaps():
    volume = RNG.normal(size=(30, 150, 150))
    rows, columns = busy_crop(central_slices(volume), (-3, 3))
    assert rows.stop <= 150
    assert columns.stop <= 150


def test_picture_puts_both_side_by_side():
    drawn = picture(Y, Y / 2)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (90, 242, 3)
    assert drawn[:, :120].mean() > drawn[:, 122:].mean()
    assert (drawn[:, 120:122] == 255).all()
    assert picture(np.full((30, 40), np.nan), Y[:30, :40]).shape == (30, 82, 3)
    assert picture(RNG.uniform(size=(30, 40, 3)), np.zeros((30, 40, 3))).shape == (30, 82, 3)


def test_central_slices_shows_three_planes():
    volume = np.arange(4 * 6 * 8, dtype=float).reshape(4, 6, 8)
    shown = central_slices(volume)
    assert shown.shape == (6 + 2 + 4, 8 + 2 + 4)
    assert np.array_equal(shown[:6, :8], volume[2])
    assert np.array_equal(shown[8:, :8], volume[:, 3])
    assert np.array_equal(shown[:6, 10:], volume[:, :, 4].T)
    assert np.isnan(shown[6:8]).all()
    assert central_slices(volume, stretch=2.5).shape == (6 + 2 + 10, 8 + 2 + 10)


def test_a_deviation_is_drawn_from_zero_up(tmp_path):
    std = np.full((64, 64), 2.0)
    std[:, :32] = 1.0
    panels = [("input", Y[:64, :64]), ("result", Y[:64, :64]), (DEVIATION, std)]
    preview(tmp_path / "p.png", panels, title="")
    values = read(tmp_path / "p.png")[..., 0]
    grey = values[: values.shape[0] // 2, 2 * values.shape[1] // 3 :]
    count = np.bincount(grey.ravel(), minlength=256)
    assert count[126:129].sum() > 5000  # half of the largest
