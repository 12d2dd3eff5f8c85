"""The bound that DivNoising maximises, its draws without seams, and what follows from options."""

from __future__ import annotations

import itertools
import logging
import math
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods import ensemble, masking
from bioreco.methods.divnoising import DivNoising
from bioreco.methods.ensemble import welford
from bioreco.methods.method import Facts
from bioreco.metrics.noise import Noise
from bioreco.networks.vae import VAE
from bioreco.noise.learnt import LearntNoise
from bioreco.noise.poisson_gaussian import PoissonGaussian


def made(dims: int = 2, channels: int = 1, depth: int = 1, levels: int = 2, **options):
    torch.manual_seed(0)
    net = VAE(channels, channels, dims, channels=4, depth=depth, latent=2, levels=levels)
    method = DivNoising(net, PoissonGaussian(gain=2.0, offset=10.0, read=3.0), **options)
    method.prepare(facts(channels, dims))
    return method


def facts(channels: int = 1, dims: int = 2, **noise) -> Facts:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(channels, *(4, 32, 32)[-dims:], generator=generator)
    scale = torch.full((channels,), 100.0), torch.full((channels,), 25.0)
    known = Noise(**{"gain": 2.0, "offset": 10.0, "read_noise": 3.0, "sigma": 14.0} | noise)
    return Facts([image], [scale], [[known] * channels], channels, dims)


