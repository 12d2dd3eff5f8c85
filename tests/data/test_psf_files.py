"""A PSF from a file is made fit for the images, or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from bioreco.data.psf import read_psf
from bioreco.errors import UserError


def spot(shape, centre, sigma=1.5) -> np.ndarray:
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    return np.exp(-0.5 * sum(((g - c) / sigma) ** 2 for g, c in zip(grids, centre, strict=True)))


@pytest.fixture
def write(tmp_path):
    def made(values: np.ndarray, nm: float | None = None) -> str:
        path = str(tmp_path / "psf.tif")
        options = {}
        if nm is not None:
            options = {
                "resolution": (1000 / nm, 1000 / nm),
                "metadata": {"axes": "ZYX"[3 - values.ndim :], "unit": "um", "spacing": nm / 1000},
            }
        else:
            options = {"metadata": {"axes": "ZYX"[3 - values.ndim :]}}
        tifffile.imwrite(path, values.astype(np.float32), imagej=True, **options)
        return path

    return made


def centre_of(kernel: np.ndarray) -> list[float]:
    grids = np.ogrid[tuple(slice(0, n) for n in kernel.shape)]
    return [float((kernel * g).sum()) - n // 2 for g, n in zip(grids, kernel.shape, strict=True)]


@pytest.mark.parametrize("at", [(16, 16), (10, 21), (15.7, 16.2)])
def test_background_goes_and_the_spot_is_centred(write, at):
    kernel = read_psf(write(300 * spot((32, 32), at) + 40), 2, None, None)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert all(n % 2 == 1 for n in kernel.shape)
    assert np.abs(centre_of(kernel)).max() < 0.5
    assert kernel.min() >= 0
    assert np.unravel_index(kernel.argmax(), kernel.shape) == tuple(n // 2 for n in kernel.shape)


def test_it_is_resampled_to_the_pixels_of_the_images(write):
    path = write(spot((41, 41), (20, 20), 4.0), nm=50.0)
    kernel = read_psf(path, 2, (100.0, 100.0), None)
    y = np.arange(len(kernel)) - len(kernel) // 2
    assert np.sqrt((kernel.sum(1) * y**2).sum()) == pytest.approx(2, rel=0.1)
    finer = read_psf(path, 2, (25.0, 25.0), None)
    y = np.arange(len(finer)) - len(finer) // 2
    assert np.sqrt((finer.sum(1) * y**2).sum()) == pytest.approx(8, rel=0.05)


def test_one_larger_than_the_image_is_cut_and_said_so(write, caplog):
    kernel = read_psf(write(spot((41, 41), (20, 20), 5.0)), 2, None, (12, 40))
    assert kernel.shape[0] == 23
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert "psf.tif: cut to 23 x" in caplog.text


def test_negative_values_are_set_to_zero_and_said_so(write, caplog):
    values = spot((31, 31), (15, 15))
    values[3, 3] = -0.5
    assert read_psf(write(values), 2, None, None).min() >= 0
    assert "psf.tif: negative values (3.4 %) are set to 0." in caplog.text


def test_what_is_no_psf_for_these_images_is_told(write):
    flat, deep = spot((31, 31), (15, 15)), spot((9, 15, 15), (4, 7, 7))
    cases = [
        (deep, 2, "psf.tif is a stack of 9 planes, but the images are treated in 2D: say"
         " data.dims=3 for stacks, or give the plane in focus alone as the PSF"),
        (flat, 3, "psf.tif is a single plane, but the images are stacks: give a PSF with"
         " planes, or say data.dims=2 to treat each plane by itself"),
        (-flat, 2, "psf.tif is mostly negative, so it is no PSF"),
        (np.ones((9, 9)), 2, "psf.tif has nothing brighter than its border, so it is no"
         " PSF"),
        (flat * np.inf, 2, "psf.tif holds values that are not finite, so it is no PSF"),
    ]  # fmt: skip
    for values, dims, told in cases:
        with pytest.raises(UserError) as said:
            read_psf(write(values), dims, None, None)
        assert str(said.value) == told


def test_pixel_sizes_that_are_worlds_apart_are_told(write):
    with pytest.raises(UserError) as said:
        read_psf(write(spot((31, 31), (15, 15)), nm=50.0), 2, (50_000.0, 50_000.0), None)
    assert str(said.value) == (
        "psf.tif has pixels of 50 x 50 nm, the images of 5e+04 x 5e+04 nm: one of them is wrong."
        " Say forward.pixel_size=[z,y,x] for the images"
    )
