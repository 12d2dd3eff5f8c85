"""What is told of a tomogram without its truth."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioreco.cli.tomograms.doubting import noise_like, told
from bioreco.data.tomograms.simulated import Microscope
from bioreco.engine.sampler import collate
from bioreco.methods.directions import Directions
from bioreco.methods.projectiongan import ProjectionGAN
from bioreco.methods.tomography import FourierBinning
from bioreco.networks.critic import Critic
from bioreco.operators.odt import ODT

SIDE = 24
KEPT = {"data_residual", "residual_over_sigma", "cycle_residual", "empty_output"}


@pytest.fixture(scope="module")
def cell():
    return Microscope(views=17).tomogram(0, 0, SIDE)


class Lines(nn.Module):
    """Adds the same lines to whatever it sees."""

    def forward(self, x):
        return torch.zeros_like(x) + (torch.arange(x.shape[-1]) % 4 == 0) * 0.5


class Nothing(nn.Module):
    def forward(self, x):
        return 0 * x


def made(network, axes=("x", "y")) -> ProjectionGAN:
    critic = Critic(channels=2, blocks=2, hidden=4)
    return ProjectionGAN(network, ODT(), critic, iterations=3, directions=Directions(axes, 8))


def test_a_result_that_was_not_measured_is_told(cell):
    batch, truth = collate([cell.batch(SIDE)]), cell.truth.index
    right, none = told(FourierBinning(ODT()), batch, truth)
    wrong, _ = told(FourierBinning(ODT()), batch, 2 * truth - truth.min())
    assert set(right) == {"data_residual", "residual_over_sigma"}
    assert none is None
    assert 0.7 < right["residual_over_sigma"] < 1.3
    assert wrong["residual_over_sigma"] > 2 * right["residual_over_sigma"]
    assert wrong["data_residual"] > 2 * right["data_residual"]


def test_what_a_generator_adds_to_everything_is_told(cell):
    batch = collate([cell.batch(SIDE)])
    numbers = {}
    for network in (Nothing(), Lines()):
        method = made(network)
        index = method.reconstruct(batch).mean[0, 0].numpy()
        numbers[type(network)], differing = told(method, batch, index)
        assert differing.shape == index.shape
    assert set(numbers[Lines]) == {*KEPT, "axes_doubt"}
    assert numbers[Lines]["empty_output"] > 2 * numbers[Nothing]["empty_output"]
    alone, differing = told(made(Lines(), axes=("x",)), batch, index)
    assert set(alone) == KEPT
    assert differing is None


def test_noise_is_as_strong_as_beyond_the_light(cell):
    found = noise_like(torch.from_numpy(cell.fields)[None])
    for part in (found.real, found.imag):
        assert float(part.std()) == pytest.approx(Microscope().noise, rel=0.05)
