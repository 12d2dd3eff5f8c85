"""Whitening for critics: what is strong comes down to what is faint, in pieces of any shape."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from bioreco.methods.adversarial import Adversarial
from bioreco.methods.judges import Judges
from bioreco.methods.whitening import SAMPLES, Whitening, pieces
from bioreco.networks.critic import Critic


def blurred(*shape: int) -> torch.Tensor:
    """Return noise that is strong where it is coarse, and has a mean."""
    torch.manual_seed(0)
    spectrum = torch.fft.rfft2(torch.randn(shape))
    k = torch.hypot(*torch.meshgrid(
        torch.fft.fftfreq(shape[-2]), torch.fft.rfftfreq(shape[-1]), indexing="ij"
    ))  # fmt: skip
    return 5 + torch.fft.irfft2(spectrum * torch.exp(-6 * k), s=shape[-2:])


def power(images: torch.Tensor) -> torch.Tensor:
    spectrum = torch.fft.rfft2(images - images.mean(), norm="ortho")
    return spectrum.abs().square().mean((0, 1))


@pytest.mark.parametrize("shape", [(64, 2, 16, 16), (64, 1, 7, 12), (64, 1, 12, 7)])
def test_all_frequencies_are_equally_strong(shape):
    images = blurred(*shape)
    found = power(Whitening(images, 1.0)(images))
    torch.testing.assert_close(found, torch.ones_like(found), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_mean_square_is_one(share):
    images = blurred(64, 1, 12, 15)
    found = Whitening(images, share)(images)
    assert float((found - found.mean()).square().mean()) == pytest.approx(1, abs=1e-3)


def test_half_whitened_is_between():
    images = blurred(64, 1, 16, 16)
    before, after = (power(x) for x in (images, Whitening(images, 0.5)(images)))
    ratio = after / before.sqrt()
    torch.testing.assert_close(ratio / ratio.mean(), torch.ones_like(ratio), rtol=1e-3, atol=1e-3)


def test_what_is_not_there_is_not_made_strong():
    images = torch.full((4, 1, 8, 8), 3.0)
    images[:, :, :, ::2] = 4.0  # one frequency
    faint = images + 1e-4 * torch.randn(4, 1, 8, 8)
    assert float((Whitening(images, 1.0)(faint) - Whitening(images, 1.0)(images)).std()) < 0.2


def test_pieces_lie_side_by_side_in_images_of_any_size():
    a, b = torch.arange(36.0).view(1, 6, 6), torch.arange(100.0, 110.0).view(1, 5, 2)
    found = pieces([a, b], (3, 3))
    assert found.shape == (4, 1, 3, 3)  # the second is too narrow
    torch.testing.assert_close(found[1, 0], a[0, :3, 3:])
    assert pieces([torch.rand(1, 4, 9, 9)], (2, 3, 3)).shape == (18, 1, 2, 3, 3)


def test_of_many_pieces_some_are_taken_evenly():
    image = torch.arange(4.0 * SAMPLES).view(1, 4 * SAMPLES, 1)
    found = pieces([image], (1, 1)).flatten()
    assert len(found) == SAMPLES
    assert float(found[1] - found[0]) == float(found[-1] - found[-2]) == 4


def test_judges_see_each_plane_of_a_stack_whitened_for_itself():
    stack = blurred(8, 1, 6, 12, 10)
    seen: list[torch.Tensor] = []

    class Eye(Critic):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().forward(x)

    judges = Judges(partial(Eye, channels=2, blocks=1, hidden=2), 1, ("xy", "xz"), Adversarial())
    judges.whiten(stack, 1.0)
    judges.fooled(stack)
    assert [x.shape[-2:] for x in seen] == [(12, 10), (6, 10)]
    for x in seen:
        torch.testing.assert_close(power(x), torch.ones_like(power(x)), rtol=1e-3, atol=1e-3)
