"""The generator: sizes, and what its options change."""

from __future__ import annotations

import pytest
import torch

from bioreco.errors import UserError
from bioreco.networks.generator import Generator


@pytest.mark.parametrize("size", [16, 20, 27])
def test_images_have_the_size_that_is_asked_for(size):
    assert Generator(5, size)(torch.randn(3, 5)).shape == (3, 1, size, size)


def test_other_numbers_make_other_images():
    torch.manual_seed(0)
    made = Generator(4, 16)
    one, other = made(torch.randn(2, 4))
    assert float((one - other).abs().max().detach()) > 0.01


def test_options_change_the_network():
    sizes = {
        sum(p.numel() for p in made.parameters())
        for made in (Generator(4, 16), Generator(4, 16, channels=4), Generator(4, 16, blocks=3))
    }
    assert len(sizes) == 3


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"blocks": 0}, {"blocks": 5}])
def test_a_wrong_option_is_told(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        Generator(4, 16, **wrong)
