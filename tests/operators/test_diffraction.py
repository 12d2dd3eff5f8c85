"""Optical diffraction tomography against adjoints, analytic spectra and an exact sphere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from bioreco.errors import UserError
from bioreco.operators.diffraction import Views, potential, refractive_index
from bioreco.operators.fourier_bins import bin_caps
from bioreco.operators.odt import ODT, Scatter

SIDE = 32
K_M = 1.2


def views(count: int = 8, tilt: float = 0.6, *, wavenumber: float = K_M) -> Views:
    around = 2 * math.pi * torch.arange(count, dtype=torch.float64) / count
    lateral = math.sin(tilt)
    light = [
        lateral * around.cos(),
        lateral * around.sin(),
        torch.full_like(around, math.cos(tilt)),
    ]
    straight = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    directions = torch.cat([straight, torch.stack(light, -1)])
    turned = torch.eye(3, dtype=torch.float64).expand(count + 1, 3, 3)
    return Views(directions, turned, wavenumber, 0.9 * wavenumber)


def blob(width: float, centre=(0.0, 0.0, 0.0), side: int = SIDE) -> torch.Tensor:
    at = torch.arange(side, dtype=torch.float64) - side // 2
    z, y, x = torch.meshgrid(at, at, at, indexing="ij")
    away = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return torch.exp(-away / (2 * width**2))


def turned(angles: torch.Tensor) -> torch.Tensor:
    c, s, o, e = angles.cos(), angles.sin(), 0 * angles, 0 * angles + 1
    rows = [[c, o, s], [o, e, o], [-s, o, c]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


@pytest.mark.parametrize("side", [16, 17])
def test_the_adjoint_is_the_adjoint(side):
    seen = views()
    tilted = Views(seen.illumination, turned(torch.linspace(0, 2, 9).double()), K_M, K_M)
    draw = torch.Generator().manual_seed(0)
    for one in (seen, tilted):
        H = Scatter(one, side, 24)
        x = torch.randn(1, 1, side, side, side, generator=draw, dtype=torch.float64)
        y = torch.randn(1, 9, 24, 24, generator=draw, dtype=torch.complex128)
        left = (y.conj() * H(x)).real.sum()
        right = (x * H.adjoint(y)).sum()
        assert abs(float(left - right)) < 1e-12 * float(H(x).norm() * y.norm())


def test_a_blob_scatters_as_its_spectrum_says():
    width, centre = 2.0, (1.5, -2.0, 3.0)
    for seen in (views(), Views(views().illumination, turned(torch.linspace(0, 3, 9)), K_M, K_M)):
        H = Scatter(seen, SIDE, 2 * SIDE)
        caps = seen.caps(2 * SIDE)
        found = caps.collect(H(blob(width, centre)[None, None])[0])
        k = caps.k * math.pi / SIDE  # radians per voxel
        phase = torch.polar(torch.ones(len(k)).double(), -(k @ torch.tensor(centre).double()))
        right = (2 * math.pi) ** 1.5 * width**3 * torch.exp(-(width**2) * k.square().sum(1) / 2)
        assert float((found - right * phase).abs().max()) < 2e-3 * float(right.max())


def exact_field(radius: float, contrast: float, k: float, side: int, plane: float) -> np.ndarray:
    """Return u / u_0 of a plane wave along z behind a sphere, by partial waves."""
    at = np.arange(side) - side // 2
    y, x = np.meshgrid(at, at, indexing="ij")
    r = np.sqrt(x**2 + y**2 + plane**2)
    inside = (1 + contrast) * k
    field = np.zeros((side, side), dtype=complex)
    for order in range(int(k * radius) + 15):
        j, dj = spherical_jn(order, k * radius), spherical_jn(order, k * radius, True)
        h = j + 1j * spherical_yn(order, k * radius)
        dh = dj + 1j * spherical_yn(order, k * radius, True)
        i, di = spherical_jn(order, inside * radius), spherical_jn(order, inside * radius, True)
        share = -(k * dj * i - inside * j * di) / (k * dh * i - inside * h * di)
        wave = spherical_jn(order, k * r) + 1j * spherical_yn(order, k * r)
        field += 1j**order * (2 * order + 1) * share * wave * eval_legendre(order, plane / r)
    return 1 + field * np.exp(-1j * k * plane)


def refocused(field: np.ndarray, k: float, plane: float) -> np.ndarray:
    """Return the scattered part u_B / u_0 in the plane through the centre."""
    q = 2 * np.pi * np.fft.fftfreq(len(field))
    lateral = q[:, None] ** 2 + q**2
    kz = np.sqrt(np.maximum(k**2 - lateral, 0))
    spectrum = np.fft.fft2(np.fft.ifftshift(field - 1)) * (lateral < (0.9 * k) ** 2)
    return np.fft.fftshift(np.fft.ifft2(spectrum * np.exp(-1j * (kz - k) * plane)))


def test_a_sphere_scatters_as_the_exact_solution_says():
    """Scalar waves: partial waves are exact; Born has to agree where the contrast is small."""
    k, radius, contrast, plane, side = 1.2, 7.0, 0.002, 9.0, 192
    exact = refocused(exact_field(radius, contrast, k, side, plane), k, plane)
    straight = Views(torch.tensor([[0.0, 0.0, 1.0]]), torch.eye(3)[None], k, 0.9 * k)
    fine = torch.arange(4 * SIDE) / 4 + 0.125 - 0.5 - SIDE // 2
    z, y, x = torch.meshgrid(fine, fine, fine, indexing="ij")
    ball = (x**2 + y**2 + z**2 < radius**2).double()
    ball = ball.view(SIDE, 4, SIDE, 4, SIDE, 4).mean((1, 3, 5))
    f = potential(1 + contrast * ball, 1.0, k)
    seen = Scatter(straight, SIDE, 96, 3)(f[None, None])[0, 0].numpy()
    middle = slice(side // 2 - 24, side // 2 + 24)
    a, b = exact[middle, middle], seen[24:72, 24:72]
    assert np.linalg.norm(a - b) < 0.05 * np.linalg.norm(a)
    assert abs(np.vdot(b, a) / np.vdot(b, b) - 1) < 0.02


def test_indices_and_potentials_are_the_inverse_of_each_other():
    index = torch.linspace(1.3, 1.6, 7, dtype=torch.float64)
    torch.testing.assert_close(refractive_index(potential(index, 1.33, 2.0), 1.33, 2.0), index)


def test_bins_hold_the_spectrum_of_the_object():
    f = blob(2.0, (1.0, 2.0, -1.0)).float()
    seen = views(24)
    fields = Scatter(seen, SIDE, 2 * SIDE)(f[None, None])[0]
    bins = bin_caps(fields, seen, SIDE)
    right = bins.spectrum(f)
    off = (bins.values - right)[bins.known]
    assert float(off.norm()) < 0.1 * float(right[bins.known].norm())
    kept = bins.imposed(torch.zeros_like(f))
    torch.testing.assert_close(kept, bins.volume(bins.values))


def test_the_region_leaves_out_the_cone():
    seen = views(24)
    bins = bin_caps(torch.zeros(25, 2 * SIDE, 2 * SIDE, dtype=torch.complex64), seen, SIDE)
    region = bins.region()
    assert region.shape == (SIDE,) * 3
    assert float(region[0, :3, :3].min()) == 1  # across the light
    assert float(region[4:8, 0, 0].max()) == 0  # along it
    opposite = -torch.arange(SIDE) % SIDE
    inner = slice(1, SIDE // 2)
    mirrored = region[opposite][:, opposite][:, :, opposite]
    torch.testing.assert_close(mirrored[inner, inner, inner], region[inner, inner, inner])


def test_a_repeated_view_counts_once():
    f = blob(2.0).float()
    seen = views(8)
    fields = Scatter(seen, SIDE, 2 * SIDE)(f[None, None])[0]
    order = [3, *range(9)]
    again = Views(seen.illumination[order], seen.rotations[order], K_M, 0.9 * K_M)
    one, two = bin_caps(fields, seen, SIDE), bin_caps(fields[order], again, SIDE)
    alone = one.count == 1
    torch.testing.assert_close(one.values[alone], two.values[alone])
    assert torch.equal(one.known, two.known)


def test_born_and_rytov_agree_on_weak_fields_only():
    weak = 1e-3 * torch.ones(1, 1, 2, 2, dtype=torch.complex64)
    rytov, born = ODT(), ODT("born")
    torch.testing.assert_close(rytov.scattered(weak), born.scattered(weak), rtol=1e-3, atol=0)
    assert float((born.scattered(1000 * weak) - 1.71828).abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("options", "words"),
    [({"approximation": "rytow"}, "rytov or born"), ({"pad": 0}, "forward.pad=0")],
)
def test_a_wrong_option_is_told(options, words):
    with pytest.raises(UserError, match=words):
        ODT(**options)
