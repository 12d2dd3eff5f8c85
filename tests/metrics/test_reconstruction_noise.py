"""g-factor, leakage and smoothness against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bioreco.metrics.gfactor import encoding, pseudo_replicas, sense_gfactor
from bioreco.metrics.leakage import functional_leakage, leakage
from bioreco.metrics.smoothness import fwhm, neighbour_sums, smooth, width_to_reach

ROWS, COLUMNS = 12, 6
LINES = np.arange(0, ROWS, 2)
SHIFTS = (0.0, 2.5)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((2, 2, 6, ROWS, COLUMNS))
    found = ndimage.gaussian_filter(raw, (0, 0, 0, 2, 2))
    found = found[0] + 1j * found[1]
    return found / np.sqrt((np.abs(found) ** 2).sum(1, keepdims=True))


def measured(maps, x):
    """Simultaneous slices, every second line, with numpy's own FFT."""
    ky = np.arange(ROWS) - ROWS // 2
    coil = np.fft.ifftshift(maps * x[:, None], axes=(-2, -1))
    full = np.fft.fftshift(np.fft.fft2(coil, norm="ortho"), axes=(-2, -1))
    turn = np.exp(-2j * np.pi * np.outer(SHIFTS, ky) / ROWS)[:, None, :, None]
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[LINES] = True
    return (full * turn).sum(0) * mask, mask


def sense(maps, y, mu=0.0):
    """Exact least squares, column by column."""
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(y, axes=-1), norm="ortho"), axes=-1)
    x = np.zeros((2, ROWS, COLUMNS), dtype=complex)
    for k, matrix in enumerate(encoding(maps, LINES, SHIFTS)):
        gram = matrix.conj().T @ matrix + mu * np.eye(matrix.shape[1])
        found = np.linalg.solve(gram, matrix.conj().T @ hybrid[:, LINES, k].ravel())
        x[..., k] = found.reshape(2, ROWS)
    return x


def test_the_encoding_inverts_what_the_scanner_does(maps):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, ROWS, COLUMNS)) + 1j * rng.standard_normal((2, ROWS, COLUMNS))
    y, _ = measured(maps, x)
    np.testing.assert_allclose(sense(maps, y), x, atol=1e-6)


@pytest.mark.parametrize("mu", [0.0, 0.1])
def test_replicas_find_the_g_factor_of_the_formula(maps, mu):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, ROWS, COLUMNS)) + 0j
    y, mask = measured(maps, x)
    g = sense_gfactor(maps, LINES, SHIFTS, mu=mu)
    seen = pseudo_replicas(lambda y: sense(maps, y, mu), y, mask, sigma=0.1, replicas=400, seed=1)
    np.testing.assert_allclose(seen / np.sqrt(2), g, rtol=0.2)
    assert np.median(seen / np.sqrt(2) / g) == pytest.approx(1, abs=0.02)
    if mu == 0:
        assert (g >= 1 - 1e-6).all()


def test_with_all_lines_of_one_slice_g_is_one_and_outside_it_is_zero(maps):
    one = maps[:1].copy()
    one[..., 0] = 0
    g = sense_gfactor(one, np.arange(ROWS), (0.0,))
    np.testing.assert_allclose(g[..., 1:], 1, atol=1e-6)
    assert not g[..., 0].any()


def test_an_exact_reconstruction_does_not_leak_and_a_sum_leaks_all(maps):
    x = np.random.default_rng(3).standard_normal((2, ROWS, COLUMNS)) + 0j
    exact = leakage(lambda x: sense(maps, measured(maps, x)[0]), x)
    np.testing.assert_allclose(exact, np.eye(2), atol=1e-6)
    mixed = leakage(lambda x: np.stack([x.sum(0)] * 2), x)
    np.testing.assert_allclose(mixed, np.ones((2, 2)))


def test_leakage_of_a_change_on_top_of_the_image():
    """A reconstruction that isn't linear leaks what it does around the image, not around 0."""
    base = np.full((2, 4, 4), 10.0)

    def respond(x):
        return np.stack([x[0] + 0.01 * x[1] ** 2, x[1]])

    change = np.full((2, 4, 4), 0.1)
    found = leakage(respond, change, around=base)
    np.testing.assert_allclose(found, [[1, 0], [0.2, 1]], atol=2e-3)


def test_functional_leakage_reads_each_band_where_another_was_active():
    active = np.zeros((2, 4, 4), dtype=bool)
    active[0, 1], active[1, 2] = True, True
    beta = np.zeros((2, 2, 4, 4))
    beta[0, 0, 1], beta[0, 1, 1], beta[1, 1, 2] = 2.0, -0.5, 2.0
    np.testing.assert_allclose(functional_leakage(beta, active), [[1, 0.25], [0, 1]])


@pytest.mark.parametrize("width", [2.0, 3.5])
def test_smoothness_of_smoothed_noise_is_that_of_the_filter(width):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((20, 80, 80))
    mask = np.ones((80, 80), dtype=bool)
    sigma = width / np.sqrt(8 * np.log(2))
    blurred = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="wrap")
    assert fwhm(neighbour_sums(blurred, mask)) == pytest.approx(width, rel=0.05)
    assert fwhm(neighbour_sums(noise, mask)) < 0.6


def test_the_control_is_smoothed_until_it_is_as_smooth():
    rng = np.random.default_rng(1)
    mask = np.zeros((48, 48), dtype=bool)
    mask[6:40, 8:44] = True
    noise = rng.standard_normal((12, 48, 48))
    width = width_to_reach(2.5, [(noise, mask)])
    reached = fwhm(neighbour_sums(smooth(noise, width, mask), mask))
    assert reached == pytest.approx(2.5, abs=0.05)
    assert width_to_reach(0.1, [(smooth(noise, 2.0, mask), mask)]) == 0


def test_smoothing_keeps_a_constant_and_stays_inside_the_mask():
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:7, 3:9] = True
    found = smooth(np.full((3, 10, 10), 5.0), 3.0, mask)
    np.testing.assert_allclose(found[:, mask], 5)
    assert not found[:, ~mask].any()
    assert np.isnan(fwhm(neighbour_sums(np.ones((3, 10, 10)), np.zeros((10, 10)))))
