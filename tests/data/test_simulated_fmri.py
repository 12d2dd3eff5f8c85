"""The simulated scan: the same seed the same bytes, noise as stated, a truth that is the truth."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from bioreco.data.fmri import FMRI
from bioreco.data.simulation import synthesis
from bioreco.data.simulation.activation import block_regressor, glover
from bioreco.data.simulation.coils import loops
from bioreco.data.simulation.fmri import ACTIVE, SimulatedFMRI, simulate
from bioreco.data.simulation.physiology import orthogonal
from bioreco.data.simulation.protocol import Protocol
from bioreco.errors import UserError
from bioreco.metrics.gfactor import sense_gfactor

SMALL = Protocol(multiband=2, groups=2, frames=48, size=32, coils=8)


@pytest.fixture(scope="module")
def scan() -> SimulatedFMRI:
    return simulate(SMALL, seed=3)


def image(y):
    shifted = np.fft.ifftshift(y, axes=(-2, -1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(-2, -1))


def test_the_same_seed_gives_the_same_bytes_in_any_order(scan):
    again = simulate(SMALL, seed=3)
    for frame, group in ((7, 1), (0, 0), (7, 1)):
        assert scan.kspace(frame, group).tobytes() == again.kspace(frame, group).tobytes()
        assert scan.reference(frame, group).tobytes() == again.reference(frame, group).tobytes()
    assert scan.calibration(1).tobytes() == again.calibration(1).tobytes()


def test_another_seed_is_another_head_and_another_run_the_same_one(scan):
    other, run = simulate(SMALL, seed=4), simulate(SMALL, seed=3, run=1)
    assert not np.allclose(scan.subject.x, other.subject.x)
    np.testing.assert_array_equal(scan.subject.x, run.subject.x)
    np.testing.assert_array_equal(scan.paradigm.beta, run.paradigm.beta)
    assert not np.array_equal(scan.kspace(0, 0), run.kspace(0, 0))
    assert not np.allclose(scan.rest.courses, run.rest.courses)


def test_shapes_and_geometry_are_those_of_an_acquisition(scan):
    assert scan.kspace(0, 0).shape == (8, 32, 32)
    assert scan.kspace(0, 0).dtype == np.complex64
    assert scan.mask(0, 0).sum() == 32 * 16
    assert scan.maps(1).shape == (2, 8, 32, 32)
    assert scan.calibration(0).shape == (2, 8, 24, 32)
    assert scan.reference(0, 0).shape == (2, 32, 32)
    assert scan.geometry.slices.tolist() == [[0, 2], [1, 3]]
    assert scan.geometry.spacing == pytest.approx((6.0, 6.0, 33.0))
    assert scan.paradigm.beta.shape == (4, 32, 32)
    power = (np.abs(scan.maps(0)) ** 2).sum(1)
    inside = scan.subject.support[scan.geometry.slices[0]]
    np.testing.assert_allclose(power, inside, atol=1e-5)


def test_what_is_not_acquired_is_zero_and_the_middle_line_is(scan):
    mask = scan.mask(5, 1)
    assert not scan.kspace(5, 1)[:, ~mask].any()
    assert mask[16].all()


def test_jitter_moves_the_lines_from_frame_to_frame():
    jittered = simulate(replace(SMALL, jitter=True), seed=0)
    masks = {jittered.mask(frame, 0).tobytes() for frame in range(12)}
    assert len(masks) == 2
    assert jittered.mask(3, 0).tobytes() == jittered.mask(3, 0).tobytes()


def test_physiology_and_motion_are_orthogonal_to_the_task(scan):
    courses = np.concatenate([scan.rest.courses, scan.rest.shifts.T])
    task = scan.paradigm.regressor
    drift = np.polynomial.legendre.legvander(np.linspace(-1, 1, scan.frames), 2)
    steady = task - drift @ np.linalg.lstsq(drift, task, rcond=None)[0]
    for course in (task, steady):
        size = np.linalg.norm(courses, axis=1) * np.linalg.norm(course)
        assert np.abs(courses @ course / size).max() < 1e-10
    assert np.abs(courses.mean(1)).max() < 1e-12


def test_physiology_has_the_stated_size():
    protocol = replace(SMALL, physiology=0.02, motion=0.0, frames=60)
    still = simulate(protocol, seed=1)
    assert not still.rest.shifts.any()
    modes = still.rest.modes[:, still.geometry.slices.ravel()]
    change = np.tensordot(still.rest.courses.T, modes, 1).std(0)
    assert np.sqrt((change**2).mean()) == pytest.approx(0.02 * np.sqrt(2), rel=0.25)


def test_orthogonal_agrees_with_least_squares():
    rng = np.random.default_rng(0)
    courses, task = rng.standard_normal((3, 40)), rng.standard_normal(40)
    design = np.stack([np.ones(40), task], 1)
    fitted = design @ np.linalg.lstsq(design, courses.T, rcond=None)[0]
    np.testing.assert_allclose(orthogonal(courses, design), courses - fitted.T, atol=1e-12)


def test_without_acceleration_and_noise_the_truth_comes_back_but_for_truncation():
    protocol = Protocol(multiband=1, acceleration=1, groups=4, frames=3, coils=8, snr=1e9, size=64)
    plain = simulate(protocol, seed=0)
    for group in range(1, 4):
        found = (image(plain.kspace(1, group)) * plain.maps(group)[0].conj()).sum(0)
        true, inside = plain.reference(1, group)[0], plain.brain[group]
        error = np.linalg.norm((found - true)[inside]) / np.linalg.norm(true[inside])
        assert error < 0.02


def test_simultaneous_slices_are_the_sum_of_slices_alone():
    """The oracle is the model itself, slice by slice with a plain Fourier sum on the fine grid."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((3, 16, 16)) + 1j * rng.standard_normal((3, 16, 16))).astype("c8")
    coils = (rng.standard_normal((3, 2, 16, 16)) + 0j).astype("c8")
    shifts, lines = (0.0, 1.4, 2.5), np.array([0, 2, 4, 6])
    y = synthesis.measure(x, coils, shifts, lines)
    place = np.fft.fftfreq(16) * 16
    for k, line in enumerate(lines):
        ky, kx = line - 4, np.arange(8) - 4
        turn = np.exp(-2j * np.pi * ky * place / 16)[:, None, None]
        turn = turn * np.exp(-2j * np.pi * place[None, :, None] * kx / 16)
        each = np.einsum("scyx,yxk->sck", x[:, None] * coils, turn) / 16 / 2
        phase = np.exp(-2j * np.pi * ky * np.array(shifts) / 8)[:, None, None]
        np.testing.assert_allclose(y[:, k], (each * phase).sum(0), atol=1e-5)


