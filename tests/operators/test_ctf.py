"""The CTF is that of the closed form, with RELION's sign."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bioreco.operators.ctf import aliasing, contrast_transfer, least_box, wavelength
from bioreco.operators.fourier_filter import FourierFilter, phase_ramp

OPTICS = [  # defocus_u, defocus_v, angle, kV, Cs, w, phase shift, B, pixel
    [15000.0, 13500, 0.6, 300, 2.7, 0.1, 0, 0, 1.3],
    [25000, 25000, 0, 200, 2.0, 0.07, 0.4, 80, 5.0],
    [8000, 9000, -1.2, 100, 0.01, 0.5, 1.5, 30, 2.1],
    [-500, 400, 3.0, 120, 0.0, 0.0, 0, 0, 3.0],
]


def closed_form(row: list[float], size: int) -> np.ndarray:
    """Evaluate the formula as it is written, frequency by frequency."""
    u, v, au, kv, cs, w, phase, b, px = row
    volts = kv * 1e3
    lam = 12.2643247 / math.sqrt(volts * (1 + 0.978466e-6 * volts))
    out = np.zeros((size, size // 2 + 1))
    for i, ky in enumerate(np.fft.fftfreq(size, px)):
        for j, kx in enumerate(np.fft.rfftfreq(size, px)):
            k, a = math.hypot(kx, ky), math.atan2(ky, kx)
            df = (u + v + (u - v) * math.cos(2 * (a - au))) / 2
            chi = -math.pi * lam * df * k**2 + math.pi / 2 * cs * 1e7 * lam**3 * k**4
            chi -= phase + math.atan(w / math.sqrt(1 - w**2))
            out[i, j] = -math.sin(chi) * math.exp(-b * k**2 / 4)
    return out


@pytest.mark.parametrize("size", [16, 17, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_closed_form(size, dtype):
    rows = torch.tensor(OPTICS, dtype=torch.float64)
    rows = rows.to(dtype)
    found = contrast_transfer(rows, size)
    assert found.shape == (4, size, size // 2 + 1)
    assert found.dtype == dtype
    for row, image in zip(rows.tolist(), found, strict=True):
        np.testing.assert_allclose(image, closed_form(row, size), atol=1e-6, rtol=0)


def test_the_sign_and_the_wavelength():
    assert float(wavelength(torch.tensor(300.0))) == pytest.approx(0.0196875, abs=1e-6)
    found = contrast_transfer(torch.tensor(OPTICS[:1]), 32)
    assert float(found[0, 0, 0]) == pytest.approx(0.1)  # +w at zero frequency
    assert float(found[0, 0, 1]) > 0.1  # and rising with underfocus


def test_defocus_is_largest_along_its_axis():
    """The axis of defocus_u is at an angle from x towards y."""
    row = torch.tensor([[30000.0, 10000, math.pi / 2, 300, 0, 0, 0, 0, 5]])
    found = contrast_transfer(row, 32)[0]
    along_y, along_x = found[1, 0], found[0, 1]
    assert float(along_y) == pytest.approx(3 * float(along_x), rel=0.01)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(b, 9\)"):
        contrast_transfer(torch.zeros(3, 8), 16)


@pytest.mark.parametrize(("pixel", "pixels"), [(1.27, 306), (2.5, 79)])
def test_the_least_box(pixel, pixels):
    row = torch.tensor([[25000.0, 25000, 0, 300, 2.7, 0.1, 0, 0, pixel]])
    assert int(least_box(row)[0]) == pytest.approx(pixels, abs=2)
    assert aliasing(row, pixels + 2) == ""
    told = aliasing(row.expand(3, -1), pixels // 2)
    assert told.startswith(f"3 of 3 particles have a CTF that a box of {pixels // 2} pixels")
    assert "25000 A defocus" in told


@pytest.mark.parametrize("size", [16, 17])
def test_filters_are_linear_maps_with_adjoints(size):
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 4, 1, size, size, generator=g, dtype=torch.float64).unbind(0)
    ramp = phase_ramp(torch.randn(4, 2, generator=g, dtype=torch.float64), size)
    for transfer in (ramp, ramp[:1], contrast_transfer(torch.tensor(OPTICS).double(), size)):
        H = FourierFilter(transfer)
        torch.testing.assert_close((H(x) * y).sum(), (x * H.adjoint(y)).sum())
        keep = torch.tensor([True, False, False, True])
        torch.testing.assert_close(H.restrict(keep)(x[keep]), H(x)[keep])


@pytest.mark.parametrize("size", [16, 17])
def test_a_shift_moves_along_x_and_y(size):
    x = torch.zeros(1, 1, size, size)
    x[0, 0, 5, 6] = 1
    moved = FourierFilter(phase_ramp(torch.tensor([[2.0, -3.0]]), size))(x)
    assert int(moved.argmax()) == 2 * size + 8
    smooth = torch.from_numpy(np.hanning(size)).float()
    image = (smooth[:, None] * smooth)[None, None] ** 2
    there = phase_ramp(torch.tensor([[0.37, -1.61]]), size)
    back = phase_ramp(torch.tensor([[-0.37, 1.61]]), size)
    torch.testing.assert_close(
        FourierFilter(back)(FourierFilter(there)(image)), image, atol=2e-5, rtol=0
    )
