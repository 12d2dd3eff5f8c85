"""The forward model of an electron microscope, put together from its parts."""

from __future__ import annotations

import pytest
import torch
from gaussian_particles import centres, error, gaussians, projections

from bioreco.errors import UserError
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer
from bioreco.operators.fourier_filter import FourierFilter
from bioreco.operators.rotations import random_rotations

POSES = random_rotations(4, torch.Generator().manual_seed(1))
OPTICS = torch.tensor(
    [[15000.0, 14000, 0.5, 300, 2.7, 0.1, 0.2, 60, 5.0], [9000, 9000, 0, 200, 2, 0.07, 0, 0, 4.0]]
).repeat(2, 1)
SHIFTS = torch.tensor([[10.0, -5.0], [0, 0], [-7.5, 2.5], [4, 8]])  # Angstrom


@pytest.mark.parametrize("size", [32, 33])
def test_an_image_is_shifted_by_its_own_pixels(size):
    places = centres(6, 5, seed=2)
    found = CryoEM(ctf=False).simulate(gaussians(size, places).float(), POSES, OPTICS, SHIFTS)
    for k in range(4):
        move = torch.zeros(1, 3).double()
        move[0, :2] = SHIFTS[k] / OPTICS[k, 8]
        there = (places @ POSES[k].double().T + move) @ POSES[k].double()
        assert error(found[k : k + 1], projections(size, there, POSES[k : k + 1])) < 0.003


def test_the_ctf_acts_on_the_padded_image():
    size, places = 32, centres(6, 4, seed=2)
    found = CryoEM().simulate(gaussians(size, places).float(), POSES, OPTICS)
    wide = projections(2 * size, places, POSES).float()
    seen = FourierFilter(contrast_transfer(OPTICS, 2 * size))(wide)
    inside = slice(size // 2, size // 2 + size)
    assert error(found, seen[..., inside, inside].double()) < 0.01


def test_the_operator_of_a_batch_undoes_the_origin():
    """RELION's origin centres the image, so the particle lies at minus the origin."""
    volume = gaussians(16, centres(6, 3, seed=2)).float()
    batch = {"y": torch.zeros(4, 1, 16, 16), "pose": POSES, "ctf": OPTICS, "origin": -SHIFTS}
    model = CryoEM()
    H = model.operator(batch)
    expected = model.simulate(volume, POSES, OPTICS, SHIFTS)
    torch.testing.assert_close(H(volume), expected)
    centred = model.operator({k: v for k, v in batch.items() if k != "origin"})
    torch.testing.assert_close(centred(volume), model.simulate(volume, POSES, OPTICS))
    y = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    left, right = (H(volume) * y).sum(), (volume * H.adjoint(y)).sum()
    assert abs(left - right) < 1e-5 * H(volume).norm() * y.norm()


def test_a_volume_for_each_image():
    volumes = torch.stack([gaussians(12, centres(4, 2, seed=s)).float() for s in range(4)])
    model = CryoEM()
    found = model.simulate(volumes, POSES, OPTICS, SHIFTS)
    for k in range(4):
        one = slice(k, k + 1)
        expected = model.simulate(volumes[k], POSES[one], OPTICS[one], SHIFTS[one])
        torch.testing.assert_close(found[one], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options", [{"pad": 3}, {"interpolation": "linear"}, {"ctf": False}], ids=str
)
def test_every_option_changes_the_images(options):
    volume = gaussians(16, centres(4, 3, seed=2)).float()
    plain = CryoEM().simulate(volume, POSES, OPTICS)
    assert not torch.allclose(CryoEM(**options).simulate(volume, POSES, OPTICS), plain, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"pad": 0}, "forward.pad=0"), ({"interpolation": "cubic"}, "quadratic or linear")],
)
def test_bad_options_are_refused(options, told):
    with pytest.raises(UserError, match=told):
        CryoEM(**options)