@pytest.mark.parametrize("rows", [16, 17])
def test_the_truth_and_a_shift_agree_with_a_smooth_image(rows):
    """A band-limited image is the same on every grid, moved by a fraction of a pixel or not."""
    fine = np.fft.fftfreq(2 * rows) * 2 * rows / 2
    coarse = np.arange(rows) - rows // 2

    def wave(y, x):
        return np.exp(2j * np.pi * (2 * y - 3 * x) / rows) + 0.5

    x = wave(fine[:, None], fine[None]).astype("c8")
    expected = wave(coarse[:, None], coarse[None])
    np.testing.assert_allclose(synthesis.truth(x), expected, atol=1e-5)
    moved = synthesis.truth(synthesis.move(x, (0.3, -0.7)))
    expected = wave(coarse[:, None] - 0.3, coarse[None] + 0.7)
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_the_noise_has_the_stated_level_and_is_white(scan):
    quiet = simulate(replace(SMALL, snr=1e9), seed=3)
    mask = scan.mask(0, 0)
    noise = np.stack([(scan.kspace(t, 0) - quiet.kspace(t, 0))[:, mask] for t in range(8)], 1)
    noise = noise.reshape(8, -1)
    covariance = noise @ noise.conj().T / noise.shape[1] / scan.sigma**2
    np.testing.assert_allclose(covariance, np.eye(8), atol=0.06)
    bright = np.abs(scan.reference(0, 0))[scan.brain[scan.geometry.slices[0]]].mean()
    assert bright / scan.sigma == pytest.approx(SMALL.snr, rel=0.25)
    assert scan.noise() is None


def test_correlated_noise_has_the_covariance_of_its_noise_scan():
    coloured = simulate(replace(SMALL, correlation=0.4), seed=3)
    samples = coloured.noise()
    measured = samples @ samples.conj().T / samples.shape[1] / coloured.sigma**2
    colour = synthesis.colouring(8, 0.4)
    np.testing.assert_allclose(measured, colour @ colour.conj().T, atol=0.15)
    assert np.abs(measured[0, 1]) > 0.3


