"""Which noise Noise2Score finds and how, what it minimises, and what it refuses."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import polygamma
from torch import Tensor, nn

from bioreco.data.synthetic import scene
from bioreco.errors import UserError
from bioreco.methods.method import Facts
from bioreco.methods.noise2score import Noise2Score
from bioreco.methods.noise_level import ROW
from bioreco.metrics.noise import Noise, estimate_noise
from bioreco.networks.unet import UNet

Array = np.ndarray


def network(dims: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(1, 1, dims, channels=4, depth=1)


def facts(*images: Array, joint: bool = False) -> Facts:
    """Return what is known of images (c, y, x) in grey levels, each with its own scale."""
    shift = np.mean([i.mean((1, 2)) for i in images], axis=0)
    unit = np.mean([i.std((1, 2)) for i in images], axis=0) + 1e-9
    blocks, scales = [], []
    for image in images:
        y = torch.from_numpy((image - shift[:, None, None]) / unit[:, None, None]).float()
        s, u = torch.from_numpy(shift).float(), torch.from_numpy(unit).float()
        blocks += [y] if joint else list(y[:, None])
        scales += [(s, u)] if joint else list(zip(s[:, None], u[:, None], strict=True))
    noise = [[estimate_noise(channel) for channel in image] for image in images]
    return Facts(images=blocks, scales=scales, noise=noise, channels=len(images[0]) if joint else 1)


def truth(*size: int) -> Array:
    return 200 * scene(size or (256, 256), np.random.default_rng(0)) + 20


def gaussian(sigma: float, seed: int = 0) -> Array:
    x = truth()
    return (x + sigma * np.random.default_rng(seed).standard_normal(x.shape))[None]


def poisson(gain: float, offset: float = 0.0, read: float = 0.0) -> Array:
    rng, x = np.random.default_rng(0), truth()
    return (gain * rng.poisson(x / gain) + offset + read * rng.standard_normal(x.shape))[None]


def gamma(looks: float) -> Array:
    x = truth()
    return (x * np.random.default_rng(0).gamma(looks, 1 / looks, x.shape))[None]


def test_gaussian_noise_is_found():
    method = Noise2Score(network())
    method.prepare(facts(gaussian(15)))
    assert method.kind == "gaussian"
    assert float(method.levels[0, 2]) == pytest.approx(15, rel=0.1)


def test_counts_are_found_with_gain_offset_and_read_noise():
    method = Noise2Score(network())
    method.prepare(facts(poisson(10, offset=100, read=4)))
    assert method.kind == "poisson"
    gain, dark = method.levels[0, 2:4].tolist()
    assert gain == pytest.approx(10, rel=0.15)
    x = truth()
    assert (gain * (x + 100 + dark)).mean() == pytest.approx(10 * x.mean() + 16, rel=0.15)


@pytest.mark.parametrize("looks", [4.0, 10.0, 40.0])
def test_speckle_is_found(looks):
    method = Noise2Score(network(), noise="gamma")
    method.prepare(facts(gamma(looks)))
    found = float(method.levels[0, 2])
    assert polygamma(1, found) == pytest.approx(polygamma(1, looks), rel=0.25)


def test_each_channel_has_its_own_level_in_any_order():
    image = np.concatenate([gaussian(10), 3 * gaussian(20, seed=1) + 500])
    for joint in (False, True):
        method = Noise2Score(network())
        known = facts(image, image, joint=joint)
        method.prepare(known)
        assert len(method.levels) == 2
        scales = known.scales[:1] if joint else known.scales[:2][::-1]
        shift, unit = (torch.stack(v) for v in zip(*scales, strict=True))
        shape = (len(scales), 2 if joint else 1, 8, 8)
        found = method._known({"y": torch.zeros(shape), "shift": shift, "unit": unit})["level"]
        levels = found.flatten().tolist()
        if not joint:
            levels = levels[::-1]
        assert levels[0] == pytest.approx(10, rel=0.1)
        assert levels[1] == pytest.approx(60, rel=0.1)


class Oracle(nn.Module):
    """Gives the score that is known, on the scale of the score."""

    def __init__(self, score: object) -> None:
        super().__init__()
        self.score = score

    def forward(self, y: Tensor) -> Tensor:
        return self.score(y)


def test_the_exact_score_gives_the_posterior_mean_for_any_unit():
    """s ~ N(m, p), the same everywhere: E[s|y] = (p y + v m) / (p + v), tau counted as noise."""
    m, p, v, shift, unit = 50.0, 40.0, 25.0, 30.0, 7.0
    method = Noise2Score(nn.Identity(), noise="gaussian", level=math.sqrt(v), narrowest=0.1)
    y = torch.linspace(-2, 4, 64).view(1, 1, 8, 8)
    scale = {"shift": torch.tensor([[shift]]), "unit": torch.tensor([[unit]])}
    method.levels = torch.tensor([[shift, unit, 5.0, 0.0, shift, unit, v / unit**2, 0.0]])
    seen = v * 1.01
    rate = (v / unit**2) * unit**2 / (p + seen)  # strength times the score per grey level
    method.network = Oracle(lambda z: z - (z - (m - shift) / unit) * rate)
    found = method.reconstruct({"y": y, **scale}).mean * unit + shift
    raw = y * unit + shift
    torch.testing.assert_close(found, (p * raw + seen * m) / (p + seen))


def batch(*size: int, samples: int = 2, progress: float = 0.3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(samples, 1, *size, generator=generator)
    held = torch.rand(y.shape, generator=generator) < 0.2
    return {
        "y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 11,
        "shift": torch.zeros(samples, 1), "unit": torch.ones(samples, 1),
        "progress": torch.tensor(progress),
    }  # fmt: skip


@pytest.mark.parametrize("size", [(16, 16), (4, 16, 16)], ids=str)
def test_the_loss_is_that_of_the_paper_on_targets(size):
    method = Noise2Score(network(len(size)), widest=0.6, narrowest=0.2)
    given = batch(*size)
    torch.manual_seed(4)
    ((player, losses),) = method.step(given)
    assert (player, set(losses)) == ("network", {"score"})
    losses["score"].backward()
    assert all(q.grad is not None for q in method.network.parameters())
    torch.manual_seed(4)
    u = torch.randn_like(given["y"])
    tau = 0.6 * (0.2 / 0.6) ** 0.3 * 0.5
    seen = given["y"] + tau * u
    score = (method.network(seen) - seen) / 0.25
    square = (u + tau * score) ** 2
    each = [s[m].mean() for s, m in zip(square, given["target"], strict=True)]
    torch.testing.assert_close(losses["score"], torch.stack(each).mean(), rtol=1e-5, atol=0)


def test_validation_does_not_see_what_it_predicts():
    method, given = Noise2Score(network()), batch(16, 16)
    seen = []
    method.network = Oracle(lambda z: seen.append(z) or z)
    method.validate(given)
    method.validate(given | {"y": given["y"] + 50 * given["held"]})
    assert torch.equal(*seen)


@pytest.mark.parametrize("options", [{"noise": "poisson", "level": 3.0}, {}], ids=str)
def test_counts_are_smoothed_over_the_gaps_between_them(options):
    method = Noise2Score(network(), **options)
    method.prepare(facts(np.random.default_rng(0).poisson(0.5, (1, 128, 128)) * 3.0))
    known = method._known(batch(8, 8))
    for progress in (0.0, 1.0):
        tau = method._width(known, progress) * known["spread"]
        assert float(tau.min()) >= 3 * 0.999


def test_a_wrong_level_is_wrong_in_proportion():
    given = batch(16, 16)
    changes = []
    for level in (1.0, 2.0):
        method = Noise2Score(network(), noise="gaussian", narrowest=1e-3, level=level)
        method.levels[0, 2] = level
        changes.append(method.reconstruct(given).mean - given["y"])
    torch.testing.assert_close(changes[1], 4 * changes[0], rtol=1e-3, atol=1e-5)


def test_what_was_found_travels_with_the_weights():
    one = Noise2Score(network())
    one.prepare(facts(poisson(10)))
    one.brightness += 3
    two = Noise2Score(network())
    two.load_state_dict(one.state_dict())
    assert two.kind == "poisson"
    assert torch.equal(two.levels, one.levels)
    assert torch.equal(two.brightness, one.brightness)


def test_halo_and_stride_are_those_of_the_network():
    net = network()
    assert Noise2Score(net).halo == net.halo
    assert Noise2Score(net).stride == net.stride
    assert Noise2Score(nn.Identity()).halo is None
    assert Noise2Score(nn.Identity()).stride is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"noise": "poison"}, "method.noise=poison: choose one of auto, gaussian, poisson, gamma."
         " Did you mean 'poisson'?"),
        ({"level": 3.0}, "method.level=3.0 of which noise? Say method.noise: gaussian (its"
         " standard deviation in grey levels), poisson (grey levels per count), gamma (the number"
         " of looks, mean**2 / variance)"),
        ({"noise": "poisson", "level": 0.0},
         "method.level=0.0: grey levels per count, above 0, or null"),
        ({"widest": 0.1, "narrowest": 0.2}, "method.widest=0.1 method.narrowest=0.2: above 0, at"
         " most 2 standard deviations of the noise, widest first"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(options, text):
    with pytest.raises(UserError) as said:
        Noise2Score(network(), **options)
    assert str(said.value) == text


@pytest.mark.parametrize(
    ("options", "image", "told"),
    [
        pytest.param({"noise": "poisson"}, partial(gaussian, 15), "does not grow with brightness",
                     id="no counts"),
        pytest.param({"noise": "poisson", "level": 1.0}, lambda: poisson(1) - 60,
                     "so they are not counts", id="negative"),
        pytest.param({"noise": "poisson", "level": 1.0}, lambda: poisson(1) / 255,
                     "It is not made of such counts", id="scaled floats"),
        pytest.param({"noise": "gamma"}, lambda: gaussian(15) - 40, "not above 0", id="speckle"),
        pytest.param({"noise": "gamma"}, partial(gamma, 1.0), "needs at least 3 looks", id="looks"),
        pytest.param({"noise": "gaussian"}, lambda: np.full((1, 64, 64), 3.0),
                     "no noise was found", id="constant"),
    ],
)  # fmt: skip
def test_images_that_contradict_the_noise_are_refused(options, image, told):
    method = Noise2Score(network(), **options)
    with pytest.raises(UserError, match=told) as said:
        method.prepare(facts(image()))
    assert len(str(said.value).splitlines()) <= 3


def known(y: np.ndarray, noise: Noise) -> Facts:
    image = torch.from_numpy(y[None].astype(np.float32))
    return Facts([image], [(torch.zeros(1), torch.ones(1))], [[noise]])


def test_counts_may_be_a_little_darker_than_where_no_light_was_estimated():
    y = 7.0 * np.random.default_rng(0).poisson(4.0, (64, 64)) + 3.0
    noise = Noise(gain=7.0, offset=5.0, read_noise=0.0, sigma=14.0)
    method = Noise2Score(network())
    method.prepare(known(y, noise))
    assert method.kind == "poisson"
    row = dict(zip(ROW, method.levels[0].tolist(), strict=True))
    assert row["dark"] == pytest.approx(-3.0)  # the darkest pixels, not 5


def test_what_is_no_count_is_taken_to_be_normal_noise_unless_asked_for():
    y = 7.0 * np.random.default_rng(0).poisson(4.0, (64, 64)) - 30.0
    noise = Noise(gain=7.0, offset=5.0, read_noise=0.0, sigma=14.0)
    method = Noise2Score(network())
    method.prepare(known(y, noise))
    assert method.kind == "gaussian"
    with pytest.raises(UserError, match="so they are not counts"):
        Noise2Score(network(), noise="poisson").prepare(known(y, noise))
