"""What Probabilistic Noise2Void predicts, weighs and learns of the noise."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.bootstrap import without_error
from bioreco.methods.method import Facts
from bioreco.methods.pn2v import ProbabilisticNoise2Void
from bioreco.metrics.noise import Noise
from bioreco.networks.unet import UNet
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.mixture import Mixture
from bioreco.noise.poisson_gaussian import PoissonGaussian

SHIFT, UNIT, SIGMA = 100.0, 20.0, 10.0


class Normal(nn.Module):
    """Predicts the quantiles of one normal distribution for every pixel."""

    def __init__(self, number: int, mean: float, std: float) -> None:
        super().__init__()
        p = (torch.arange(number) + 0.5) / number
        self.quantiles = mean + std * math.sqrt(2) * torch.erfinv(2 * p - 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, *size = x.shape
        each = self.quantiles.view(1, -1, *[1] * len(size))
        return each.repeat(b, c, *[1] * len(size)).expand(b, -1, *size)


def batch(*size: int, channels: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(2, channels, *size, generator=generator)
    held = torch.rand(y.shape, generator=generator) < 0.2
    scale = torch.ones(2, channels)
    return {
        "y": y, "target": ~held, "held": held, "seed": torch.arange(2) + 11,
        "shift": SHIFT * scale, "unit": UNIT * scale, "progress": torch.tensor(0.5),
    }  # fmt: skip


def method(dims: int = 2, channels: int = 1, noise=None, **options) -> ProbabilisticNoise2Void:
    torch.manual_seed(0)
    number = options.setdefault("prior_samples", 5)
    network = UNet(channels, channels * number, dims, channels=4, depth=1)
    return ProbabilisticNoise2Void(network, noise or Gaussian(sigma=SIGMA), **options)


def test_the_posterior_of_a_normal_prior_is_what_algebra_says():
    """Prior N(0.3, 0.8), noise of 10 / 20 = 0.5 on the network's scale."""
    made = ProbabilisticNoise2Void(
        Normal(1000, 0.3, 0.8), Gaussian(sigma=SIGMA), prior_samples=1000, inference="full"
    )
    given = batch(6, 7, channels=2)
    found = made.reconstruct(given)
    trust = 0.8**2 / (0.8**2 + 0.5**2)
    expected = 0.3 + trust * (given["y"] - 0.3)
    likely = (given["y"] - 0.3).abs() < 1.5
    torch.testing.assert_close(found.mean[likely], expected[likely], atol=5e-3, rtol=0)
    assert found.std is not None
    std = torch.full_like(found.std, 0.5 * math.sqrt(trust))
    torch.testing.assert_close(found.std[likely], std[likely], atol=0.01, rtol=0)


def test_the_loss_is_the_likelihood_of_hidden_pixels():
    """Under a normal prior, hidden pixels are normal with both variances."""
    made = ProbabilisticNoise2Void(
        Normal(1000, 0.3, 0.8), Gaussian(sigma=SIGMA), prior_samples=1000
    )
    given = batch(24, 24)
    ((player, losses),) = made.step(given)
    mask = made.blind_spots(given) & given["target"]
    both = torch.distributions.Normal(SHIFT + 0.3 * UNIT, math.hypot(0.8 * UNIT, SIGMA))
    each = [
        both.log_prob(y[m] * UNIT + SHIFT).mean() for y, m in zip(given["y"], mask, strict=True)
    ]
    assert player == "network"
    assert float(losses["nll"]) == pytest.approx(-float(torch.stack(each).mean()), abs=0.01)


