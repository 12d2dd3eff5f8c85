"""Hidden pixels say how strong a filter should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bioreco.data.synthetic import scene
from bioreco.methods.calibration import best, crops, hide


@pytest.mark.parametrize("shape", [(1, 20, 24), (2, 3, 16, 18)])
@pytest.mark.parametrize("noisy", [False, True])
def test_what_replaces_a_pixel_says_nothing_of_it(shape, noisy):
    y = torch.randn(shape)
    variance = (lambda level: 0.5 + 0 * level) if noisy else None
    seen, mask = hide(y, 6, variance)
    again, _ = hide(torch.where(mask, y + 50, y), 6, variance)
    assert torch.equal(seen, again)
    assert torch.equal(seen[~mask], y[~mask])
    assert not torch.isclose(seen[mask], y[mask]).any()


@pytest.mark.parametrize("shape", [(1, 256, 256), (1, 16, 96, 96)])
def test_hidden_pixels_look_as_noisy_as_they_were(shape):
    y = 3 + 0.7 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    seen, mask = hide(y, 9, lambda level: 0.49 + 0 * level)
    assert float(seen[mask].std()) == pytest.approx(0.7, rel=0.05)
    assert float(seen[mask].mean()) == pytest.approx(3, abs=0.03)
    plain, _ = hide(y, 9, None)
    assert float(plain[mask].std()) < 0.4 * 0.7


def test_the_grids_cover_all_pixels_once():
    y = torch.zeros(1, 8, 12)
    assert sum(hide(y, phase, None)[1].int() for phase in range(16)).eq(1).all()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(lambda v: (v - 4) ** 2, 4), (lambda v: v, 1), (lambda v: -v, 9), (lambda v: abs(v - 7), 7)],
)
def test_the_least_loss_of_a_grid_is_walked_to(loss, expected):
    calls = []
    found = best(lambda v: calls.append(v) or loss(v), list(range(1, 10)))
    assert found == (expected, loss(expected))
    assert len(calls) == len(set(calls)) < 9
    assert best(lambda v: v, [3.0]) == (3, 3)


def test_crops_are_small_and_from_all_over():
    large = torch.arange(400.0 * 400).view(1, 400, 400)
    pieces = crops([large], 64**2)
    assert [tuple(p.shape) for p in pieces] == [(1, 32, 32)] * 4
    assert {(int(p[0, 0, 0]) // 400 // 200, int(p[0, 0, 0]) % 400 // 200) for p in pieces} == {
        (0, 0), (0, 1), (1, 0), (1, 1),
    }  # fmt: skip
    small = torch.zeros(2, 30, 40)
    assert crops([small], 64**2)[0] is small
    many = crops([torch.full((1, 64, 64), float(k)) for k in range(9)], 4 * 64**2)
    assert [float(p.mean()) for p in many] == [0, 2, 4, 6]
    tall = crops([torch.zeros(1, 40, 200, 90)], 16 * 128**2)
    assert sum(p[0].numel() for p in tall) <= 16 * 128**2
    assert all(p.shape[1] == 16 for p in tall)
    assert crops([torch.zeros(1, 300, 1)], 64)[0].shape == (1, 32, 1)


def test_it_chooses_as_scikit_image_does():
    from skimage.restoration import calibrate_denoiser

    rng = np.random.default_rng(0)
    y = scene((96, 96), rng) + 0.15 * rng.standard_normal((96, 96))
    widths = [0.5, 0.7, 1.0, 1.4, 2.0, 2.8]
    ours = torch.from_numpy(y)[None]

    def loss(sigma: float) -> float:
        errors = []
        for phase in range(16):
            seen, mask = hide(ours, phase, None)
            x = gaussian_filter(seen.numpy(), (0, sigma, sigma))
            errors.append(((x - ours.numpy())[mask.numpy()] ** 2).mean())
        return float(np.mean(errors))

    _, (_, losses) = calibrate_denoiser(y, gaussian_filter, {"sigma": widths}, extra_output=True)
    assert best(loss, widths)[0] == widths[int(np.argmin(losses))]
