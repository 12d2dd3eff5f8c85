"""Spatial-VAE: its conventions, its bound, and what is known of particles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.principal_axis import principal_axis
from bioreco.methods.spatial_vae import SpatialVAE, _divergence
from bioreco.metrics.circular import wrapped
from bioreco.networks.coordinates import Coordinates
from bioreco.networks.polar_encoder import Code, PolarEncoder
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer
from bioreco.operators.identity import Identity

BOX = 28


class Spot(nn.Module):
    """A decoder that shows one spot at the place (0.4, 0.1) of the frame of the particle."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, places: Tensor, content: Tensor) -> Tensor:
        away = (places - torch.tensor([0.4, 0.1])).square().sum(-1)
        return self.weight * torch.exp(-away / 0.02)


class Says(nn.Module):
    """An encoder that says the same of every image."""

    def __init__(self, angle: float, shift: tuple[float, float]) -> None:
        super().__init__()
        self.angle, self.shift = angle, torch.tensor([shift])

    def forward(self, images: Tensor) -> Code:
        count, none = len(images), torch.zeros(len(images), 2)
        angle = torch.full((count,), self.angle)
        return Code(angle, none[:, 0], self.shift.expand(count, 2), none, none, none, none)


def method(forward: object = Identity(), **options: object) -> SpatialVAE:
    torch.manual_seed(0)
    return SpatialVAE(forward, PolarEncoder, Coordinates, BOX, **options)  # type: ignore[arg-type]


def batch(count: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    row = torch.tensor([15000.0, 14000.0, 0.3, 300.0, 2.7, 0.1, 0.0, 0.0, 5.0])
    return {
        "y": torch.randn(count, 1, BOX, BOX, generator=generator),
        "ctf": row.repeat(count, 1),
        "seed": torch.arange(count),
        "progress": torch.tensor(0.5),
    }


def centre(image: Tensor) -> np.ndarray:
    """Return the centre of mass (x, y) in pixels from N // 2."""
    values = image.detach().numpy()
    along = np.arange(BOX) - BOX // 2
    return np.array([(values.sum(0) * along).sum(), (values.sum(1) * along).sum()]) / values.sum()


def test_angles_and_origins_are_relions():
    """x_image = A x_reference - origin, with the passive rotation."""
    psi = 0.8
    made = SpatialVAE(Identity(), lambda _: Says(psi, (0.6, -0.9)), Spot, BOX, shift=0.1)
    placed = made.placed(batch(1))
    assert float(placed.psi) == pytest.approx(psi)
    turned = np.array([[math.cos(psi), math.sin(psi)], [-math.sin(psi), math.cos(psi)]])
    wanted = turned @ (np.array([0.4, 0.1]) * BOX / 2) - placed.origin[0].numpy()
    np.testing.assert_allclose(centre(made.reconstruct(batch(1)).mean[0, 0]), wanted, atol=0.02)


def test_views_show_particles_in_their_own_frame():
    made = SpatialVAE(Identity(), lambda _: Says(0.8, (0.0, 0.0)), Spot, BOX)
    np.testing.assert_allclose(centre(made.view(torch.zeros(1, 2))[0, 0]), [5.6, 1.4], atol=0.02)


def test_a_step_is_the_bound():
    """Misfit and divergence by hand, with codes that hardly vary."""
    made = SpatialVAE(Identity(), lambda _: Says(0.5, (0.3, 0.0)), Spot, BOX, anneal=0.0, align=0.0)
    given = batch()
    spread = math.exp(-6.0)
    for name in ("angle_spread", "shift_spread", "content_spread"):
        forward = made.encoder.forward
        made.encoder.forward = lambda images, f=forward, n=name: _tight(f(images), n)
    (who, losses), = made.step(given)  # fmt: skip
    clean = made.reconstruct(given).mean
    assert who == "vae"
    expected = 0.5 * (clean - given["y"]).square().mean()
    assert losses["misfit"].item() == pytest.approx(expected.item(), rel=1e-3)
    each = 0.5 * (spread**2 - 1) + 6.0
    assert losses["kl"].item() == pytest.approx((5 * each + 0.5 * 0.09) / BOX**2, rel=1e-4)


def _tight(code: Code, name: str) -> Code:
    values = {**vars(code), name: torch.full_like(getattr(code, name), -9.0)}
    return Code(**values)


def test_the_divergence_is_that_of_gaussians():
    mean, spread = torch.tensor(0.7), torch.tensor(0.4)
    found = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, spread), torch.distributions.Normal(0.0, 1.0)
    )
    assert float(_divergence(mean, spread)) == pytest.approx(float(found))