@pytest.mark.parametrize(("dims", "size"), [(2, (16, 16)), (3, (4, 16, 16))])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_prior_never_sees_its_own_pixel(dims, size, channels):
    made = method(dims, channels)
    given = batch(*size, channels=channels)
    before = made._blind(given)
    assert before.shape == (2, channels, 5, *size)
    for phase in (0, 5, 10):
        hidden = torch.zeros_like(given["y"], dtype=torch.bool)
        hidden[..., phase // 4 :: 4, phase % 4 :: 4] = True
        if dims == 3:
            hidden[:, :, 1:] = False
        other = given | {"y": torch.where(hidden, given["y"] + 30, given["y"])}
        after = made._blind(other)
        same = hidden[:, :, None].expand_as(after)
        assert torch.equal(after[same], before[same])
        assert not torch.equal(after, before)
    found = made.reconstruct(given)
    assert found.mean.shape == given["y"].shape
    assert found.std is not None
    assert bool((found.std >= 0).all())


@pytest.mark.parametrize("channels", [1, 2])
def test_in_training_the_network_sees_nothing_of_what_it_predicts(channels):
    made = method(channels=channels)
    given = batch(16, 16, channels=channels)
    hidden = made.blind_spots(given) & given["target"]
    other = given | {"y": torch.where(hidden, given["y"] + 9, given["y"])}
    one, two = (made.prior(made.fill(one, hidden)) for one in (given, other))
    assert torch.equal(one, two)
    ((_, losses),) = made.step(given)
    losses["nll"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_held_pixels_are_validated_and_not_trained_on():
    made = method()
    given = batch(16, 16)
    other = given | {"y": torch.where(given["held"], given["y"] + 9, given["y"])}
    losses = made.validate(given)
    assert set(losses) == {"mse", "nll"}
    assert made.validate(other)["nll"] > losses["nll"]


OPTIONS = [{"density": 0.2}, {"replacement": "uniform"}, {"radius": 2}, {"joint": True}]


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_each_option_changes_what_is_learnt(option):
    given = batch(32, 32, channels=2)
    losses = [next(iter(method(channels=2, **o).step(given)))[1]["nll"] for o in ({}, option)]
    assert losses[0] != losses[1]


def test_the_anchor_holds_the_mean_of_the_prior():
    given = batch(32, 32)
    losses = next(iter(method(anchor=2.0).step(given)))[1]
    assert losses["anchor"].item() == pytest.approx(1.0)
    losses["anchor"].backward()
    assert "anchor" not in next(iter(method(anchor=0.0).step(given)))[1]


def test_inference_changes_the_reconstruction_and_what_it_takes():
    given = batch(16, 16)
    full, partition = method(inference="full"), method()
    assert not torch.equal(full.reconstruct(given).mean, partition.reconstruct(given).mean)
    assert partition.stride == (4, 4)
    assert full.stride == (2, 2)
    assert partition.halo == tuple(n + 1 for n in full.halo)
    assert method(3).stride == (2, 4, 4)


def facts(noise: list[Noise], image: Tensor | None = None) -> Facts:
    image = (
        torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
        if image is None
        else image
    )
    scale = (torch.tensor([SHIFT]), torch.tensor([UNIT]))
    return Facts(images=[image], scales=[scale], noise=[noise])


ESTIMATE = Noise(gain=1e-3, offset=0.0, read_noise=18.0, sigma=18.0)


def test_what_is_not_told_is_estimated_or_learnt(caplog):
    with caplog.at_level(logging.INFO, "bioreco"):
        estimated = method(noise=PoissonGaussian())
        estimated.prepare(facts([ESTIMATE]))
        assert estimated.noise_model.read == 18
        for made in (
            method(noise=Mixture()), method(noise=PoissonGaussian(), bootstrap="always"),
            method(noise=Gaussian(), bootstrap="auto"),
        ):  # fmt: skip
            made.prepare(facts([ESTIMATE if made.bootstrap == "always" else Noise()]))
            assert not made.noise_model.known
    assert "Noise model: Poisson-Gaussian noise" in caplog.text
    assert caplog.text.count("will be learnt from the images") == 3


def test_noise_is_learnt_after_the_warmup_from_blind_predictions():
    """The network predicts 0.3 everywhere, so that the image's own spread is its noise."""
    made = ProbabilisticNoise2Void(
        Normal(5, 0.3, 0.0), Gaussian(), prior_samples=5, bootstrap="always", warmup=0.4
    )
    image = 0.3 + 0.7 * torch.randn(1, 128, 128, generator=torch.Generator().manual_seed(1))
    made.prepare(facts([ESTIMATE], image))
    given = batch(16, 16)
    early = next(iter(made.step(given | {"progress": torch.tensor(0.39)})))[1]
    assert set(early) == {"mse"}
    assert not made.noise_model.known
    assert made.reconstruct(given).std is None
    late = next(iter(made.step(given | {"progress": torch.tensor(0.4)})))[1]
    assert set(late) == {"nll", "anchor"}
    assert made.noise_model.sigma == pytest.approx(0.7 * UNIT, rel=0.02)
    made._images = [2 * image]
    for progress, fits in ((0.79, 1), (0.8, 2), (0.9, 2)):
        next(iter(made.step(given | {"progress": torch.tensor(progress)})))
        assert int(made._fits) == fits
    assert made.noise_model.sigma > 1.2 * 0.7 * UNIT


def test_the_error_of_predictions_is_taken_off_what_is_learnt():
    s = torch.linspace(0, 100, 5000)
    y = s + 5 * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    for sigma, expected in ((4.0, 4.0), (6.0, 5.0), (1.0, 5 / 2**0.5)):
        found = without_error(y, s, [[Noise(sigma=sigma), Noise(sigma=90.0, sure=False)]])
        assert float((found - s).std()) == pytest.approx(expected, rel=0.03)
    assert torch.equal(without_error(y, s, [[Noise()]]), y)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: method(prior_samples=1), "method.prior_samples=1: 2 to 1024"),
        (lambda: method(warmup=1.0), "method.warmup=1.0: a share of the training"),
        (lambda: method(anchor=-1.0), "method.anchor=-1.0: not negative"),
        (
            lambda: method(bootstrap="alway"),
            "method.bootstrap=alway: choose one of auto, always, never. Did you mean 'always'?",
        ),
        (
            lambda: method(inference="partion"),
            "method.inference=partion: choose one of full, partition. Did you mean 'partition'?",
        ),
        (
            lambda: method(bootstrap="always").prepare(facts([ESTIMATE])),
            "method.bootstrap=always learns the noise from the images, but the noise model is",
        ),
        (
            lambda: method(noise=Mixture(), bootstrap="never").prepare(facts([ESTIMATE])),
            "noise=mixture knows nothing of this camera yet",
        ),
        (
            lambda: method(noise=Gaussian(sigma=1.0)).prepare(facts([ESTIMATE])),
            "the noise model says noise of 1 grey levels in these images, but they have about 18",
        ),
    ],
)
def test_wrong_options_are_told(build, text):
    with pytest.raises(UserError) as said:
        build()
    assert text in str(said.value)
