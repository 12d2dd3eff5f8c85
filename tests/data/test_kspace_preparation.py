"""What is done to k-space before it is learnt from."""

from dataclasses import replace

import numpy as np
import pytest
from kspaces import made

from bioreco.data.kspace.centre import calibration_region, sampled_centre
from bioreco.data.kspace.coils import compressed, covariance, prewhitened
from bioreco.data.kspace.fourier import centred, to_image, to_kspace
from bioreco.data.kspace.oversampling import narrowed
from bioreco.data.kspace.part import part_of
from bioreco.data.kspace.undersampling import PATTERNS, drawn, is_full, undersampled
from bioreco.errors import UserError


def coloured(n, coils=4, seed=3):
    """Noise that is correlated between coils (coils, n)."""
    rng = np.random.default_rng(seed)
    root = 3e-5 * (np.eye(coils) + 0.5 * rng.normal(size=(coils, coils)))
    white = (rng.normal(size=(coils, n)) + 1j * rng.normal(size=(coils, n))) / np.sqrt(2)
    return (root @ white).astype(np.complex64)


@pytest.mark.parametrize("size", [(6, 7), (9, 9), (8, 12)])
def test_the_transform_is_that_of_numpy_and_its_own_inverse(size):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, *size)) + 1j * rng.normal(size=(2, *size))).astype(np.complex64)
    axes = (-2, -1)
    oracle = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho"), axes)
    np.testing.assert_allclose(to_kspace(x), oracle, atol=1e-5)
    np.testing.assert_allclose(to_image(to_kspace(x)), x, atol=1e-5)
    assert np.linalg.norm(to_kspace(x)) == pytest.approx(np.linalg.norm(x), rel=1e-5)


def test_whitened_noise_is_white():
    scan = made(silent=coloured(20000), sigma=0.01)
    white = prewhitened(scan, "auto")
    psi = covariance(white.noise())
    np.testing.assert_allclose(psi, np.eye(4), atol=1e-4)
    assert white.notes[-1].startswith(
        "noise whitened, from 20000 samples of the noise scan: standard deviations of the coils"
    )
    maps = white.maps(0)
    np.testing.assert_allclose((np.abs(maps) ** 2).sum(1), 1, atol=1e-5)
    seen = to_kspace((maps * white.reference(0, 0)[:, None]).sum(0))
    clean = prewhitened(made(silent=scan.silent), "scan").kspace(0, 0)
    np.testing.assert_allclose(seen, clean, atol=1e-4 * np.abs(clean).max())


def test_noise_from_the_edge_of_kspace():
    noise = coloured(64 * 60).reshape(4, 64, 60)
    scan = made(frames=1, groups=1, size=(64, 60))
    scan = replace(scan, y=1e-9 * scan.y + noise)
    white = prewhitened(scan, "edge")
    psi = covariance(white.kspace(0, 0).reshape(4, -1))
    np.testing.assert_allclose(psi, np.eye(4), atol=0.35)
    assert "of the corners of k-space" in white.notes[-1]
    assert prewhitened(scan, "auto") is scan
    assert prewhitened(scan, "none") is scan


def test_noise_that_cannot_be_whitened():
    with pytest.raises(UserError) as error:
        prewhitened(made(), "scan")
    assert str(error.value) == (
        "made holds no noise scan; say data.prewhiten=edge to take the noise from the outer part"
        " of k-space, or data.prewhiten=none."
    )
    with pytest.raises(UserError) as error:
        prewhitened(made(silent=coloured(10)), "scan")
    assert str(error.value) == (
        "made: 10 samples of noise are too few for the covariance of 4 coils, which takes 16;"
        " say data.prewhiten=none."
    )
    same = coloured(100)
    same[3] = same[2]
    with pytest.raises(UserError, match="the noise of its coils is linearly dependent"):
        prewhitened(made(silent=same), "scan")


def test_compression_keeps_the_signal_and_tells_how_much():
    scan = made(coils=12, size=(40, 36), sigma=0.0)
    few = compressed(scan, 6)
    assert few.coils == 6
    assert few.kspace(0, 1).shape == (6, 40, 36)
    energy = np.linalg.norm(few.kspace(0, 0)) ** 2 / np.linalg.norm(scan.kspace(0, 0)) ** 2
    assert energy > 0.98
    assert few.notes[-1].startswith("12 coils compressed to 6 virtual ones that hold 9")
    np.testing.assert_allclose((np.abs(few.maps(0)) ** 2).sum(1), 1, atol=1e-5)
    seen = to_kspace((few.maps(0) * few.reference(0, 0)[:, None]).sum(0))
    np.testing.assert_allclose(seen, few.kspace(0, 0), atol=1e-4 * np.abs(seen).max())
    assert compressed(scan, None) is scan
    assert compressed(scan, 12) is scan
    with pytest.raises(UserError) as error:
        compressed(scan, 13)
    assert str(error.value) == (
        "data.coils=13: made has 12 coils; choose from 1 to 12, or null for all."
    )


