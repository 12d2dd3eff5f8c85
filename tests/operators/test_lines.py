"""Lines of images: the law of the adjoint, closed forms, and directions drawn evenly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from bioreco.operators.laws import check
from bioreco.operators.lines import Lines, RandomLines, turned


def blob(size: int, at: tuple[float, float], width: float) -> torch.Tensor:
    """Return a Gaussian at (x, y) from the middle (1, 1, y, x)."""
    grid = torch.arange(size, dtype=torch.float64) - size // 2
    along_x, along_y = (torch.exp(-((grid - a) ** 2) / (2 * width**2)) for a in at)
    return (along_y[:, None] * along_x)[None, None]


@pytest.mark.parametrize("size", [9, 16])
def test_the_adjoint_is_that_of_the_forward_model(size):
    H = Lines(torch.tensor([0.0, 0.3, math.pi / 2, 4.0], dtype=torch.float64), size)
    found = check(H, (4, 1, size, size), (4, 1, 1, size), dtype=torch.float64)["adjoint"]
    assert found.error <= found.allowed


@pytest.mark.parametrize("size", [32, 33])
def test_the_line_of_a_gaussian_is_a_gaussian(size):
    angles = torch.linspace(0, 2 * math.pi, 9, dtype=torch.float64)
    at, width = (3.0, -4.0), 2.0
    found = Lines(angles, size).forward(blob(size, at, width).expand(9, 1, size, size))
    t = torch.arange(size, dtype=torch.float64) - size // 2
    middle = at[0] * angles.cos() + at[1] * angles.sin()
    wanted = math.sqrt(2 * math.pi) * width * torch.exp(-((t - middle[:, None]) ** 2) / 8)
    torch.testing.assert_close(found[:, 0, 0], wanted / math.sqrt(size), rtol=0, atol=1e-4)


def test_along_an_axis_rows_or_columns_are_summed():
    x = torch.randn(2, 1, 15, 15, dtype=torch.float64)
    found = Lines(torch.tensor([0.0, math.pi / 2], dtype=torch.float64), 15).forward(x)
    torch.testing.assert_close(found[0, 0, 0], x[0, 0].sum(0) / math.sqrt(15))
    torch.testing.assert_close(found[1, 0, 0], x[1, 0].sum(1) / math.sqrt(15))


def test_it_is_the_sum_of_a_turned_image():
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(np.pad(rng.random((12, 12)), 14), 2.0)
    turned = ndimage.rotate(image, 35.0, reshape=False, order=5).sum(0)
    angle = torch.tensor([math.radians(35.0)], dtype=torch.float64)
    size = len(image)  # even: scipy turns about a place between pixels
    x = torch.from_numpy(ndimage.shift(image, 0.5, order=5))[None, None]
    found = Lines(angle, size).forward(x)[0, 0, 0] * math.sqrt(size)
    wanted = ndimage.shift(turned, 0.5, order=5)
    assert np.abs(found.numpy() - wanted).max() < 0.01 * wanted.max()


def test_white_noise_stays_as_strong():
    torch.manual_seed(0)
    x = torch.randn(4000, 1, 16, 16)
    assert float(RandomLines().draw(x)(x).std()) == pytest.approx(1, abs=0.02)


def test_directions_are_drawn_evenly_and_follow_the_seed():
    x = torch.zeros(4000, 1, 8, 8)
    torch.manual_seed(0)
    angles = RandomLines().draw(x).angles
    torch.manual_seed(0)
    assert torch.equal(angles, RandomLines().draw(x).angles)
    for k in (1, 2):
        assert float(torch.exp(1j * k * angles).mean().abs()) < 0.05


@pytest.mark.parametrize("size", [32, 33])
def test_a_turned_image_has_the_lines_of_turned_directions(size):
    angles = torch.linspace(0, 6, 5, dtype=torch.float64)
    x = blob(size, (3.0, -4.0), 2.0).expand(5, 1, size, size)
    found = turned(x, angles)
    where = [3 * angles.cos() + 4 * angles.sin(), 3 * angles.sin() - 4 * angles.cos()]
    for image, at_x, at_y in zip(found, *where, strict=True):
        wanted = blob(size, (float(at_x), float(at_y)), 2.0)[0]
        assert float((image - wanted).abs().max()) < 0.02
    a, b = Lines(angles, size).forward(found), Lines(0 * angles, size).forward(x)
    assert float((a - b).abs().max()) < 0.02 * float(b.max())
