"""Methods on k-space: what the network sees, what the loss sees, and that draws are repeatable."""

from __future__ import annotations

import pytest
import torch
from multicoil import scans
from torch import Tensor, nn

from bioreco.engine.validation import _plane
from bioreco.errors import UserError
from bioreco.methods import equivariance, response
from bioreco.methods.multimask_ssdu import MultiMaskSSDU
from bioreco.methods.naive_ssl import NaiveSSL
from bioreco.methods.splits import Split
from bioreco.methods.splitting import VALIDATION
from bioreco.methods.ssdu import SSDU
from bioreco.methods.supervised_mri import SupervisedMRI
from bioreco.methods.zs_ssl import ZeroShotSSL
from bioreco.networks.unrolled import Unrolled
from bioreco.operators.models import MRI, SMSMRI

SPLITTING = [SSDU, MultiMaskSSDU, NaiveSSL, ZeroShotSSL]
METHODS = [*SPLITTING, SupervisedMRI]


class Noting(nn.Module):
    """An unrolled network that notes what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = Unrolled(1, 1, 2, unrolls=1, blocks=0, channels=2, cg_iterations=3)
        nn.init.normal_(self.inner.prior.last.weight, std=0.05)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, H, y, support):
        self.seen.append((H.mask, y))
        return self.inner(H, y, support)


@pytest.fixture
def batch():
    return scans((0, 1), size=24, count=4)


def grad(method, losses):
    method.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    return [p.grad.clone() for p in method.parameters() if p.grad is not None]


@pytest.mark.parametrize("make", [SSDU, MultiMaskSSDU, ZeroShotSSL])
def test_the_network_never_sees_what_it_is_judged_by(make, batch):
    """Measurements that are in Lambda may change: the output doesn't, the loss does."""
    method = make(Noting(), MRI())
    ((_, before),) = method.step(batch)
    first = list(method.network.seen)
    changed = dict(batch)
    theta = first[0][0]
    hidden = batch["mask"] & ~theta
    if make is ZeroShotSSL:
        hidden = hidden & ~method.gamma(batch)
    changed["y"] = batch["y"] * torch.where(hidden, 5, 1)
    method.network.seen.clear()
    ((_, after),) = method.step(changed)
    assert torch.equal(first[0][0], method.network.seen[0][0])
    assert torch.equal(first[0][1], method.network.seen[0][1])
    assert float(before["split"].detach()) != float(after["split"].detach())


def test_masks_of_a_step_differ_and_steps_repeat(batch):
    method = MultiMaskSSDU(Noting(), MRI(), masks=3)
    ((_, losses),) = method.step(batch)
    masks = [mask for mask, _ in method.network.seen]
    assert len(masks) == 3
    assert not torch.equal(masks[0], masks[1])
    ((_, again),) = method.step(batch)
    assert torch.equal(losses["split"], again["split"])


def test_multimask_is_the_mean_of_its_splits(batch):
    multi, one = MultiMaskSSDU(Noting(), MRI(), masks=4), SSDU(Noting(), MRI())
    ((_, losses),) = multi.step(batch)
    found = grad(multi, losses)
    each = [one.losses(batch, number) for number in range(4)]
    mean = torch.stack([losses["split"] for losses in each]).mean()
    torch.testing.assert_close(losses["split"], mean)
    for a, b in zip(found, grad(one, {"split": mean}), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("make", METHODS)
def test_a_reconstruction_uses_all_measurements(make, batch):
    method = make(Noting(), MRI())
    x = method.reconstruct(batch).mean
    ((mask, y),) = method.network.seen
    assert torch.equal(mask, batch["mask"])
    assert torch.equal(y, batch["y"])
    assert x.shape == batch["x"].shape
    assert not x[(batch["maps"] == 0).all(2)].any()


@pytest.mark.parametrize("make", METHODS)
def test_losses_are_finite_and_reach_every_weight(make, batch):
    method = make(Noting(), MRI())
    ((player, losses),) = method.step(batch)
    assert player in method.players()
    gradients = grad(method, losses)
    assert len(gradients) == len(list(method.players()["network"]))
    assert all(bool(g.isfinite().all()) and bool(g.abs().sum() > 0) for g in gradients)


@pytest.mark.parametrize("make", SPLITTING)
def test_validation_is_the_same_whenever_and_unlike_training(make, batch):
    method = make(Noting(), MRI())
    with torch.no_grad():
        before = method.validate(batch)["split"]
        later = method.validate({**batch, "seed": batch["seed"] + 1})["split"]
    assert torch.equal(before, later)
    theta = method.network.seen[0][0]
    fixed = Split(pool=1).loss_set(batch["mask"], batch["item"])
    assert not torch.equal(batch["mask"] & ~fixed, theta)


def test_zero_shot_splits_in_three(batch):
    method = ZeroShotSSL(Noting(), MRI(), rho_validation=0.25, split=Split(rho=0.5))
    gamma = method.gamma(batch)
    list(method.step(batch))
    theta = method.network.seen[0][0]
    assert not (gamma & theta).any()
    rest = batch["mask"] & ~gamma
    held = method.split.loss_set(rest, batch["seed"])
    assert torch.equal(theta | held | gamma, batch["mask"])
    assert not (theta & held).any()
    assert torch.equal(gamma, replace_rho(method, 0.25).loss_set(
        batch["mask"], batch["item"], VALIDATION))  # fmt: skip
    method.network.seen.clear()
    method.validate(batch)
    assert torch.equal(method.network.seen[0][0], rest)
    changed = {**batch, "y": batch["y"] * torch.where(gamma, 3, 1)}
    ((_, before),), ((_, after),) = method.step(batch), method.step(changed)
    assert torch.equal(before["split"], after["split"])


def replace_rho(method, rho):
    return Split(rho=rho)


def test_options_change_the_loss(batch):
    def loss(**options):
        method = SSDU(Noting(), MRI(), **options)
        return float(torch.stack(list(next(method.step(batch))[1].values())).sum().detach())

    plain = loss()
    for options in (
        {"loss": "l1"}, {"loss": "l2"}, {"weighted": False}, {"equivariance": 0.1},
        {"split": Split(rho=0.2)},
    ):  # fmt: skip
        assert loss(**options) != pytest.approx(plain), options
    assert loss(equivariance=0.2) > loss(equivariance=0.1) > plain


def test_the_equivariance_term_teaches_by_finite_gradients(batch):
    method = SSDU(Noting(), MRI(), equivariance=1.0)
    ((_, losses),) = method.step(batch)
    found = grad(method, {"equivariance": losses["equivariance"]})
    assert all(bool(g.isfinite().all()) and bool(g.abs().sum() > 0) for g in found)


def test_the_share_of_a_change_that_comes_back_is_measured(batch):
    full = {**batch, "mask": torch.ones_like(batch["mask"])}
    H = MRI().operator(full | {"maps": torch.ones_like(batch["maps"]) / 2})

    def share(changed):
        def reconstruct(H, y):
            x = H.adjoint(y)
            return batch["x"] + changed * (x - batch["x"])

        x, found, added = response.measured(reconstruct, H, H(batch["x"]), batch["seed"])
        torch.testing.assert_close(x, batch["x"])
        return float(found.sum() / added.sum())

    assert share(1.0) == pytest.approx(1, abs=1e-4)
    assert share(0.9) == pytest.approx(0.9, abs=1e-4)


def test_spots_are_small_changes_drawn_for_each_sample():
    x, seeds = torch.ones(3, 2, 32, 40, dtype=torch.complex64), torch.tensor([1, 2, 1])
    drawn = response.spots(x, seeds)
    assert drawn.shape == x.shape
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0, 0], drawn[0, 1])
    assert 0.01 < float(drawn.abs().max()) < 4 * response.STRENGTH
    assert bool((drawn > 0.005).any() & (drawn < -0.005).any())


