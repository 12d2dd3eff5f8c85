"""The unrolled network: its start, its gradients, its slices, its memory, its options."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.networks.resnet import ResNet
from bioreco.networks.unrolled import Unrolled
from bioreco.operators.conjugate_gradient import conjugate_gradient, solve
from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True)
class Small(LinearOperator):
    """Coils and a mask: y_c = M F C_{s,c} x_s, summed over the slices."""

    maps: Tensor
    mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        seen = (self.maps * x[:, :, None]).sum(1)
        return self.mask * torch.fft.fft2(seen, norm="ortho")

    def adjoint(self, y: Tensor) -> Tensor:
        seen = torch.fft.ifft2(self.mask * y, norm="ortho")
        return (self.maps.conj() * seen[:, None]).sum(2)


def problem(b=2, s=2, c=4, size=(8, 7), dtype=torch.complex128):
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(b, s, c, *size, dtype=dtype, generator=generator)
    maps = maps / maps.abs().square().sum(2, keepdim=True).sqrt()
    mask = torch.rand(b, 1, *size, generator=generator) < 0.5
    x = torch.randn(b, s, *size, dtype=dtype, generator=generator)
    H = Small(maps, mask)
    return H, H(x)


def network(s=2, *, trained=True, dtype=torch.float64, **options):
    torch.manual_seed(0)
    net = Unrolled(s, s, 2, **({"unrolls": 2, "blocks": 1, "channels": 3} | options)).to(dtype)
    if trained:
        torch.nn.init.normal_(net.prior.last.weight, std=0.1)
    return net


def gradients(net, H, y):
    net.zero_grad()
    net(H, y).abs().square().sum().backward()
    return [parameter.grad.clone() for parameter in net.parameters()]


def test_untrained_it_is_least_squares():
    """Each unroll is a step of the proximal point method, from where the start is stopped."""
    H, y = problem()
    x = conjugate_gradient(H.normal, H.adjoint(y), iterations=24)
    for _ in range(4):
        x = solve(H, H.adjoint(y) + 0.1 * x, 0.1, iterations=60)
    found = network(trained=False, unrolls=4, mu=0.1, cg_iterations=60)(H, y)
    torch.testing.assert_close(found, x)


@pytest.mark.parametrize("slices", ["batch", "joint"])
@pytest.mark.parametrize("gradient", ["exact", "implicit"])
def test_gradients_are_right_through_two_unrolls(slices, gradient):
    """Against finite differences, in double precision; the implicit one needs convergence."""
    H, y = problem(b=1, s=2, size=(4, 3))
    net = network(slices=slices, gradient=gradient, cg_iterations=30, checkpoint=False, mu=0.3)
    names = [name for name, _ in net.named_parameters()]

    def call(*values):
        weights = dict(zip(names, values, strict=True))
        return torch.view_as_real(torch.func.functional_call(net, weights, (H, y)))

    assert torch.autograd.gradcheck(call, tuple(net.parameters()), fast_mode=True)


@pytest.mark.parametrize("options", [{"cg_iterations": 16}, {"cg_iterations": 24, "mu": 0.02}])
def test_the_implicit_gradient_is_the_exact_one_where_it_has_converged(options):
    H, y = problem(c=8, size=(16, 16))
    exact = gradients(network(gradient="exact", **options), H, y)
    implicit = gradients(network(gradient="implicit", **options), H, y)
    for a, b in zip(exact, implicit, strict=True):
        assert float((a - b).norm() / a.norm()) < 1e-3


@pytest.mark.parametrize("gradient", ["exact", "implicit"])
def test_checkpoints_change_nothing(gradient):
    H, y = problem(dtype=torch.complex64)
    options = {"gradient": gradient, "dtype": torch.float32}
    kept = gradients(network(checkpoint=False, **options), H, y)
    again = gradients(network(checkpoint=True, **options), H, y)
    for a, b in zip(kept, again, strict=True):
        assert torch.equal(a, b)


def test_slices_of_a_batch_go_through_the_prior_alone_and_joint_ones_together():
    x = problem()[0].maps[:, :, 0]
    changed = x.clone()
    changed[:, 1] += 1
    for slices, alone in (("batch", True), ("joint", False)):
        net = network(slices=slices)
        before, after = net.improve(x)[:, 0], net.improve(changed)[:, 0]
        assert torch.equal(before, after) == alone


def test_samples_do_not_matter_to_each_other():
    H, y = problem()
    net = network()
    one = net(Small(H.maps[:1], H.mask[:1]), y[:1])
    torch.testing.assert_close(net(H, y)[:1], one)


def test_units_do_not_matter():
    H, y = problem()
    net = network()
    torch.testing.assert_close(net(H, 1e3 * y), 1e3 * net(H, y))


def test_real_images_stay_real():
    @dataclass(frozen=True)
    class Half(LinearOperator):
        def forward(self, x: Tensor) -> Tensor:
            return x[..., ::2]

        def adjoint(self, y: Tensor) -> Tensor:
            return torch.stack([y, torch.zeros_like(y)], -1).flatten(-2)

    y = torch.randn(1, 1, 6, 4)
    found = network(1, dtype=torch.float32)(Half(), y)
    assert found.dtype == torch.float32
    assert found.shape == (1, 1, 6, 8)


def test_options_change_the_result():
    H, y = problem()
    base = network()(H, y)
    for options in (
        {"unrolls": 3},
        {"cg_iterations": 2},
        {"start": 3},
        {"mu": 0.5},
        {"slices": "joint"},
    ):
        assert not torch.allclose(network(**options)(H, y), base), options
    assert float(network(mu=0.5).mu.detach()) == pytest.approx(0.5)


def test_shared_convolutions_halve_the_weights_of_a_block():
    sizes = {
        share: sum(p.numel() for p in ResNet(2, 2, blocks=15, channels=64,
                                             share_block_conv=share).parameters())
        for share in (True, False)
    }  # fmt: skip
    assert sizes == {True: 592_128, False: 1_145_088}


def test_mu_stays_positive():
    net = network()
    with torch.no_grad():
        net.raw_mu.fill_(-30.0)
    assert 0 < float(net.mu.detach()) < 1e-12


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"unrolls": 0}, "network.unrolls=0"),
        ({"cg_iterations": 0}, "network.cg_iterations=0"),
        ({"start": 0}, "network.start=0"),
        ({"mu": 0.0}, "network.mu=0.0: above 0"),
        ({"gradient": "implict"}, "Did you mean 'implicit'"),
        ({"slices": "channels"}, "choose one of batch, joint"),
        ({"blocks": -1}, "network.blocks=-1"),
        ({"channels": 0}, "network.channels=0"),
    ],
)
def test_wrong_options_are_told(options, told):
    with pytest.raises(UserError, match=told):
        network(trained=False, **options)


def test_sizes_that_do_not_fit_are_told():
    with pytest.raises(UserError, match=r"network.outputs=2: as many slices as go in, 1"):
        Unrolled(1, 2, 2)
    with pytest.raises(UserError, match=r"network.dims=4"):
        ResNet(2, 2, 4)
