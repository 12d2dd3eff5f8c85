"""Wiener and Richardson-Lucy against scikit-image and closed forms, and what they are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.errors import UserError
from bioreco.methods.method import Facts
from bioreco.methods.richardson_lucy import RichardsonLucy, curvature
from bioreco.methods.wiener import GRID, Wiener
from bioreco.metrics.noise import Noise
from bioreco.operators.blur import Blur

MEAN, UNIT = 30.0, 20.0


def blur(dims: int = 2, width: float = 1.5, **options) -> Blur:
    return Blur(dims, None, None, psf="gaussian", sigma=width, **options)


def scene(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.zeros(shape)
    inside = tuple(slice(n // 4, 3 * n // 4) for n in shape)
    x[inside] = rng.random([n // 2 for n in shape]) ** 4
    return 100 * ndimage.gaussian_filter(x, 0.5)


def measured(model: Blur, x: np.ndarray, noise: float = 0.0) -> torch.Tensor:
    y = model.operator()(torch.from_numpy(x)[None, None].float())
    return y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))


def deconvolved(method, y: torch.Tensor, noise: float = 1.0, validation=()) -> np.ndarray:
    """Prepare on y, in grey levels, and return the result in grey levels."""
    shift, unit = torch.tensor([MEAN]), torch.tensor([UNIT])
    scaled = (y - MEAN) / UNIT
    known = Noise(gain=0.0, offset=0.0, read_noise=noise, sigma=noise)
    facts = Facts([scaled[0]], [(shift, unit)], [[known]], 1, y.dim() - 2, validation=validation)
    method.prepare(facts)
    found = method.reconstruct({"y": scaled, "shift": shift[None], "unit": unit[None]}).mean
    return (found * UNIT + MEAN)[0, 0].numpy()


@pytest.mark.parametrize("shape", [(48, 40), (16, 28, 24)])
def test_richardson_lucy_is_that_of_scikit_image_away_from_the_border(shape):
    from skimage.restoration import richardson_lucy

    model, x = blur(len(shape), 1.0), scene(*shape)
    y = measured(model, x).clamp(min=0)
    found = deconvolved(RichardsonLucy(model, iterations=12, background=0.0), y)
    image, kernel = y[0, 0].double().numpy(), model.kernel.double().numpy()
    wanted = richardson_lucy(image, kernel, num_iter=12, clip=False)
    inside = tuple(slice(n // 4, 3 * n // 4) for n in shape)
    assert np.abs(found - wanted)[inside].max() < 0.01 * wanted.max()


def test_richardson_lucy_keeps_the_light_and_never_gets_negative():
    model, x = blur(), scene(64, 64)
    y = measured(model, x, 2.0)
    found = deconvolved(RichardsonLucy(model, iterations=40, background=0.0), y)
    assert found.min() >= -1e-4
    assert found.sum() == pytest.approx(float(y.clamp(min=0).sum()), rel=0.02)


@pytest.mark.parametrize("variation", [0.0, 0.01])
def test_a_bright_thing_outside_is_not_explained_by_the_inside(variation):
    x = np.full((40, 60), 20.0)
    x[:, 44:] = 500.0
    model = blur(2, 2.0)
    y = measured(model, x)[..., :43]
    method = RichardsonLucy(model, iterations=60, background=0.0, variation=variation)
    found = deconvolved(method, y)
    assert np.abs(found[10:-10, 2:28] - 20).max() < 1
    assert found[:, :38].max() < 60  # scikit-image: 169


def test_total_variation_leaves_less_noise():
    model, x = blur(), scene(64, 64)
    y = measured(model, x, 3.0)
    plain, smooth = (
        deconvolved(RichardsonLucy(model, iterations=40, background=0.0, variation=w), y)
        for w in (0.0, 0.02)
    )
    dark = (slice(2, 10), slice(2, 10))
    assert smooth[dark].std() < 0.8 * plain[dark].std()


def test_curvature_of_a_ball_is_one_over_its_radius():
    y, x = np.mgrid[-30:31, -30:31]
    ball = torch.from_numpy(np.exp(-(x**2 + y**2) / 400.0))
    found = curvature(ball, 2, 1e-9)
    assert float(found[30, 45]) == pytest.approx(-1 / 15, rel=0.1)


def test_wiener_is_the_filter_in_frequency():
    model, x = blur(), scene(64, 64)
    y = measured(model, x)
    found = deconvolved(Wiener(model, balance=0.01, background=0.0), y)
    h = np.zeros((64, 64))
    n = len(model.kernel) // 2
    h[32 - n : 33 + n, 32 - n : 33 + n] = model.kernel.numpy()
    transfer = np.fft.fft2(np.fft.ifftshift(h))
    wanted = np.fft.ifft2(
        np.conj(transfer) * np.fft.fft2(y[0, 0].numpy()) / (np.abs(transfer) ** 2 + 0.01)
    ).real
    assert np.abs(found - wanted)[16:48, 16:48].max() < 0.03 * wanted.max()


def test_each_improves_the_image():
    model, x = blur(), scene(64, 64)
    y = measured(model, x, 1.0)
    before = float(((y[0, 0].numpy() - x) ** 2).mean())
    for method in (Wiener(model), RichardsonLucy(model), RichardsonLucy(model, variation=0.005)):
        assert ((deconvolved(method, y) - x) ** 2).mean() < 0.9 * before


def test_strengths_are_the_best_on_images_whose_truth_is_known():
    model, x = blur(), scene(48, 48)
    y = measured(model, x, 2.0)
    other = scene(48, 48, seed=1)
    seen = measured(model, other, 2.0)
    validation = [(seen[0], torch.from_numpy(other)[None].float())]
    method = RichardsonLucy(model, background=0.0)
    deconvolved(method, y, 2.0, validation)
    chosen = method.settled[0].strength
    errors = {}
    for n, found in method.path(seen, None):
        errors[n] = float((found - validation[0][1]).square().mean())
    assert chosen == min(errors, key=errors.get)


def test_without_a_truth_the_residual_is_no_larger_than_the_noise():
    model, x = blur(), scene(64, 64)
    y = measured(model, x, 2.0)
    for method in (RichardsonLucy(model), Wiener(model)):
        found = deconvolved(method, y, 2.0)
        again = model.operator()(torch.from_numpy(found)[None, None])
        assert float((y - again).square().mean()) ** 0.5 < 2.1
    assert method.settled[0].strength in GRID


@pytest.mark.parametrize("kind", [Wiener, RichardsonLucy])
def test_an_empty_image_stays_empty(kind):
    y = torch.full((1, 1, 32, 32), 12.0)
    assert np.allclose(deconvolved(kind(blur()), y), 12.0, atol=0.05)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (RichardsonLucy, {"iterations": 0}, "method.iterations=0: 1 to 10000, or null"),
        (RichardsonLucy, {"variation": 0.5}, "method.variation=0.5: from 0 to below 0.5"),
        (Wiener, {"balance": 0.0}, "method.balance=0: above 0, at most 100, or null"),
        (Wiener, {"background": float("nan")}, "method.background=nan: a grey level, or null"),
    ],
)
def test_a_wrong_option_is_told(kind, options, told):
    with pytest.raises(UserError) as said:
        kind(blur(), **options)
    assert str(said.value) == told
