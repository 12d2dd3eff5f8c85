"""A noise model is a probability: it integrates to one, its mean is the signal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.histogram import Histogram
from bioreco.noise.mixture import Mixture
from bioreco.noise.model import NoiseModel
from bioreco.noise.poisson_gaussian import PoissonGaussian

GAIN, OFFSET, READ = 5.0, 100.0, 3.0


def pairs(number: int = 30000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a camera makes of signals between 100 and 300 grey levels."""
    rng = np.random.default_rng(seed)
    s = rng.uniform(100, 300, number)
    y = rng.poisson((s - OFFSET) / GAIN) * GAIN + OFFSET + READ * rng.standard_normal(number)
    return torch.from_numpy(y), torch.from_numpy(s)


def calibrated(model: NoiseModel, number: int = 30000) -> NoiseModel:
    model.calibrate(*pairs(number))
    return model


MODELS: dict[str, Callable[[], NoiseModel]] = {
    "gaussian": lambda: Gaussian(sigma=7.0),
    "counts": lambda: PoissonGaussian(gain=GAIN, offset=OFFSET, read=READ),
    "sharp counts": lambda: PoissonGaussian(gain=GAIN, offset=OFFSET, read=0.0),
    "blurred counts": lambda: PoissonGaussian(gain=GAIN, offset=OFFSET, read=2 * GAIN),
    "no counts": lambda: PoissonGaussian(gain=0.0, offset=OFFSET, read=4.0),
    "gaussian, learnt": lambda: calibrated(Gaussian()),
    "counts, learnt": lambda: calibrated(PoissonGaussian()),
    "histogram": lambda: calibrated(Histogram(), 400000),
    "mixture": lambda: calibrated(Mixture()),
    "mixture of one": lambda: calibrated(Mixture(components=1, coefficients=3)),
}
each_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def made() -> Callable[[str], NoiseModel]:
    found: dict[str, NoiseModel] = {}
    return lambda name: found.setdefault(name, MODELS[name]())


@each_model
def test_it_integrates_to_one_about_the_signal(made, name):
    model = made(name)
    y = torch.linspace(-100, 700, 160001, dtype=torch.float64)
    for signal in (101.0, 107.0, 150.0, 230.0, 290.0):
        s = torch.tensor(signal, dtype=torch.float64)
        p = model.log_prob(y, s).exp()
        if isinstance(model, Histogram):  # has a range, at whose end the rest of y counts
            p = p * ((y >= float(model._range[0])) & (y < float(model._range[1])))
        density = p * (y[1] - y[0])
        assert float(density.sum()) == pytest.approx(1, abs=1e-3)
        assert float(density @ y) == pytest.approx(signal, abs=0.02)
        variance = float(density @ (y - signal) ** 2)
        assert variance == pytest.approx(float(model.variance(s[None])), rel=2e-3)


@pytest.mark.parametrize("name", ["counts, learnt", "histogram", "mixture"])
def test_what_is_learnt_is_how_the_camera_varies(made, name):
    s = torch.linspace(110, 290, 10, dtype=torch.float64)
    found = made(name).variance(s)
    torch.testing.assert_close(found, GAIN * (s - OFFSET) + READ**2, rtol=0.12, atol=0)


def test_gaussian_is_that_of_scipy(made):
    y, s = pairs(200)
    expected = stats.norm.logpdf(y.numpy(), s.numpy(), 7.0)
    np.testing.assert_allclose(made("gaussian").log_prob(y, s), expected, rtol=1e-12)


@pytest.mark.parametrize("read", [0.35, 0.6, 0.95])
def test_counts_with_read_noise_are_the_sum_that_scipy_gives(read):
    model = PoissonGaussian(gain=GAIN, offset=OFFSET, read=read * GAIN)
    y, s = pairs(300)
    n = np.arange(200)
    weight = stats.poisson.pmf(n, (s.numpy()[:, None] - OFFSET) / GAIN)
    curve = stats.norm.pdf(y.numpy()[:, None], n * GAIN + OFFSET, read * GAIN)
    likely = (y - s).abs().numpy() < 4 * np.sqrt(model.variance(s).numpy())
    expected = np.log((weight * curve).sum(1))
    np.testing.assert_allclose(model.log_prob(y, s)[likely], expected[likely], atol=5e-3)


