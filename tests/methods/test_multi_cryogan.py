"""Multi-cryoGAN: volumes of a code, what is drawn of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.cryoem import CryoEMData
from bioreco.engine.sampler import collate
from bioreco.errors import UserError
from bioreco.methods.conformations import Conformations, Motion, legendre
from bioreco.methods.density import Knowledge
from bioreco.methods.method import Facts
from bioreco.methods.multi_cryogan import MultiCryoGAN, drawn_codes
from bioreco.networks.critic import Critic
from bioreco.operators.cryoem import CryoEM

BOX = 16


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    samples = CryoEMData(seed=0, box=BOX, particles=16, snr=10.0, volume="hinge:60").training()
    found = collate([samples[k, k] for k in range(16)])
    return {key: torch.as_tensor(value) for key, value in found.items()}


def method(**motion: float) -> MultiCryoGAN:
    torch.manual_seed(0)
    critic = Critic(channels=4, blocks=2, hidden=8)
    return MultiCryoGAN(
        CryoEM(),
        critic,
        BOX,
        5.0,
        projections=6,
        motion=Motion(**motion),  # type: ignore[arg-type]
    )


def started(batch, **motion: float) -> MultiCryoGAN:
    made = method(**motion)
    made.prepare(Facts(batch=batch))
    return made


def test_legendre_polynomials_are_those_of_numpy():
    t = torch.linspace(-1, 1, 11)
    wanted = np.polynomial.legendre.legvander(t.numpy(), 3)[:, 1:]
    np.testing.assert_allclose(legendre(t, 3), wanted, atol=1e-6)


def test_the_mean_over_codes_is_the_mean_volume():
    torch.manual_seed(0)
    made = Conformations(BOX, Knowledge(positive=False), 2)
    made.start(torch.ones(BOX // 2 + 1), 0.5)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    volumes = made.at(torch.tensor((nodes + 1) / 2).float()).detach()
    mean = torch.einsum("v,vzyx->zyx", torch.tensor(weights / 2).float(), volumes)
    torch.testing.assert_close(mean, made().detach(), atol=1e-5, rtol=1e-4)
    away = (volumes - mean).square().flatten(1).sum(1)
    spread = float(torch.tensor(weights / 2).float() @ away / mean.square().sum()) ** 0.5
    masked = float(made.diversity())  # of the values before the mask, whose edge is soft
    assert spread == pytest.approx(masked, rel=0.05)


def test_codes_are_uniform_and_spread_in_each_draw():
    torch.manual_seed(0)
    codes = torch.stack([drawn_codes(4) for _ in range(500)])
    assert bool((torch.floor(4 * codes) == torch.arange(4)).all())
    inside = 4 * codes % 1
    assert float(inside.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(inside.var()) == pytest.approx(1 / 12, rel=0.1)


def test_volumes_stay_within_what_is_known():
    torch.manual_seed(0)
    made = Conformations(BOX, Knowledge(mask=0.7), 1)
    made.start(torch.ones(BOX // 2 + 1), 0.5)
    with torch.no_grad():
        made.changes[0].add_(torch.randn(BOX, BOX, BOX))
    made.restrain()
    volumes = made.at(torch.tensor([0.0, 0.5, 1.0])).detach()
    assert float(volumes.min()) >= 0
    assert float(volumes[:, 0, 0, 0].abs().max()) == 0
    assert not torch.equal(volumes[0], volumes[2])


def test_it_stands_still_at_first_and_then_moves(batch):
    made = started(batch, still=0.3)
    for progress, moves in ((0.1, False), (0.5, True)):
        *_, (player, losses) = made.step({**batch, "progress": torch.tensor(progress)})
        assert player == "volume"
        assert 0 < float(losses["diversity"]) < 1
        (slope,) = torch.autograd.grad(
            losses["adversarial"], [made.density.changes[0]], allow_unused=True
        )
        assert (slope is not None) == moves


def test_any_number_of_images_is_shared_evenly(batch):
    made = started(batch, volumes=4, still=0.0)
    assert [len(made._matter(images, 1.0)) for images in (8, 6, 5)] == [4, 2, 1]
    with torch.no_grad():
        assert set(made.validate({**batch, "y": batch["y"]})) == {"distance"}


def test_volumes_of_codes(batch):
    made = started(batch)
    volumes = made.volumes_at(torch.tensor([0.0, 0.5, 1.0]))
    assert volumes.shape == (3, BOX, BOX, BOX)
    torch.testing.assert_close(volumes[1], made.volume_now())


@pytest.mark.parametrize("wrong", [{"changes": 0}, {"volumes": 0}, {"still": 1.0}])
def test_a_wrong_option_is_told(wrong):
    (key,) = wrong
    with pytest.raises(UserError, match=f"{key}={wrong[key]:g}"):
        Motion(**wrong)