def test_the_weight_of_the_divergence_grows():
    made, given = method(anneal=0.4, align=0.0), batch()
    told = []
    for progress in (0.1, 0.2, 0.4, 0.9):
        torch.manual_seed(0)
        given["progress"] = torch.tensor(progress)
        told.append(next(iter(made.step(given)))[1]["kl"].item())
    np.testing.assert_allclose(np.array(told) / told[-1], [0.25, 0.5, 1, 1], rtol=1e-4)
    torch.manual_seed(0)
    twice = next(iter(method(anneal=0.4, align=0.0, kl_weight=2.0).step(given)))[1]["kl"].item()
    assert twice == pytest.approx(2 * told[-1], rel=1e-4)


def test_particles_are_shown_through_their_ctf():
    made, given = method(CryoEM()), batch(1)
    image = torch.zeros(1, 1, BOX, BOX)
    image[..., 12:16, 12:16] = 1.0
    found = made.seen(image, given)
    wide = torch.zeros(1, 1, 2 * BOX, 2 * BOX)
    wide[..., 14:42, 14:42] = image
    transfer = contrast_transfer(given["ctf"], 2 * BOX)
    wanted = torch.fft.irfft2(torch.fft.rfft2(wide) * transfer)[..., 14:42, 14:42]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    for model in (CryoEM(ctf=False), Identity()):
        assert method(model).seen(image, given) is image


def test_priors_say_how_far_codes_reach():
    given = batch()
    one, other = method(shift=0.1), method(shift=0.4)
    np.testing.assert_allclose(4 * one.placed(given).origin, other.placed(given).origin, rtol=1e-5)
    narrow = method(turn=45.0).placed(given).psi_spread
    np.testing.assert_allclose(4 * narrow, method().placed(given).psi_spread, rtol=1e-5)
    assert method(latent=3).placed(given).content.shape == (4, 3)


def test_a_restored_method_says_the_same():
    one, given = method(), batch()
    torch.manual_seed(9)
    other = SpatialVAE(Identity(), PolarEncoder, Coordinates, BOX)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.reconstruct(given).mean, one.reconstruct(given).mean)
    assert one.validate(given)["mse"].item() > 0.5


def test_moments_tell_the_angle_of_a_lopsided_image():
    psi = np.linspace(-3, 3, 13)
    along = np.array([0.0, 0.0, 0.0, 3.0, 6.0, 9.0])
    grid = np.arange(BOX) - BOX // 2
    images = []
    for angle in psi:
        x, y = np.cos(angle) * along, -np.sin(angle) * along
        spots = (
            np.exp(-((grid - x[:, None]) ** 2) / 4)[:, None],
            np.exp(-((grid - y[:, None]) ** 2) / 4),
        )
        images.append(20 * (spots[1][:, :, None] * spots[0]).sum(0))
    found = principal_axis(torch.tensor(np.stack(images))[:, None].float())
    assert np.abs(wrapped(found.numpy() - psi)).max() < 0.1


def test_at_first_there_is_no_code_and_angles_are_searched():
    made, given = method(align=0.6), batch()
    ((_, early),) = made.step(given)
    weight = made.decoder.content.weight
    (slope,) = torch.autograd.grad(early["misfit"] + early["kl"], weight)
    assert float(slope.abs().max()) == 0
    assert "direction" in early
    given["progress"] = torch.tensor(0.7)
    ((_, late),) = made.step(given)
    assert "direction" not in late
    (slope,) = torch.autograd.grad(late["misfit"], weight)
    assert float(slope.abs().max()) > 0


def test_the_angles_that_are_searched_fit():
    made = SpatialVAE(Identity(), lambda _: Says(0.0, (0.0, 0.0)), Spot, BOX)
    psi = torch.linspace(-3, 3, 7)
    none = torch.zeros(7, 2)
    y = 20 * made.decode(psi, none, none).detach()
    found = made._fitting({"y": y})
    assert np.abs(wrapped(found.numpy() - psi.numpy())).max() < np.deg2rad(5.1)


def test_the_surprise_at_an_angle_is_least_where_the_image_points():
    around = torch.full((1, 48), -9.0)
    around[0, 12] = 0.0  # a direction of 90 degrees
    none = torch.zeros(1, 2)
    code = Code(none[:, 0], none[:, 0], none, none, none, none, around.log_softmax(1))
    angles = torch.linspace(-3, 3, 61)
    told = torch.stack([code.surprise(angle[None])[0] for angle in angles])
    assert float(angles[told.argmin()]) == pytest.approx(-math.pi / 2, abs=0.06)
    assert float(told.max() - told.min()) > 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"latent": 0},
        {"turn": 0.0},
        {"shift": -1.0},
        {"anneal": 1.0},
        {"align": 1.0},
        {"kl_weight": 0.0},
    ],
)
def test_a_wrong_option_is_told(wrong):
    key = next(iter(wrong))
    with pytest.raises(UserError, match=f"{key}={wrong[key]:g}"):
        method(**wrong)