def test_naive_sees_what_it_is_judged_by(batch):
    method = NaiveSSL(Noting(), MRI())
    list(method.step(batch))
    assert torch.equal(method.network.seen[0][0], batch["mask"])


def test_turns_are_exact_and_keep_the_size():
    x = torch.randn(40, 2, 6, 9, dtype=torch.complex64)
    seeds = torch.arange(40)
    turned = equivariance.turn(x, seeds)
    assert turned.shape == x.shape
    assert torch.equal(turned, equivariance.turn(x, seeds))
    assert torch.equal(turned.abs().flatten(1).sort().values, x.abs().flatten(1).sort().values)
    square = equivariance.turn(x[:, :, :6, :6], seeds)
    assert square.shape == (40, 2, 6, 6)
    same = [torch.equal(a, b) for a, b in zip(x[:, :, :6, :6], square, strict=True)]
    assert sum(same) < 10


def test_an_exact_reconstruction_is_equivariant(batch):
    full = {**batch, "mask": torch.ones_like(batch["mask"])}
    maps = torch.ones_like(batch["maps"]) / 2
    H = MRI().operator({**full, "maps": maps})

    def inverse(H, y):
        return H.adjoint(y)

    loss = equivariance.disagreement(inverse, H, batch["x"], batch["seed"], loss="l2")
    assert float(loss) < 1e-5


def test_what_measurements_look_like_is_the_zero_filled_image(batch):
    method = SSDU(Noting(), MRI())
    look = method.look(batch)
    torch.testing.assert_close(look, MRI().operator(batch).adjoint(batch["y"]).abs())
    assert _plane(look).shape == (24, 24)
    plane = _plane(method.reconstruct(batch).mean.detach())
    assert (plane >= 0).all()
    assert not torch.is_tensor(plane)


def test_slices_excited_together_are_reconstructed_apart():
    one = scans((0, 1), size=24, count=8, every=2)
    batch = {key: value[:1] for key, value in one.items()}
    batch["maps"] = one["maps"].transpose(0, 1)
    batch["caipi"] = torch.tensor([[0.0, 12.0]])
    torch.manual_seed(0)
    method = SSDU(Unrolled(2, 2, 2, unrolls=1, blocks=0, channels=2), SMSMRI())
    ((_, losses),) = method.step(batch)
    assert bool(losses["split"].isfinite())
    assert method.reconstruct(batch).mean.shape == (1, 2, 24, 24)


@pytest.mark.parametrize(
    ("make", "options", "told"),
    [
        (SSDU, {"loss": "mse"}, "method.loss=mse"),
        (SSDU, {"equivariance": -1.0}, "method.equivariance=-1.0"),
        (MultiMaskSSDU, {"masks": 0}, "method.masks=0"),
        (ZeroShotSSL, {"rho_validation": 1.0}, "method.rho_validation=1.0"),
        (SupervisedMRI, {"loss": "l1_l3"}, "Did you mean 'l1_l2'"),
    ],
)
def test_wrong_options_are_told(make, options, told):
    with pytest.raises(UserError, match=told):
        make(Noting(), MRI(), **options)
