"""Regularisers against their oracles, and solvers against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kspace import normal, nrmse, problem

from bioreco.errors import UserError
from bioreco.operators import least_squares as solvers
from bioreco.operators import variation, wavelets
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.regularisers import (
    RED,
    Nothing,
    PlugAndPlay,
    Tikhonov,
    TotalVariation,
    Wavelet,
    Within,
)


@pytest.mark.parametrize("name", ["haar", "db2", "db3", "db4", "db6", "db8"])
def test_filters_are_those_of_pywavelets(name):
    import pywt

    taps = wavelets.daubechies(1 if name == "haar" else int(name[2:]))
    np.testing.assert_allclose(taps, pywt.Wavelet(name).dec_lo, atol=1e-10)


@pytest.mark.parametrize("size", [(16, 16), (9, 11), (1, 5)])
@pytest.mark.parametrize("family", ["haar", "db4"])
def test_images_come_back_from_their_coefficients(size, family):
    for x in (normal(2, *size), normal(2, *size).real):
        found = wavelets.compose(wavelets.decompose(x, family=family), x, family=family)
        torch.testing.assert_close(found, x)


def test_shrinking_is_that_of_the_orthonormal_transform_over_all_shifts():
    import pywt

    x = normal(16, 16).real
    right = np.zeros((16, 16))
    for i in range(4):
        for j in range(4):
            moved = np.roll(x.numpy(), (i, j), (0, 1))
            coarse, *details = pywt.wavedec2(moved, "db2", mode="periodization", level=2)
            less = [tuple(pywt.threshold(d, 0.7, "soft") for d in level) for level in details]
            back = pywt.waverec2([coarse, *less], "db2", mode="periodization")
            right += np.roll(back, (-i, -j), (0, 1)) / 16
    found = wavelets.shrink(x, 0.7, family="db2", levels=2)
    np.testing.assert_allclose(found.numpy(), right, atol=1e-12)


def test_an_unknown_wavelet_is_refused():
    with pytest.raises(UserError, match=r"wavelet=db5.*haar.*Did you mean"):
        wavelets.shrink(normal(8, 8), 0.1, family="db5")


def test_gradient_and_divergence_are_adjoint():
    x, p = normal(2, 5, 4), normal(2, 2, 5, 4, seed=1)
    left = torch.vdot(variation.gradient(x).flatten(), p.flatten())
    right = -torch.vdot(x.flatten(), variation.divergence(p).flatten())
    torch.testing.assert_close(left, right)


def test_variation_is_lowered_as_by_scikit_image():
    from skimage.restoration import denoise_tv_chambolle

    z = normal(1, 20, 21).real
    right = denoise_tv_chambolle(z[0].numpy(), weight=0.5, eps=1e-10, max_num_iter=3000)
    found = variation.smooth(z, 0.5, iterations=1000)[0].numpy()
    np.testing.assert_allclose(found, right, atol=2e-3)


def test_the_proximal_step_of_variation_is_the_least():
    z = normal(1, 12, 13)

    def cost(x: torch.Tensor) -> float:
        return float(0.5 * (x - z).abs().square().sum() + 0.5 * variation.variation(x)[0])

    x = variation.smooth(z, 0.5, iterations=500)
    for seed in range(5):
        assert cost(x) < cost(x + 1e-3 * normal(1, 12, 13, seed=seed + 1))
    assert cost(x) <= cost(variation.smooth(z, 0.5)) < cost(z)
    assert variation.smooth(z, 0) is z


def test_a_turn_of_the_phase_turns_what_is_regularised():
    z, turn = normal(1, 1, 8, 8), 1j**0.3
    for R in (TotalVariation(0.3), Wavelet(0.3), Tikhonov(0.3)):
        torch.testing.assert_close(R.proximal(z * turn, 0.7), R.proximal(z, 0.7) * turn)
        torch.testing.assert_close(R.gradient(z * turn), R.gradient(z) * turn)


@pytest.mark.parametrize(
    "solver",
    [
        solvers.gradient_descent,
        solvers.proximal_gradient,
        solvers.accelerated,
        solvers.admm,
    ],
)
def test_every_solver_finds_the_tikhonov_image(solver):
    p = problem(2, 8, (16, 16), acceleration=2, dtype=torch.complex128)
    right = conjugate_gradient(p.H.normal, p.H.adjoint(p.batch["y"]), mu=0.1, iterations=300)
    found = solver(p.H, p.batch["y"], Tikhonov(0.1), iterations=300, mu=0.1)
    assert nrmse(found, right) < 1e-4


def test_variable_splitting_nears_it_as_the_penalty_grows():
    p = problem(1, 8, (16, 16), acceleration=2, dtype=torch.complex128)
    right = conjugate_gradient(p.H.normal, p.H.adjoint(p.batch["y"]), mu=0.1, iterations=300)
    errors = [
        nrmse(
            solvers.variable_splitting(p.H, p.batch["y"], Tikhonov(0.1), iterations=150, mu=mu),
            right,
        )
        for mu in (0.3, 1.0, 3.0)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("R", [TotalVariation(0.02), Wavelet(0.02)])
def test_solvers_agree_where_there_are_corners(R):
    p = problem(1, 8, (16, 16), acceleration=2, noise=0.05, dtype=torch.complex128)
    y, inside = p.batch["y"], p.batch["maps"].abs().sum(2) > 0
    R = Within(R, inside)
    fast = solvers.accelerated(p.H, y, R, iterations=150, mu=0.0)
    for solver, iterations, mu in (
        (solvers.proximal_gradient, 300, 0.0),
        (solvers.admm, 60, 0.5),
        (solvers.gradient_descent, 600, 20.0),
    ):
        assert nrmse(solver(p.H, y, R, iterations=iterations, mu=mu), fast) < 0.03
    assert fast[~inside].abs().max() == 0


def test_without_a_regulariser_it_is_least_squares():
    p = problem(1, 8, (16, 16), acceleration=2, dtype=torch.complex128)
    found = solvers.accelerated(p.H, p.batch["y"], Nothing(), iterations=300)
    assert nrmse(found, p.x) < 1e-3
    down = solvers.gradient_descent(p.H, p.batch["y"], Nothing(), iterations=300, mu=0.1)
    assert nrmse(down, p.x) < 1e-2


def test_a_denoiser_takes_the_place_of_a_regulariser():
    x = normal(1, 2, 4, 4)
    half = PlugAndPlay(lambda z: 0 * z, 0.5)
    torch.testing.assert_close(half.proximal(x, 9.0), x / 2)
    torch.testing.assert_close(half.gradient(x), x / 2)
    red = RED(lambda z: 0.5 * z, 2.0, steps=60)
    torch.testing.assert_close(red.gradient(x), x)
    torch.testing.assert_close(red.proximal(x, 1.0), x / 2)  # x = z - step weight (x - x / 2)
