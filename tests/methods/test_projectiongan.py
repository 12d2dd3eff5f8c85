"""projectionGAN: what it may not change, what it learns from, what it scales."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioreco.data.tomograms.simulated import Microscope
from bioreco.engine.projections import Projections
from bioreco.engine.sampler import collate
from bioreco.errors import UserError
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.directions import Directions
from bioreco.methods.method import Facts
from bioreco.methods.projectiongan import ProjectionGAN
from bioreco.methods.tomography import GerchbergPapoulis
from bioreco.networks.critic import Critic
from bioreco.networks.unet import UNet
from bioreco.operators import parallel
from bioreco.operators.odt import ODT

SIDE = 24
FEW = Directions(("x", "z"), views=8)


@pytest.fixture(scope="module")
def batch():
    return collate([Microscope(views=17).tomogram(0, 0, SIDE).batch(SIDE)])


def made(network: nn.Module | None = None, **options) -> ProjectionGAN:
    torch.manual_seed(0)
    net = network or UNet(1, 1, 2, channels=2, depth=1)
    critic = Critic(channels=2, blocks=2, kernel=3, hidden=4)
    return ProjectionGAN(net, ODT(), critic, **{"iterations": 5, "directions": FEW, **options})


def samples(method: ProjectionGAN, batch) -> Projections:
    return Projections([method.projections(batch)])


def test_what_was_measured_is_never_changed():
    method = made()
    seen = (torch.rand(3, SIDE, SIDE) > 0.5).float()
    seen = torch.maximum(seen, seen.flip((1, 2)).roll((1, 1), (1, 2)))
    y = parallel.kept(torch.randn(3, 1, SIDE, SIDE), seen[:, None])
    found = method.enhance(y, seen).detach()
    torch.testing.assert_close(parallel.kept(found, seen[:, None]), y, atol=1e-5, rtol=0)
    assert float((found - y).abs().max()) > 1e-3


def test_clean_and_blurred_projections_are_told_apart(batch):
    method = made()
    projected = method.projections(batch)
    poses = FEW.every
    assert len(projected.blurred) == int(FEW.blurred(poses).sum()) < len(poses)
    assert len(projected.clean) == 8
    assert float(parallel.tilts(FEW.near).max()) <= 0.35
    lost = parallel.kept(projected.blurred, 1 - projected.seen.float())
    assert float(lost.abs().max()) < 1e-4 * float(projected.blurred.abs().max())


def test_a_sample_is_repeatable_and_unpaired(batch):
    held = samples(made(), batch)
    one, again, other = held[3, 7], held[3, 7], held[3, 8]
    assert all((one[key] == again[key]).all() for key in one)
    assert (one["y"] == other["y"]).all()
    assert (one["x"] != other["x"]).any() or (one["lost"] != other["lost"]).any()
    (validated,) = held.validation()
    assert validated["y"].shape[1:] == (1, SIDE, SIDE)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_step_updates_the_critic_then_the_generator(batch, steps):
    method = made(critic_steps=steps, adversarial=Adversarial("least_squares"))
    held = samples(method, batch)
    method.prepare(Facts(images=held.clean))
    drawn = collate([held[k, k] for k in range(4)])
    players = []
    for player, losses in method.step(drawn):
        players.append(player)
        total = sum(losses.values())
        parameters = list(method.players()[player])
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        assert any(g is not None and float(g.abs().max()) > 0 for g in gradients)
    assert players == ["critic"] * steps + ["network"]
    assert set(method.validate(drawn)) == {"cycle"}


def test_the_scale_is_learnt_once_and_kept(batch):
    method = made()
    held = samples(method, batch)
    method.prepare(Facts(images=held.clean))
    assert float(method.unit) == pytest.approx(3 * float(torch.cat(held.clean).std()))
    other = made()
    other.load_state_dict(method.state_dict())
    assert float(other.unit) == float(method.unit)


class Zero(nn.Module):
    def forward(self, x):
        return 0 * x


def test_without_enhancement_it_is_near_to_what_it_started_from(batch):
    start = GerchbergPapoulis(ODT(), iterations=5).reconstruct(batch).mean
    found = made(Zero(), directions=Directions(views=24)).reconstruct(batch).mean
    assert found.shape == start.shape
    assert float((found - start).norm()) < 0.3 * float((start - 1.337).norm())
    assert float(found.min()) >= 1.337 - 1e-6


def test_options_change_the_result(batch):
    first = made().reconstruct(batch).mean
    for options in (
        {"start": "rytov"},
        {"iterations": 2},
        {"finish": 4},
        {"directions": Directions(("z",), views=8)},
        {"directions": Directions(("x", "z"), views=6)},
        {"directions": Directions(("x", "z"), views=8, clean=60.0)},
    ):
        assert float((made(**options).reconstruct(batch).mean - first).abs().max()) > 1e-5, options


def test_weights_of_the_losses_and_the_pool_count(batch):
    def last(**options):
        method = made(**options)
        held = samples(method, batch)
        method.prepare(Facts(images=held.clean))
        drawn = collate([held[k, k] for k in range(4)])
        losses = [found for _, found in method.step(drawn)][-1]
        return float(losses["cycle"].detach())

    assert last(cycle=5.0) == pytest.approx(last() / 2)
    assert made(pool=0).pool.size == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "iterations=0"),
        ({"critic_steps": 0}, "critic_steps=0"),
        ({"finish": 0}, "finish=0"),
        ({"cycle": 0.0}, "cycle=0"),
    ],
)
def test_a_wrong_option_is_told(options, words):
    with pytest.raises(UserError, match=words):
        made(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": ("x", "w")}, "any of x, y, z"),
        ({"axes": ()}, "at least one axis"),
        ({"views": 2}, "at least 4 views"),
        ({"clean": 90.0}, "0 to 90 degrees"),
    ],
)
def test_wrong_directions_are_told(options, words):
    with pytest.raises(UserError, match=words):
        Directions(**options)