def test_removing_oversampling_keeps_the_image():
    scan = made(frames=1, groups=1, size=(24, 40))
    taken = np.ones((1, 1, 24, 40), bool)
    taken[..., 5, :] = False
    whole = to_image(scan.kspace(0, 0))[..., 10:30]
    crop = narrowed(scan, 2.0)
    assert crop.size == (24, 20)
    np.testing.assert_allclose(to_image(crop.kspace(0, 0)), whole, atol=1e-5)
    np.testing.assert_array_equal(crop.maps(0), scan.maps(0)[..., 10:30])
    np.testing.assert_array_equal(crop.reference(0, 0), scan.reference(0, 0)[..., 10:30])
    middle = np.array([10, 12, 0, 1.0]), np.array([20, 12, 0, 1.0])
    np.testing.assert_allclose(crop.geometry.affine @ middle[0], scan.geometry.affine @ middle[1])
    lines = narrowed(replace(scan, taken=taken), 2.0)
    assert not lines.mask(0, 0)[5].any()
    assert (lines.kspace(0, 0)[:, 5] == 0).all()
    assert narrowed(scan, 1.0) is scan
    odd = narrowed(made(frames=1, groups=1, size=(9, 33)), 33 / 17)
    assert odd.size == (9, 17)
    inside = to_image(made(frames=1, groups=1, size=(9, 33)).kspace(0, 0))[..., centred(33, 17)]
    np.testing.assert_allclose(to_image(odd.kspace(0, 0)), inside, atol=1e-5)


