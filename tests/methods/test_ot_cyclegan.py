"""OT-cycleGAN: which players there are, what they minimise, and what is refused."""

from __future__ import annotations

import pytest
import torch

from bioreco.errors import UserError
from bioreco.methods.camera import Camera
from bioreco.methods.method import Facts
from bioreco.methods.ot_cyclegan import OTCycleGAN
from bioreco.methods.pool import Pool
from bioreco.metrics.noise import Noise
from bioreco.networks.critic import Critic
from bioreco.networks.forward import ForwardNetwork
from bioreco.networks.unet import UNet
from bioreco.operators.blur import Blur
from bioreco.operators.learnable_psf import LearnablePSF


def critic(inputs: int = 1, blocks: int = 3, head: str = "grid") -> Critic:
    return Critic(inputs=inputs, channels=2, blocks=blocks, hidden=4, head=head)


def made(forward=None, dims: int = 2, **options) -> OTCycleGAN:
    torch.manual_seed(0)
    model = forward or Blur(dims, None, None, psf="gaussian", sigma=1.0)
    return OTCycleGAN(UNet(1, 1, dims, channels=2, depth=1), model, dims, 1, critic, **options)


def batch(dims: int = 2, count: int = 2) -> dict[str, torch.Tensor]:
    shape = (count, 1, 16, 16) if dims == 2 else (count, 1, 6, 16, 16)
    ones = torch.ones(count, 1)
    return {
        "y": torch.randn(shape), "sharp": torch.randn(shape), "unit": 10 * ones, "shift": 50 * ones,
    }  # fmt: skip


@pytest.mark.parametrize("dims", [2, 3])
def test_with_a_known_forward_model_there_is_no_critic_of_measurements(dims):
    method = made(dims=dims)
    steps = dict(method.step(batch(dims)))
    assert list(steps) == ["critic", "network"]
    assert set(steps["network"]) == {"adversarial", "cycle", "cycle_sharp"}
    players = {name: list(p) for name, p in method.players().items()}
    assert not players["measured_critic"]
    assert not players["forward"]
    assert len(method.critics) == dims - 1


@pytest.mark.parametrize(
    "forward", [LearnablePSF(2, None, None, sigma=1.0), ForwardNetwork(1, 2, channels=2)]
)
def test_a_learnt_forward_model_has_a_critic_of_its_own(forward):
    method = made(forward)
    names, gradients = [], {}
    for name, losses in method.step(batch()):
        names.append(name)
        parameters = list(method.players()[name])
        total = sum(losses.values())
        found = torch.autograd.grad(total, parameters, allow_unused=True)
        gradients[name] = max(float(g.abs().max()) for g in found if g is not None)
    assert names == ["critic", "measured_critic", "network", "forward"]
    assert min(gradients.values()) > 0
    local = isinstance(forward, LearnablePSF)
    for one in method.measured_critics:
        assert (len(one.convolutions), one.cells) == ((2, 1) if local else (3, 4))
    assert {(len(one.convolutions), one.cells) for one in method.critics} == {(3, 4)}


@pytest.mark.parametrize("learnt", [True, False])
def test_what_a_psf_is_learnt_from_is_shown_with_finer_detail_made_stronger(learnt):
    torch.manual_seed(0)
    smooth = Blur(2, None, None, psf="gaussian", sigma=1.0).operator()
    images = [10 * smooth(torch.randn(1, 1, 48, 48))[0] for _ in range(3)]
    scales = [(torch.zeros(1), torch.ones(1))] * 3
    noise = [[Noise(sigma=0.1, read_noise=0.1)]] * 3
    method = made(LearnablePSF(2, None, None, sigma=1.0) if learnt else ForwardNetwork(1, 2))
    method.prepare(Facts(images=images, scales=scales, noise=noise, patch=(16, 16)))
    seen = []
    judge = method.measured_critics[0]
    judge.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    patch = images[0][None, :, :16, :16]
    inside = method.passage.seen(patch)
    method.measured_critics.fooled(inside)
    coarse_and_fine = [
        float((x[..., 1:, :] - x[..., :-1, :]).std() / x.std()) for x in (seen[0], inside)
    ]
    if learnt:
        assert coarse_and_fine[0] > 1.2 * coarse_and_fine[1]
    else:
        assert torch.equal(seen[0], patch)


@pytest.mark.parametrize(("sigma", "reach"), [(0.5, 2), (4.0, 4)])
def test_measurements_are_told_apart_where_the_border_of_a_patch_says_nothing(sigma, reach):
    H = LearnablePSF(2, None, None, sigma=sigma, extent=[2 * reach, reach])
    method = made(H)
    whole = torch.rand(1, 1, 48, 48)
    patch = H.operator()(whole[..., 16:32, 16:32])
    inside = method.passage.seen(patch)
    margins = [min(2 * reach, 4), min(reach, 4)]
    assert inside.shape[2:] == tuple(16 - 2 * m for m in margins)
    if sigma < 1:
        truly = H.operator()(whole)[..., 16:32, 16:32]
        assert torch.allclose(inside, method.passage.seen(truly), atol=1e-6)
        assert not torch.allclose(patch, truly, atol=1e-2)