def test_whole_counts_have_the_likelihood_of_scipy():
    """Up to a constant, which is the height of the narrow peak at each count."""
    model = PoissonGaussian(gain=1.0, offset=0.0, read=0.0)
    n, rate = torch.arange(0.0, 9.0).double(), torch.tensor([0.2, 0.5, 1.0, 5.0]).double()
    found = model.log_prob(n[:, None], rate)
    expected = stats.poisson.logpmf(n.numpy()[:, None], rate.numpy())
    peak = -np.log(0.1 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, expected + peak, atol=1e-4)


@pytest.mark.parametrize("step", [1.0, 7.5])
@pytest.mark.parametrize("gain", [1.2, 0.0])
def test_whole_counts_are_seen_in_the_images(step, gain):
    y = step * torch.from_numpy(np.random.default_rng(0).poisson(0.5, (1, 60, 60)))
    read = (0.6 - 0.4 * gain) ** 0.5 * step
    model = PoissonGaussian()
    model.fit([[Noise(gain=gain * step, offset=0.1 * step, read_noise=read, sigma=step)]])
    before = (model.gain, model.offset, model.read)
    assert model.read >= 0.35 * gain * step
    noisy = y + 0.05 * step * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    for other in (noisy, y - 5 * step, torch.zeros(1, 9, 9), 30 * y):
        model.refine([other.double()])
        assert (model.gain, model.offset, model.read) == before
    model.refine([(y / 3).float().double() * 3])  # as exact as single precision is
    assert (model.gain, model.offset, model.read) == (pytest.approx(step, rel=1e-5), 0, 0)
    told = PoissonGaussian(gain=1.2 * step, offset=0.0, read=0.5 * step)
    told.refine([y.double()])
    assert told.gain == pytest.approx(1.2 * step)


def test_noise_that_can_t_be_seen_to_grow_is_not_told():
    flat, growing = Noise(sigma=2.0, read_noise=2.0), Noise(sigma=2.0, gain=1.0)
    assert PoissonGaussian().informed_by([[growing]])
    assert not PoissonGaussian().informed_by([[growing, flat]])
    assert PoissonGaussian(gain=1.0).informed_by([[flat]])
    assert Gaussian().informed_by([[flat]])
    assert not Gaussian().informed_by([])
    assert not Mixture().informed_by([[growing]])


def test_many_counts_don_t_lose_precision():
    model = PoissonGaussian(gain=1.0, offset=0.0, read=0.5)
    y, s = torch.tensor([60000.0, 60100.0]), torch.tensor([60050.0, 60000.0])
    exact = model.log_prob(y.double(), s.double())
    torch.testing.assert_close(model.log_prob(y, s).double(), exact, rtol=0, atol=1e-3)
    np.testing.assert_allclose(
        exact, stats.norm.logpdf(y.numpy(), s.numpy(), (s + 0.25).sqrt().numpy()), atol=0.03
    )


@each_model
def test_it_pulls_signals_towards_the_measurement(made, name):
    """Everywhere, far beyond what was measured too: no sample of a prior may get stuck."""
    s = torch.tensor([20.0, 99.0, 120.0, 180.0, 280.0, 330.0], dtype=torch.float64)
    y = torch.tensor([160.0, 160.0, 135.0, 150.0, 235.0, 190.0], dtype=torch.float64)
    s.requires_grad_()
    made(name).log_prob(y, s).sum().backward()
    assert s.grad is not None
    assert bool(s.grad.isfinite().all())
    assert bool((s.grad * (y - s) > 0).all())


@each_model
def test_it_says_what_it_is_and_comes_back_from_its_state(made, name):
    from bioreco.noise.files import made as again

    model = made(name)
    assert model.known
    y, s = pairs(100)
    copy = again(model.state())
    assert torch.equal(copy.log_prob(y, s), model.log_prob(y, s))
    assert copy.describe() == model.describe() != ""
    assert "\n" not in model.describe()


