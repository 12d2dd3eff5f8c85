"""Sprites: their truth, their blur and noise, and their files."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.writer import write_particles
from bioreco.data.sprites import Sprites, draw
from bioreco.errors import UserError

CODE = np.array([[0.5, -0.3]])


def one(psi: float, moved: tuple[float, float] = (0.0, 0.0), sigma: float = 0.0) -> np.ndarray:
    return draw(np.array([psi]), np.array([moved]), CODE, 28, sigma)[0]


def test_a_quarter_turn_turns_the_image():
    """Passive, as RELION's psi: (1, 0) goes to (0, -1), about the pixel N // 2."""
    inner = one(0.0)[1:, 1:]
    np.testing.assert_allclose(one(np.pi / 2)[1:, 1:], np.rot90(inner, 1), atol=1e-5)


def test_a_shift_moves_the_image():
    np.testing.assert_allclose(one(0.4, (2.0, -1.0))[4:-4, 4:-4], one(0.4)[5:-3, 2:-6], atol=1e-5)


def test_the_blur_is_that_of_a_gaussian():
    found = ndimage.gaussian_filter(one(0.7).astype(float), 1.5, mode="constant")
    np.testing.assert_allclose(one(0.7, sigma=1.5)[4:-4, 4:-4], found[4:-4, 4:-4], atol=4e-3)


def test_noise_has_a_deviation_of_one_on_the_scale_of_training():
    data = Sprites(seed=0, particles=200, noise=0.3, shift=0.0)
    samples = data.training()
    seen = np.stack([samples[k, 0]["y"][0] for k in range(200)])
    clean = draw(angles(data), np.zeros((200, 2)), data.codes, 28) / 0.3
    assert (seen - clean).std() == pytest.approx(1, abs=0.01)
    assert data.unit == 0.3


def angles(data: Sprites) -> np.ndarray:
    return np.arctan2(data.particles.poses[:, 0, 1], data.particles.poses[:, 0, 0])


def test_options_bound_angles_and_shifts():
    data = Sprites(seed=1, particles=500, turn=20.0, shift=3.0)
    assert 19 < np.rad2deg(np.abs(angles(data)).max()) <= 20
    assert 2.9 < np.abs(data.particles.origins).max() <= 3
    assert Sprites(seed=1, particles=3, box=40).training()[0, 0]["y"].shape == (1, 40, 40)


def test_further_sprites_are_others_of_the_same_kind():
    data = Sprites(seed=0, particles=400)
    other = data.clean(400)
    assert other.shape == (400, 28, 28)
    mean = np.mean([data.particles.source.signal[k] * data.unit for k in range(400)], 0)
    assert np.abs(other.mean(0) - mean).max() < 0.1
    assert not np.allclose(other[0], data.particles.source.signal[0] * data.unit)
    np.testing.assert_array_equal(other, Sprites(seed=0, particles=10).clean(400))


def test_files_of_sprites_are_read_with_their_angles(tmp_path):
    data = Sprites(seed=0, particles=20, turn=170.0)
    star, *_ = write_particles(data.particles, tmp_path, label="sprites")
    again = CryoEMData(seed=0, paths=[str(star)], contrast="white")
    np.testing.assert_allclose(again.particles.poses, data.particles.poses, atol=1e-4)
    np.testing.assert_allclose(again.particles.origins, data.particles.origins, atol=1e-4)
    assert again.pixel_size == 1.0


@pytest.mark.parametrize("wrong", [{"noise": 0.0}, {"box": 8}, {"turn": 200.0}, {"sigma": -1.0}])
def test_a_wrong_option_is_told(wrong):
    key = next(iter(wrong))
    with pytest.raises(UserError, match=rf"data\.{key}={wrong[key]:g}"):
        Sprites(seed=0, **wrong)
