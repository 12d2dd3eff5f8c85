"""What keeps a cycle honest: saliency, a spatial constraint, one generator for both ways."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from bioreco.errors import UserError
from bioreco.methods.constraints import Constraints
from bioreco.methods.method import Facts
from bioreco.methods.ot_cyclegan import OTCycleGAN
from bioreco.methods.saliency import Saliency, otsu
from bioreco.methods.spatial import Spatial
from bioreco.networks.critic import Critic
from bioreco.networks.forward import ForwardNetwork, Switched
from bioreco.networks.switchable import Switchable
from bioreco.networks.unet import UNet
from bioreco.operators.blur import Blur


def critic(inputs: int = 1) -> Critic:
    return Critic(inputs=inputs, channels=2, blocks=2, hidden=4)


def made(network=None, forward=None, **options) -> OTCycleGAN:
    torch.manual_seed(0)
    model = forward or Blur(2, None, None, psf="gaussian", sigma=1.0)
    network = network or UNet(1, 1, 2, channels=2, depth=1)
    return OTCycleGAN(network, model, 2, 1, critic, **options)


def batch() -> dict[str, torch.Tensor]:
    ones = torch.ones(2, 1)
    shape = (2, 1, 16, 16)
    return {"y": torch.randn(shape), "sharp": torch.randn(shape), "unit": ones, "shift": 0 * ones}


def squares(dark: float, bright: float) -> torch.Tensor:
    image = torch.full((1, 32, 32), dark)
    image[:, 8:16, 8:16] = bright
    return image


def test_otsus_threshold_is_that_of_scikit_image():
    from skimage.filters import threshold_otsu

    torch.manual_seed(0)
    for bright in (0.4, 0.6, 0.8):
        values = torch.cat([0.1 * torch.randn(2000) + 0.2, 0.1 * torch.randn(900) + bright])
        values = values.clamp(0, 1)
        told = threshold_otsu(values.numpy(), 256)
        assert otsu(values) == pytest.approx(told, abs=2 / 256)


def test_saliency_is_kept_when_structure_is_and_paid_when_it_is_lost():
    constraint = Saliency(weight=2.0)
    y, x = squares(10.0, 20.0), squares(-3.0, 5.0)
    constraint.prepare([y], [x])
    kept = float(constraint.loss(y[None], x[None], 0.0))
    inverted = float(constraint.loss(y[None], 2 - x[None], 0.0))
    assert kept < 0.01 * inverted
    assert inverted > 1.9
    turned = Saliency(weight=2.0, dark=True, decay=1.0)
    turned.set_extra_state(constraint.get_extra_state())
    assert float(turned.loss(y[None], 2 - x[None], 0.0)) < 0.05
    whole = float(turned.loss(y[None], x[None], 0.0))
    assert float(turned.loss(y[None], x[None], 1.0)) == pytest.approx(whole / 2.71828, rel=1e-3)
    assert (
        Saliency(weight=1.0, slope=1.0).mask(y, "measured").std()
        < constraint.mask(y, "measured").std()
    )


def test_saliency_is_a_term_of_the_generator_and_knows_both_domains():
    method = made(constraints=partial(Constraints, saliency=Saliency(weight=3.0)))
    scale = (torch.zeros(1), torch.ones(1))
    noise: list = [[]]
    facts = Facts([squares(0.0, 1.0)], [], noise, sharp=[squares(-2.0, 7.0)])
    method.prepare(facts)
    assert method.constraints.saliency.domains["sharp"]["high"] == pytest.approx(7, abs=0.1)
    losses = dict(method.step(batch() | {"progress": torch.tensor(0.5)}))["network"]
    assert losses["saliency"] > 0
    assert losses["saliency"].requires_grad
    assert "saliency" not in dict(made().step(batch()))["network"]
    assert scale[0] == 0


def test_the_spatial_constraint_trains_its_network_with_the_generator():
    small = partial(ForwardNetwork, channels=2)
    method = made(constraints=partial(Constraints, spatial=partial(Spatial, small, weight=2.0)))
    losses = dict(method.step(batch()))["network"]
    assert losses["spatial"] > 0
    parameters = list(method.constraints.parameters())
    found = torch.autograd.grad(losses["spatial"], [*parameters, *method.network.parameters()])
    assert all(bool(g.abs().sum() > 0) for g in found[: len(parameters)])
    own = {id(p) for p in method.players()["network"]}
    assert {id(p) for p in parameters} <= own
    off = made(constraints=partial(Constraints, spatial=partial(Spatial, small)))
    assert "spatial" not in dict(off.step(batch()))["network"]
    assert not list(off.constraints.parameters())


def test_one_generator_goes_both_ways():
    network = Switchable(1, 1, 2, channels=2, depth=1)
    method = made(network, Switched())
    with torch.no_grad():
        for block in (*network.encoder, *network.decoder):
            block.mean[1] += 0.5
    steps = dict(method.step(batch()))
    assert list(steps) == ["critic", "measured_critic", "network"]
    assert {"adversarial", "adversarial_measured", "cycle"} <= steps["network"].keys()
    players = {name: list(p) for name, p in method.players().items()}
    assert not players["forward"]
    assert players["measured_critic"]
    x = batch()["sharp"]
    H = method.forward_model.operator()
    assert not torch.allclose(H(x), method.sharpen(x))
    assert not any(key.startswith("forward_model") for key in method.state_dict())


def test_only_a_switchable_network_can_be_switched():
    with pytest.raises(UserError, match="forward=switched turns the generator around"):
        made(forward=Switched())


@pytest.mark.parametrize(
    "wrong", [{"weight": -1.0}, {"slope": 0.0}, {"decay": -1.0}],
)  # fmt: skip
def test_a_wrong_saliency_is_told(wrong):
    with pytest.raises(UserError, match=r"method\.saliency: weight="):
        Saliency(**wrong)


def test_a_negative_spatial_weight_is_told():
    with pytest.raises(UserError, match=r"method\.spatial\.weight=-1: not negative"):
        Spatial(ForwardNetwork, 1, 2, weight=-1.0)