@each_model
def test_single_precision_and_broadcasting(made, name):
    y, s = (v.float() for v in pairs(50))
    table = made(name).log_prob(y[:, None], s)
    assert table.shape == (50, 50)
    assert table.dtype == torch.float32
    torch.testing.assert_close(table.diagonal(), made(name).log_prob(y, s))


def test_options_of_learnt_models_change_them():
    y, s = pairs(3000)
    found = []
    mixtures = [{"components": 2}, {"components": 3}, {"coefficients": 1}, {"coefficients": 3}]
    models = [Histogram(bins=32), Histogram(bins=64), *[Mixture(**one) for one in mixtures]]
    for model in models:
        assert not model.known
        model.calibrate(y, s)
        found.append(float(model.log_prob(y, s).mean()))
    assert len(set(found)) == len(found)


def test_estimates_fill_in_what_was_not_told():
    one, two = (
        Noise(gain=2, offset=10, read_noise=3, sigma=5),
        Noise(gain=4, offset=20, read_noise=5, sigma=7),
    )
    model = PoissonGaussian(offset=1.0)
    assert not model.known
    model.fit([[one], [two, Noise()]])
    assert (model.gain, model.offset, model.read) == (3, 1, 4)
    flat = Gaussian()
    flat.fit([[one, two]])
    assert flat.sigma == pytest.approx(37**0.5)
    told = Gaussian(sigma=2.0)
    told.fit([[one]])
    told.calibrate(*pairs(10))
    assert told.sigma == 2


def test_gain_and_offset_that_were_told_are_kept_by_calibration():
    y, s = pairs()
    model = PoissonGaussian(offset=100.0, read=3.0)
    model.calibrate(y, s)
    assert (model.offset, model.read) == (100, 3)
    assert model.gain == pytest.approx(GAIN, rel=0.05)
    model = PoissonGaussian(gain=4.0)
    model.calibrate(y, s)
    assert model.gain == 4


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Gaussian(sigma=0.0), "noise.sigma=0.0: grey levels, above 0"),
        (lambda: PoissonGaussian(gain=-1.0), "noise.gain=-1.0 noise.read=None: not negative"),
        (lambda: Histogram(bins=3), "noise.bins=3: 16 to 1024"),
        (lambda: Mixture(components=0), "noise.components=0 noise.coefficients=2: 1 to 10"),
        (lambda: Gaussian().fit([[Noise()]]), "could not be estimated: say noise.sigma="),
        (
            lambda: PoissonGaussian().fit([]),
            "could not be estimated: say noise.gain=, noise.offset=, noise.read=",
        ),
        (lambda: Mixture().fit([]), "noise=mixture knows nothing of this camera yet. Measure it"),
    ],
)
def test_what_is_wrong_is_told(build, text):
    with pytest.raises(UserError) as said:
        build()
    assert text in str(said.value)


def test_a_bare_model_says_what_it_lacks():
    model, y = NoiseModel(), torch.zeros(1)
    for call in (
        lambda: model.log_prob(y, y), lambda: model.variance(y), lambda: model.estimate([]),
        lambda: model.calibrate(y, y), model.describe,
    ):  # fmt: skip
        with pytest.raises(NotImplementedError):
            call()


@pytest.mark.parametrize("s", [-50.0, -1e-3, 0.0, 1e-6, 1e-3])
def test_bright_measurements_of_a_dark_signal_are_unlikely_and_have_a_slope(s):
    model = PoissonGaussian(gain=4.0, offset=3.0, read=1.4)
    y = torch.linspace(0.0, 250.0, 200)
    signal = torch.full_like(y, 3.0 + s, requires_grad=True)

    log_p = model.log_prob(y, signal)
    log_p.sum().backward()

    assert torch.isfinite(log_p).all()
    assert torch.isfinite(signal.grad).all()
    assert log_p[-1] < log_p[10] < log_p[1]