def test_oversampling_that_cannot_be_removed():
    scan = made(frames=1, groups=1, size=(24, 40))
    with pytest.raises(UserError) as error:
        narrowed(scan, 0.5)
    assert str(error.value) == (
        "data.oversampling=0.5: the readout of made has 40 samples; choose from 1 to 5, or auto or"
        " none."
    )
    points = np.random.default_rng(0).random((1, 1, 24, 40)) < 0.5
    with pytest.raises(UserError) as error:
        narrowed(replace(scan, taken=points), 2.0)
    assert str(error.value) == (
        "made: single points of its readouts are missing, so that nothing can be cropped along x;"
        " say data.oversampling=none."
    )


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_undersampling_keeps_the_centre_and_its_share(pattern, size):
    mask = drawn(pattern, size, 4.0, 12, np.random.default_rng(0))
    rows, columns = sampled_centre(mask)
    wanted = centred(size[0], 12)
    assert rows.start <= wanted.start
    assert rows.stop >= wanted.stop
    if pattern == "points":
        assert columns.stop - columns.start >= 12
        outside = (mask.sum() - 144) / (mask.size - 144)
    else:
        assert (mask == mask[:, :1]).all()
        outside = (mask[:, 0].sum() - 12) / (size[0] - 12)
    assert outside == pytest.approx(0.25, abs=0.03)
    again = drawn(pattern, size, 4.0, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(mask, again)
    offsets = [drawn(pattern, size, 4.0, 12, np.random.default_rng(s)) for s in range(9)]
    assert any((mask != other).any() for other in offsets)


def test_equispaced_lines_are_equally_spaced():
    for acceleration in (2.0, 3.0, 4.0, 5.0):
        mask = drawn("equispaced", (60, 4), acceleration, 0, np.random.default_rng(1))
        assert set(np.diff(np.flatnonzero(mask[:, 0]))) == {int(acceleration)}


def test_undersampled_points_are_zero_and_the_rest_is_untouched():
    scan = made(size=(32, 30), sigma=0.1)
    scan = replace(scan, x=None)
    less = undersampled(scan, pattern="gaussian", acceleration=3, acs_lines=8, seed=5)
    mask, y = less.mask(1, 0), less.kspace(1, 0)
    assert (y[:, ~mask] == 0).all()
    np.testing.assert_array_equal(y[:, mask], scan.kspace(1, 0)[:, mask])
    np.testing.assert_array_equal(less.mask(0, 0), less.mask(1, 1))
    combined = (scan.maps(0).conj() * to_image(scan.kspace(1, 0))).sum(1)
    np.testing.assert_allclose(less.reference(1, 0), combined, atol=1e-6)
    moving = undersampled(
        scan, pattern="equispaced", acceleration=4, acs_lines=8, seed=5, jitter=True
    )
    masks = [moving.mask(f, g) for f in range(2) for g in range(2)]
    assert any((masks[0] != mask).any() for mask in masks[1:])
    np.testing.assert_array_equal(moving.mask(1, 1), masks[3])
    note = (
        "undersampled in retrospect: gaussian, R=3 with 8 central lines,"
        " which keeps one in 2.00 samples"
    )
    assert less.notes[-1] == note


def test_the_truth_of_a_simulation_stays_the_reference():
    scan = made(sigma=0.1)
    less = undersampled(scan, pattern="uniform", acceleration=2, acs_lines=4, seed=0)
    np.testing.assert_array_equal(less.reference(0, 0), scan.reference(0, 0))


def test_what_was_measured_undersampled_is_left_as_it_is():
    taken = np.ones((2, 2, 32, 30), bool)
    taken[..., ::2, :] = False
    scan = replace(made(taken=taken), x=None)
    less = undersampled(scan, pattern="uniform", acceleration=2, acs_lines=4, seed=0)
    np.testing.assert_array_equal(less.mask(0, 0), taken[0, 0])
    assert less.reference(0, 0) is None
    assert less.notes[-1] == (
        "50 % of k-space were measured; nothing more is left out in retrospect"
    )
    for none in (None, 1.0):
        options = {"pattern": "uniform", "acs_lines": 4, "seed": 0}
        assert undersampled(scan, acceleration=none, **options) is scan


def test_zero_padding_is_fully_sampled():
    mask = np.ones((10, 8), bool)
    mask[:2], mask[:, 7] = False, False
    assert is_full(mask)
    mask[5] = False
    assert not is_full(mask)
    assert not is_full(np.zeros((3, 3), bool))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"pattern": "gausian"},
            "data.pattern=gausian: choose from equispaced, uniform, gaussian, points."
            " Did you mean 'gaussian'?",
        ),
        (
            {"acceleration": 20.0},
            "data.acceleration=20 data.acs_lines=8: made has 32 lines; choose from 1 to 16, and"
            " from 0 to 32.",
        ),
        (
            {"acs_lines": 40},
            "data.acceleration=4 data.acs_lines=40: made has 32 lines; choose from 1 to 16, and"
            " from 0 to 32.",
        ),
    ],
)
def test_undersampling_options_out_of_range(options, said):
    right = {"pattern": "uniform", "acceleration": 4.0, "acs_lines": 8, "seed": 0}
    with pytest.raises(UserError) as error:
        undersampled(made(), **{**right, **options})
    assert str(error.value) == said


def test_the_sampled_centre_is_found():
    mask = np.zeros((20, 16), bool)
    mask[::3] = True
    mask[6:15] = True
    assert sampled_centre(mask) == (slice(6, 15), slice(0, 16))
    points = np.zeros((20, 16), bool)
    points[7:13, 5:12] = True
    assert sampled_centre(points) == (slice(7, 13), slice(5, 12))
    points[10, 8] = False
    assert sampled_centre(points) == (slice(0, 0), slice(0, 0))
    full = made(frames=1, groups=1, size=(20, 16))
    region, place = calibration_region(full, 0, lines=8)
    assert place == (slice(6, 14), slice(4, 12))
    np.testing.assert_array_equal(region[0], full.y[0, 0][:, 6:14, 4:12])


def test_a_part_counts_from_its_first_slice():
    scan = made(frames=3, groups=5, size=(12, 10))
    part = part_of(scan, 2, 3)
    assert (part.frames, part.groups) == (2, 3)
    np.testing.assert_array_equal(part.kspace(1, 0), scan.kspace(1, 1))
    np.testing.assert_array_equal(part.maps(2), scan.maps(3))
    np.testing.assert_array_equal(part.reference(0, 2), scan.reference(0, 3))
    np.testing.assert_array_equal(part.geometry.slices, scan.geometry.slices[1:4])
    assert part.notes[-1] == "2 of 3 frames and 3 of 5 slices are used"
    assert part_of(scan, None, None) is scan
    with pytest.raises(UserError) as error:
        part_of(scan, 4, None)
    assert str(error.value) == "data.frames=4: made has 3; or null for all."
