"""The encoder follows turns by its build; the decoder is a function of place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.sprites import draw
from bioreco.errors import UserError
from bioreco.metrics.circular import wrapped
from bioreco.networks.coordinates import Coordinates
from bioreco.networks.polar_encoder import PolarEncoder


def sprites(psi: np.ndarray) -> torch.Tensor:
    count = len(psi)
    codes = np.full((count, 2), 0.4)
    return torch.from_numpy(draw(psi, np.zeros((count, 2)), codes, 28))[:, None]


def test_turning_an_image_turns_the_angle_and_nothing_else():
    """Before any training; the disc of a square grid is turned within an error of its pixels."""
    torch.manual_seed(0)
    psi = np.linspace(-3, 3, 9)
    with torch.no_grad():
        code = PolarEncoder(2)(sprites(psi))
    away = wrapped(code.angle.numpy() - psi)
    assert np.abs(wrapped(away - away[0])).max() < 0.03
    for value in (code.content, code.shift, code.angle_spread):
        assert float((value - value[0]).abs().max()) < 5e-3


def test_brightness_does_not_change_what_is_said():
    torch.manual_seed(0)
    encoder, images = PolarEncoder(3), sprites(np.array([0.3, 1.0]))
    with torch.no_grad():
        one, other = encoder(images), encoder(7 * images)
    torch.testing.assert_close(one.angle, other.angle)
    torch.testing.assert_close(one.content, other.content)
    assert one.content.shape == (2, 3)


def test_brightness_is_that_of_a_place():
    torch.manual_seed(0)
    decoder = Coordinates(2)
    places, content = torch.rand(3, 5, 2), torch.randn(3, 2)
    found = decoder(places, content)
    torch.testing.assert_close(found[:, 2:3], decoder(places[:, 2:3], content))
    assert not torch.allclose(found, decoder(places + 0.2, content))
    assert not torch.allclose(found, decoder(places, content + 1))


def test_detail_is_that_of_the_waves():
    along = torch.linspace(-1, 1, 200)
    places = torch.stack([along, 0 * along], 1)[None]
    rough = []
    for detail in (0.3, 3.0):
        torch.manual_seed(0)
        with torch.no_grad():
            line = Coordinates(1, detail=detail, waves=64)(places, torch.zeros(1, 1))[0]
        rough.append(float(line.diff().std() / line.std()))
    assert rough[1] > 3 * rough[0]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: PolarEncoder(2, angles=17), "an even number of angles"),
        (lambda: PolarEncoder(2, channels=0), "channels=0"),
        (lambda: Coordinates(2, waves=-1), "waves=-1"),
        (lambda: Coordinates(2, detail=0.0), "detail above 0"),
    ],
)
def test_a_wrong_option_is_told(make, told):
    with pytest.raises(UserError, match=told):
        make()


def test_options_change_the_networks():
    sizes = {
        sum(p.numel() for p in made.parameters())
        for made in (
            Coordinates(2), Coordinates(2, waves=0), Coordinates(2, hidden=8),
            Coordinates(2, layers=3), PolarEncoder(2), PolarEncoder(2, radii=7),
            PolarEncoder(2, angles=24), PolarEncoder(2, channels=8), PolarEncoder(2, hidden=8),
        )
    }  # fmt: skip
    assert len(sizes) == 9
