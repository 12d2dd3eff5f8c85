"""Particles are found in their images as far as noise allows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bioreco.methods.centring import centred, off_centre
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.rotations import random_rotations

SIZE, PIXEL, REACH = 48, 5.0, 10.0


def seen(signal: float, number: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Return images of three balls, their CTFs, and how far they lie off the centre (pixels)."""
    torch.manual_seed(0)
    along = (torch.arange(SIZE) - SIZE // 2) ** 2
    ball = torch.exp(-(along[:, None, None] + along[:, None] + along) / (2 * 3.0**2))
    places = ((5, 0, -3), (-4, 4, 0), (-1, -4, 3))
    volume = torch.stack([ball.roll(at, (0, 1, 2)) for at in places]).sum(0)
    ctf = torch.tensor([[15000.0, 15000, 0, 300, 2.7, 0.1, 0, 0, PIXEL]]).repeat(number, 1)
    ctf[:, :2] += torch.linspace(-5000, 10000, number)[:, None]
    shifts = REACH * (2 * torch.rand(number, 2) - 1)
    clean = CryoEM().simulate(volume, random_rotations(number), ctf, shifts)
    images = signal * clean / clean.std() + torch.randn(number, 1, SIZE, SIZE)
    return images, ctf, shifts / PIXEL


def test_strong_particles_are_found_within_half_a_pixel():
    images, ctf, shifts = seen(3.0)
    left = off_centre(images, ctf, REACH) - shifts
    assert float(left.square().mean().sqrt()) < 0.5 < float(shifts.square().mean().sqrt())


def test_particles_lost_in_noise_are_left_where_they_are():
    images, ctf, _ = seen(0.0)
    assert float(off_centre(images, ctf, REACH).square().mean().sqrt()) < 0.7


def test_nothing_is_moved_out_of_reach():
    images, ctf, _ = seen(3.0)
    assert float(off_centre(images, ctf, PIXEL).abs().max()) <= 1


def test_images_are_moved_by_what_was_found():
    images, ctf, shifts = seen(3.0)
    again = off_centre(centred(images, ctf, REACH), ctf, REACH)
    assert float(again.square().mean()) < 0.3 * float(shifts.square().mean())


def test_where_a_particle_lies_is_taken_as_given_by_the_gradient():
    images, ctf, _ = seen(3.0, 4)
    images.requires_grad_()
    moved = centred(images, ctf, REACH)
    (slope,) = torch.autograd.grad((moved**2).sum(), images)
    assert float(
        (slope - 2 * images.detach()).norm() / (2 * images.detach()).norm()
    ) == pytest.approx(0, abs=0.15)
