"""Reconstructions that learn nothing: zero-filled, least squares, regularised."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kspace import normal, nrmse, problem

from bioreco.errors import UserError
from bioreco.methods.least_squares import LeastSquares, ZeroFilled
from bioreco.methods.regularised import Regularised, magnitude, median
from bioreco.operators.models import MRI, SMSMRI


def error(method: Any, p: Any) -> float:
    found = method.reconstruct(p.batch).mean
    assert found.shape == p.x.shape
    assert found.dtype == torch.complex64
    assert found[p.batch["maps"].abs().sum(2) == 0].abs().max() == 0
    return nrmse(found, p.x)


def regularised(**options: Any) -> Regularised:
    return Regularised(SMSMRI(), options.pop("denoiser", None), **options)


def test_least_squares_finds_a_noiseless_image_and_zero_filling_does_not():
    p = problem(3, 16, (32, 32), acceleration=2)
    assert error(LeastSquares(SMSMRI()), p) < 0.02
    assert error(ZeroFilled(SMSMRI()), p) > 0.5


def test_an_energy_penalty_and_an_early_stop_lower_the_noise():
    p = problem(1, 8, (48, 48), acceleration=4, centre=8, noise=0.03)
    plain = error(LeastSquares(MRI()), p)
    assert error(LeastSquares(MRI(), weight=0.02), p) < 0.8 * plain
    assert error(LeastSquares(MRI(), solver="cg", iterations=5, tolerance=0.0), p) < 0.8 * plain
    early = error(LeastSquares(MRI(), solver="cg", tolerance=0.1), p)
    assert early != plain


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"regulariser": "total_variation", "solver": "admm", "iterations": 20},
        {"regulariser": "pnp", "solver": "admm", "weight": 1.0, "iterations": 20, "mu": 0.1},
        {
            "regulariser": "red",
            "solver": "gradient_descent",
            "weight": 0.3,
            "mu": 0.3,
            "strength": 0.03,
        },
    ],
    ids=["l1_wavelet", "total_variation", "pnp", "red"],
)
@pytest.mark.parametrize("bands", [1, 3])
def test_priors_beat_least_squares_on_noisy_data(options, bands):
    p = problem(bands, 16, (48, 48), acceleration=2 if bands > 1 else 4, noise=0.04)
    plain = min(error(LeastSquares(SMSMRI(), weight=w), p) for w in (0.0, 0.003, 0.02))
    assert error(regularised(**options), p) < 0.85 * plain


@pytest.mark.parametrize(
    "change",
    [
        {"regulariser": "l2"},
        {"solver": "variable_splitting"},
        {"weight": 0.05},
        {"iterations": 5},
        {"mu": 1.0},
        {"wavelet": "haar"},
        {"levels": 1},
        {"regulariser": "pnp", "weight": 1.0, "filter": "median"},
        {"regulariser": "pnp", "weight": 1.0, "filter": "total_variation"},
        {"regulariser": "pnp", "weight": 1.0, "strength": 0.5},
    ],
    ids=str,
)
def test_every_option_makes_a_difference(change):
    p = problem(1, 4, (16, 16), acceleration=2, noise=0.05)
    base = {key: change[key] for key in ("regulariser", "weight") if len(change) > 1}
    plain = regularised(**{"iterations": 10} | base).reconstruct(p.batch).mean
    assert nrmse(regularised(**{"iterations": 10} | change).reconstruct(p.batch).mean, plain) > 1e-4


@pytest.mark.parametrize("options", [{}, {"regulariser": "total_variation", "solver": "admm"}])
def test_weights_are_scale_free_and_samples_apart(options):
    p, q = problem(1, 4, (24, 24), noise=0.05), problem(1, 4, (24, 24), noise=0.05, seed=3)
    method = regularised(iterations=15, **options)
    plain = method.reconstruct(p.batch).mean
    loud = method.reconstruct(p.batch | {"y": p.batch["y"] * 1000}).mean
    torch.testing.assert_close(loud, plain * 1000, rtol=1e-3, atol=0.1)
    both = {key: torch.cat([p.batch[key], 7 * q.batch[key]]) for key in ("y",)}
    both |= {key: torch.cat([p.batch[key], q.batch[key]]) for key in ("mask", "maps", "caipi")}
    torch.testing.assert_close(method.reconstruct(both).mean[:1], plain, rtol=1e-3, atol=1e-3)


def test_the_scale_is_about_that_of_the_object():
    for bands, acceleration in ((1, 1), (1, 4), (3, 2)):
        p = problem(bands, 16, (32, 32), acceleration=acceleration)
        assert 0.4 < float(magnitude(p.H, p.batch["y"])) < 1.6
    assert float(magnitude(p.H, 0 * p.batch["y"])) == 1


def test_nothing_measured_gives_nothing():
    p = problem(1, 4, (16, 16))
    empty = p.batch | {"y": 0 * p.batch["y"]}
    for method in (LeastSquares(MRI()), regularised(iterations=3)):
        assert method.reconstruct(empty).mean.abs().max() == 0


@pytest.mark.parametrize("regulariser", ["pnp", "red"])
def test_a_trained_denoiser_is_used_where_there_is_one(regulariser):
    p = problem(1, 4, (16, 16), noise=0.1)
    seen = []

    def denoiser(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return 0.9 * x

    weight = 1.0 if regulariser == "pnp" else 0.2
    method = regularised(
        denoiser=denoiser, regulariser=regulariser, weight=weight, iterations=4, prior="run"
    )
    found = method.reconstruct(p.batch).mean
    assert set(seen) == {p.x.shape}
    other = regularised(regulariser=regulariser, weight=weight, iterations=4)
    assert nrmse(found, other.reconstruct(p.batch).mean) > 1e-3


def test_the_median_takes_outliers_away_from_both_parts():
    x = torch.full((1, 2, 6, 7), 1 + 2j, dtype=torch.complex64)
    spoilt = x.clone()
    spoilt[0, 0, 3, 3], spoilt[0, 1, 2, 5] = 50, -50j
    torch.testing.assert_close(median(spoilt), x)


def test_no_baseline_is_trained():
    for method in (ZeroFilled(MRI()), LeastSquares(MRI()), regularised()):
        assert method.players() == {}
        assert method.augment == "none"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LeastSquares(MRI(), weight=-1.0), "weight from 0"),
        (lambda: LeastSquares(MRI(), iterations=0), "at least 1 iteration"),
        (lambda: LeastSquares(MRI(), tolerance=1.0), "tolerance from 0"),
        (lambda: LeastSquares(MRI(), solver="exact"), "solver=exact: choose one of auto, cg"),
        (lambda: regularised(weight=-1.0), "0 or more"),
        (lambda: regularised(regulariser="pnp", weight=2.0), "at most 1 with pnp"),
        (lambda: regularised(iterations=0), "at least 1 iteration"),
        (lambda: regularised(mu=0.0), "mu above 0"),
        (lambda: regularised(levels=9), "1 to 6 levels"),
        (lambda: regularised(prior="run"), "method.regulariser=pnp or red, not with wavelet"),
    ],
)
def test_options_out_of_range_are_refused(make, match):
    with pytest.raises(UserError, match=match):
        make()


def test_several_slices_at_once_need_the_other_model():
    p = problem(2, 4, (8, 8))
    with pytest.raises(UserError, match="sms_mri"):
        LeastSquares(MRI()).reconstruct(p.batch)


def test_noise_of_a_coil_combination_is_kept_at_its_level():
    p = problem(1, 8, (32, 32), noise=0.1)
    found = LeastSquares(MRI()).reconstruct(p.batch).mean - p.x
    inside = p.batch["maps"].abs().sum(2) > 0
    assert float(found[inside].abs().std()) < 0.1
    assert float(found[inside].abs().square().mean().sqrt()) == pytest.approx(0.1, rel=0.1)
    assert normal(2).shape == (2,)