def batch(*size: int, samples: int = 2, channels: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(samples, channels, *size, generator=generator)
    held = torch.rand(y.shape, generator=generator) < 0.1
    return {
        "y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 11,
        "shift": torch.full((samples, channels), 100.0),
        "unit": torch.full((samples, channels), 25.0), "progress": torch.tensor(1.0),
    }  # fmt: skip


def losses(method: DivNoising, given: dict[str, Tensor]) -> dict[str, Tensor]:
    torch.manual_seed(3)
    ((player, found),) = list(method.step(given))
    assert player == "vae"
    return found


def values(found: dict[str, Tensor]) -> dict[str, float]:
    return {key: float(loss.detach()) for key, loss in found.items()}


@pytest.mark.parametrize(("dims", "channels"), [(2, 1), (2, 3), (3, 1)])
def test_the_loss_is_the_bound_per_pixel_of_the_measurement(dims, channels):
    """Both terms are sums over the image divided by its pixels, so that they are in proportion."""
    method = made(dims, channels)
    given = batch(*(4, 16, 16)[-dims:], channels=channels)
    found = values(losses(method, given))
    torch.manual_seed(3)
    features = method.network.encode(given["y"])
    signal, divergences = method.network.decode(features, lambda _, like: torch.randn_like(like))
    y, s = (v.detach().double().numpy() * 25 + 100 for v in (given["y"], signal))
    variance = 2 * np.maximum(s - 10, 0) + 9
    density = np.exp(-((y - s) ** 2) / 2 / variance) / np.sqrt(2 * math.pi * variance) * 25
    by_hand = -np.log(density)[given["target"].numpy()].mean()
    assert found["nll"] == pytest.approx(by_hand, rel=1e-4)
    pixels = given["y"][0].numel()
    divergence = sum(float(kl.detach().mean()) for kl in divergences) / pixels
    assert found["kl"] == pytest.approx(divergence, rel=1e-5)


def test_held_pixels_are_no_part_of_the_training_loss_and_what_is_validated_is_hidden():
    method, given = made(), batch(16, 16)
    found = losses(method, given | {"target": given["target"] & False})
    assert values(found)["nll"] == 0
    noise = torch.where(given["held"], 50.0, given["y"])
    with torch.no_grad():
        errors = [float(method.validate(given | {"y": y})["mse"]) for y in (given["y"], noise)]
        said = method.network(masking.interpolate(noise, given["held"]))
    assert errors[1] > errors[0] + 1000
    truth = given["y"]
    by_hand = [((a - b)[m] ** 2).mean() for a, b, m in zip(said, truth, given["held"], strict=True)]
    assert errors[0] == pytest.approx(float(torch.stack(by_hand).mean()), rel=1e-5)


def test_the_divergence_gains_weight_while_training_goes_on():
    method, given = made(anneal=0.4, kl_weight=0.5), batch(16, 16)
    whole = values(losses(made(), given))["kl"]
    for progress, weight in ((0.0, 0.0), (0.1, 0.125), (0.2, 0.25), (0.4, 0.5), (1.0, 0.5)):
        found = values(losses(method, given | {"progress": torch.tensor(progress)}))["kl"]
        assert found == pytest.approx(weight * whole, rel=1e-5)
    at_once = values(losses(made(anneal=0.0), given | {"progress": torch.tensor(0.0)}))["kl"]
    assert at_once == pytest.approx(whole)


def test_free_bits_cost_nothing_and_teach_nothing():
    method, given = made(free_bits=50.0), batch(16, 16)
    found = losses(method, given)["kl"]
    assert float(found.detach()) == pytest.approx(100.0)  # two grids
    found.backward()
    assert all(p.grad is None or not p.grad.any() for p in method.parameters())


def test_codes_that_say_nothing_are_told_and_given_another_chance(caplog):
    method, given = made(anneal=0.2), batch(16, 16)
    for part in (*method.network.posterior, *method.network.prior):
        last = part[-1] if isinstance(part, torch.nn.Sequential) else part
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    weights, told = [], []
    with caplog.at_level(logging.WARNING, "bioreco"):
        for k in range(1000):
            progress = torch.tensor(k / 1000)
            weights.append(method._weight(float(progress), 0.0))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert (
        told[0] == told[1] == "The codes say nothing of the image; their weight starts again at 0."
    )
    assert "posterior collapse" in told[2]
    assert "method.kl_weight" in told[2]
    assert sum(a > b for a, b in itertools.pairwise(weights)) == 2
    assert weights[-1] == 1.0
    caplog.clear()
    healthy = made(anneal=0.2)
    for k in range(100):
        losses(healthy, given | {"progress": torch.tensor(k / 100)})
    assert caplog.records == []


def test_the_mean_that_is_left_out_is_added_to_all_that_is_reconstructed():
    method, given = made(channels=2), batch(16, 16, channels=2)
    given["y"] += torch.tensor([3.0, -1.0]).view(2, 1, 1)
    flat = torch.zeros_like(given["y"])
    for _ in range(300):
        method._misfit(given, flat)
    masked = [given["y"][:, c][given["target"][:, c]].mean() for c in (0, 1)]
    torch.testing.assert_close(method._left, torch.stack(masked), rtol=1e-3, atol=0)
    with torch.no_grad():
        before = method.eval().sample(given, 0), method.reconstruct(given).mean
        method._misfit(given, flat + 9)
        method._left += torch.tensor([1.0, 2.0])
        after = method.sample(given, 0), method.reconstruct(given).mean
    for one, two in zip(before, after, strict=True):
        by = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand_as(one)
        torch.testing.assert_close(two - one, by, rtol=1e-4, atol=1e-4)


# --- draws


def test_the_mean_of_many_draws_is_the_estimate_and_their_spread_its_deviation():
    method, given = made(samples=600), batch(8, 8, samples=1)
    with torch.no_grad():
        found = method.reconstruct(given)
        drawn = torch.stack([method.sample(given, k) for k in range(600)])
        assert torch.equal(method.sample(given, 7), method.sample(given, 7))
    error = drawn.std(0) / math.sqrt(600)
    assert ((found.mean - drawn.mean(0)).abs() < 5 * error).all()
    torch.testing.assert_close(found.std, drawn.std(0), rtol=0.2, atol=0)


def test_the_running_mean_and_deviation_are_those_of_all_at_once():
    drawn = [torch.randn(2, 1, 5, 5, dtype=torch.float64) + 1e4 for _ in range(9)]
    found = welford(iter(drawn))
    torch.testing.assert_close(found.mean, torch.stack(drawn).mean(0))
    torch.testing.assert_close(found.std, torch.stack(drawn).std(0))


def test_memory_does_not_grow_with_the_draws(monkeypatch):
    alive, most = set(), []

    def drawn(method, *given):
        x = original(method, *given)
        alive.add(id(x))
        weakref.finalize(x, alive.discard, id(x))
        most.append(len(alive))
        return x

    original = DivNoising._draw
    monkeypatch.setattr(DivNoising, "_draw", drawn)
    with torch.no_grad():
        made(samples=50).reconstruct(batch(8, 8))
    assert max(most) <= 3


# --- the most likely image


def test_mean_shift_finds_what_most_draws_agree_on_and_not_the_mean():
    torch.manual_seed(0)
    one, two = torch.rand(1, 1, 24, 24), torch.rand(1, 1, 24, 24) + 2
    drawn = torch.stack([(one if k % 10 < 7 else two) + 0.05 * torch.randn(one.shape)
                         for k in range(40)])  # fmt: skip
    found = ensemble.mean_shift(drawn)
    assert (found.mean - one).abs().mean() < 0.03
    assert (drawn.mean(0) - one).abs().mean() > 0.5
    torch.testing.assert_close(found.std, drawn.std(0))


def test_mean_shift_looks_no_further_than_it_says():
    torch.manual_seed(0)
    drawn = torch.randn(6, 1, 1, 2 * ensemble.REACH + 9, 11)
    middle = drawn.shape[-2] // 2
    other = drawn.clone()
    other[:, :, :, middle] += torch.randn(6, 1, 1, 11)
    changed = ensemble.mean_shift(drawn).mean != ensemble.mean_shift(other).mean
    rows = changed.any(-1)[0, 0].nonzero()[:, 0] - middle
    assert rows.abs().max() <= ensemble.REACH


# --- noise


def test_learnt_noise_starts_at_the_model_and_finds_the_line():
    torch.manual_seed(0)
    noise = LearntNoise()
    noise.start(PoissonGaussian(gain=1.0, offset=0.0, read=20.0), 100.0, 500.0)
    signal = torch.tensor([100.0, 500.0])
    torch.testing.assert_close(noise.variance(signal), torch.tensor([500.0, 900.0]))
    s = 100 + 400 * torch.rand(20000)
    y = s + torch.randn(20000) * (3.0 * (s - 100) + 50).sqrt()
    optimiser = torch.optim.Adam(noise.parameters(), lr=2e-3)
    for _ in range(400):
        optimiser.zero_grad()
        (-noise.log_prob(y, s).mean()).backward()
        optimiser.step()
    slope, floor = noise.line().tolist()
    assert slope == pytest.approx(3.0, rel=0.05)
    assert floor == pytest.approx(50.0, rel=0.2)
    assert noise.describe().startswith("learnt noise: variance 3")
    assert noise.state()["kind"] == "learnt"


def test_learnt_noise_is_trained_and_kept_with_the_network():
    method, given = made(learn_noise=True), batch(16, 16)
    players = {id(p) for p in method.players()["vae"]}
    assert id(method.learnt.logarithms) in players
    losses(method, given)["nll"].backward()
    assert method.learnt.logarithms.grad.all()
    other = made(learn_noise=True)
    method.learnt.logarithms.data.add_(0.1)
    other.load_state_dict(method.state_dict())
    assert other.learnt.describe() == method.learnt.describe()
    assert len(list(made().players()["vae"])) == len(players) - 1


def test_what_the_noise_model_does_not_know_is_estimated():
    method = DivNoising(made().network, PoissonGaussian(gain=2.5))
    method.prepare(facts(gain=4.0, offset=12.0))
    model = method.noise_model
    assert (model.gain, model.offset, model.read) == (2.5, 12.0, 3.0)


@pytest.mark.parametrize("sigma", [0.05, 900.0])
def test_measurements_of_another_noise_are_refused(sigma):
    method = DivNoising(made().network, PoissonGaussian(gain=2.0, offset=0.0, read=1.0))
    with pytest.raises(UserError) as said:
        method.prepare(facts(sigma=sigma))
    assert f"but they have about {sigma:.3g}" in str(said.value)
    assert "another camera or gain" in str(said.value)


def test_scaled_values_are_no_counts():
    method = DivNoising(made().network, PoissonGaussian(gain=2.0, offset=0.0, read=0.0))
    with pytest.raises(UserError, match="scaled values, not counts of photons"):
        method.prepare(facts())


# --- options


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"samples": 1}, "method.samples=1: at least 2"),
        ({"estimate": "mmes"},
         "method.estimate=mmes: choose one of mmse, map. Did you mean 'mmse'?"),
        ({"kl_weight": 0.0},
         "method.kl_weight=0.0 method.free_bits=0.0: above 0, and not negative"),
        ({"free_bits": -1.0},
         "method.kl_weight=1.0 method.free_bits=-1.0: above 0, and not negative"),
        ({"anneal": 0.95}, "method.anneal=0.95: a share of the training, 0 to 0.9"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(option, text):
    with pytest.raises(UserError) as said:
        made(**option)
    assert str(said.value) == text