@pytest.mark.parametrize("cycle", [0.0, 0.5])
def test_a_kernel_may_be_learnt_from_the_cycle_too(cycle):
    method = made(LearnablePSF(2, None, None, sigma=1.0, cycle=cycle))
    losses = dict(method.step(batch()))
    assert set(losses["forward"]) == {"adversarial", *(["cycle"] if cycle else [])}
    if cycle:
        share = losses["forward"]["cycle"] / losses["network"]["cycle"]
        assert float(share.detach()) == pytest.approx(cycle, rel=1e-4)


def test_the_cycles_are_norms_over_all_pixels():
    method = made(noise="none", cycle=2.0, identity=3.0)
    given = batch()
    H = method.forward_model.operator()
    losses = {k: v.detach() for k, v in dict(method.step(given))["network"].items()}

    def distance(a, b):
        return (a - b).detach().flatten(1).norm(dim=1).mean()

    y, x = given["y"], given["sharp"]
    G = method.sharpen
    assert float(losses["cycle"]) == pytest.approx(2 * float(distance(H(G(y)), y)), rel=1e-5)
    told = 2 * float(distance(G(H(x)), x))
    assert float(losses["cycle_sharp"]) == pytest.approx(told, rel=1e-5)
    assert float(losses["identity"]) == pytest.approx(3 * float(distance(G(x), x)), rel=1e-5)


def test_what_noise_explains_is_no_cost_of_the_first_cycle():
    method = made()
    given = batch()
    H, y = method.forward_model.operator(), given["y"]
    away = (H(method.sharpen(y)) - y).detach().flatten(1).norm(dim=1)
    whole = dict(method.step(given))["network"]["cycle"].detach()
    assert float(whole) == pytest.approx(10 * float(away.mean()), rel=1e-4)  # no noise is known
    half = 0.5 * float(away.mean()) / 16  # of a pixel
    method.passage.camera = Camera(sigma=10 * half, read=10 * half)  # on a scale of 10
    less = dict(method.step(given))["network"]["cycle"].detach()
    assert float(less) == pytest.approx(0.5 * float(whole), rel=1e-4)
    method.passage.camera = Camera(sigma=1000.0, read=1000.0)
    assert float(dict(method.step(given))["network"]["cycle"].detach()) == 0


def test_blurred_sharp_images_are_as_noisy_as_the_measurements():
    method = made()
    noise = Noise(gain=2.0, offset=10.0, read_noise=3.0, sigma=12.0)
    scale = (torch.tensor([50.0]), torch.tensor([10.0]))
    method.prepare(Facts([torch.zeros(1, 16, 16)], [scale], [[noise]]))
    flat = torch.ones(64, 1, 16, 16)  # 60 grey levels
    known = {"unit": torch.full((64, 1), 10.0), "shift": torch.full((64, 1), 50.0)}
    drawn = method.passage.noisy(flat, known)
    assert float(drawn.std()) == pytest.approx((2 * 50 + 9) ** 0.5 / 10, rel=0.03)
    again = made()
    again.set_extra_state(method.get_extra_state())
    assert again.passage.camera == method.passage.camera


def test_a_pool_keeps_the_past_and_is_restored():
    torch.manual_seed(0)
    pool = Pool(4)
    first = torch.arange(4.0).view(4, 1, 1, 1)
    assert torch.equal(pool.swap(first), first)
    shown = pool.swap(first + 10)
    assert set(torch.cat([shown, pool.kept]).flatten().tolist()) == {0, 1, 2, 3, 10, 11, 12, 13}
    assert 0 < int((shown < 10).sum()) < 4
    other = Pool(4)
    other.load_state_dict(pool.state_dict())
    assert torch.equal(other.kept, pool.kept)
    assert Pool(0).swap(first) is first


def test_patches_are_turned_as_the_psf_may_be():
    lopsided = torch.tensor([[0.0, 0.5, 0.0], [0.1, 0.3, 0.1], [0.0, 0.0, 0.0]])
    assert made().augment == "turn"
    assert made(Blur(2, None, lopsided, psf="a.tif")).augment == "none"
    assert made(Blur(2, None, None, psf="gaussian", sigma=1.0, down=3)).stride == (6, 6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cycle": 0.0}, "method: cycle=0, identity=0, pool=50: cycle above 0, identity not"
         " negative, 0 to 10000 images in the pool"),
        ({"views": ("xq",)}, "method.views=['xq']: any of xy, xz, yz."),
        ({"views": ()}, "method.views=[]: at least one of xy, xz, yz"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_told(options, told):
    with pytest.raises(UserError) as said:
        made(**options)
    assert str(said.value).startswith(told)