def test_the_response_is_glovers_and_blocks_alternate():
    times = np.arange(0, 30, 0.01)
    assert times[glover(times).argmax()] == pytest.approx(5.0, abs=0.5)
    assert glover(times).min() == pytest.approx(-0.2, abs=0.15)
    task = block_regressor(120, 1.5)
    assert task.max() == pytest.approx(1)
    assert np.abs(task[:12]).max() < 1e-9
    assert np.abs(np.fft.rfft(task))[1:].argmax() + 1 == 5


def test_active_voxels_change_by_two_per_cent_and_lie_in_grey_matter(scan):
    full = simulate(Protocol(frames=24), seed=0)
    beta, active = full.paradigm.beta, full.paradigm.beta >= ACTIVE
    assert beta[active].mean() == pytest.approx(2.0, abs=0.02)
    assert beta.max() < 4
    assert 100 < active.sum() < 1500
    assert not beta[~full.brain].any()
    assert len({z for z, _, _ in np.argwhere(active)}) >= 4


def test_truth_responds_by_beta():
    quiet = simulate(replace(SMALL, size=64, physiology=0.0, motion=0.0), seed=3)
    x = np.abs(np.stack([quiet.reference(t, 0) for t in range(quiet.frames)]))
    task = quiet.paradigm.regressor
    slope = np.polynomial.polynomial.polyfit(task, x.reshape(len(x), -1), 1)[1]
    beta = quiet.paradigm.beta[quiet.geometry.slices[0]]
    inside = quiet.brain[quiet.geometry.slices[0]]
    found = 100 * slope.reshape(x.shape[1:]) / x.mean(0)
    np.testing.assert_allclose(found[inside], beta[inside], atol=0.02)


def test_the_array_is_as_good_as_published_ones():
    """Setsompop et al. 2012 print 1.41 without CAIPI and 1.19 with, for three bands and R 2."""
    mean = {}
    for caipi in (1, 3):
        scan = simulate(Protocol(multiband=3, caipi=caipi, groups=1, frames=4, size=40), seed=0)
        lines = np.flatnonzero(scan.mask(0, 0).any(1))
        g = sense_gfactor(scan.maps(0), lines, scan.caipi)
        mean[caipi] = g[g > 0].mean()
    assert 1.1 < mean[3] < 1.3
    assert mean[3] + 0.1 < mean[1] < 1.7


@pytest.mark.parametrize("coils", [1, 2, 4, 8, 13, 16])
def test_any_number_of_loops_points_inwards(coils):
    places, axes = loops(coils)
    assert len(places) == len(axes) == coils
    assert (np.sum(places * axes, axis=1) < 0).all()
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1)


def test_the_data_set_says_that_it_is_simulated(caplog):
    caplog.set_level(logging.INFO, "bioreco")
    data = FMRI(seed=5, runs=2, multiband=2, groups=1, frames=12, size=32, coils=4, maps="lowres")
    assert caplog.messages[0].startswith("This is a seeded simulation (seed 5)")
    assert [each.name for each in data.acquisitions] == ["simulated_1", "simulated_2"]
    assert data.acquisitions[0].maps(0).shape == (2, 4, 32, 32)
    true = FMRI(seed=5, multiband=2, groups=1, frames=12, size=32, coils=4, maps="file")
    assert not np.allclose(true.acquisitions[0].maps(0), data.acquisitions[0].maps(0))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"multiband": 0}, "data.multiband=0: at least 1"),
        ({"size": 8}, "data.size=8: at least 16 pixels"),
        ({"snr": 0.0}, "data.snr=0.0: above 0"),
        ({"motion": -1.0}, "data.motion=-1.0: not negative"),
        ({"correlation": 1.0}, "data.correlation=1.0: below 1"),
        ({"acceleration": 40}, "data.acceleration=40: at most a quarter of data.size=64"),
        ({"runs": 0}, "data.runs=0: at least 1"),
        ({"prewhiten": "scann"}, "Did you mean 'scan'"),
        ({"anatomy": "nowhere.nii"}, "data.anatomy=nowhere.nii can't be read"),
    ],
)
def test_bad_options_are_told(options, told):
    with pytest.raises(UserError, match=told.replace("(", r"\(")):
        FMRI(seed=0, **options)
