"""Linear convolution against SciPy, and point spread functions against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, optimize
from scipy.signal import fftconvolve

from bioreco.errors import UserError
from bioreco.operators.blur import Blur
from bioreco.operators.convolution import Border, Cells, Convolution, fast_size
from bioreco.operators.laws import check, failures
from bioreco.operators.learnable_psf import RECENTRED, LearnablePSF
from bioreco.operators.optics import Optics, gaussian


def random(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random(shape))


@pytest.mark.parametrize("kernel", [(5, 3), (4, 6), (9, 2, 5), (1, 1)])
def test_convolution_is_linear_convolution(kernel):
    h, x = random(*kernel), random(2, 1, *(n + 12 for n in kernel))
    found = Convolution(h)(x)
    for one, image in zip(found, x, strict=True):
        assert np.allclose(one[0], fftconvolve(image[0], h, mode="valid"), atol=1e-12)


@pytest.mark.parametrize(
    ("boundary", "mode"), [("mirror", "mirror"), ("edge", "nearest"), ("zero", "constant")]
)
def test_borders_are_what_their_names_say(boundary, mode):
    h, x = random(7, 5), random(1, 1, 10, 8)
    blur = Blur(2, None, h / h.sum(), psf="psf.tif", boundary=boundary).double()
    wanted = ndimage.convolve(x[0, 0].numpy(), (h / h.sum()).numpy(), mode=mode)
    assert np.allclose(blur.operator()(x)[0, 0], wanted, atol=1e-6)


@pytest.mark.parametrize("boundary", ["mirror", "edge", "zero"])
@pytest.mark.parametrize(
    ("kernel", "size"), [((5, 4), (8, 6)), ((15, 9), (6, 4)), ((3, 5, 4), (4, 6, 8))]
)
@pytest.mark.parametrize("down", [1, 2])
def test_laws_hold_also_where_the_kernel_is_larger_than_the_image(boundary, kernel, size, down):
    h = random(*kernel)
    C = Convolution(h / h.sum())
    H = Cells(down) @ (C @ Border(C.margins, boundary))
    shape = (2, 1, *size)
    assert failures(check(H, shape, shape, torch.float64, bound=100.0)) == []


def test_an_image_of_one_value_stays_so():
    blur = Blur(3, (250.0, 100.0, 100.0), None)
    flat = torch.full((1, 1, 6, 9, 8), 7.0)
    assert torch.allclose(blur.operator()(flat), flat, atol=1e-4)


def test_cells_are_means_of_coarse_pixels():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert Cells(2)(x)[0, 0, :2, :2].tolist() == [[2.5, 2.5], [2.5, 2.5]]


def test_fast_sizes_have_small_factors():
    assert [fast_size(n) for n in (1, 11, 13, 97, 121)] == [1, 12, 14, 98, 125]


# --- point spread functions


def test_the_first_dark_ring_is_at_0_61_lambda_over_na():
    optics = Optics(na=1.2, wavelength=520.0)
    r = torch.arange(0, 400, 0.5, dtype=torch.float64)
    profile = optics.intensity(r, torch.zeros(1), lambda rho, z: 0 * rho * z)[0]
    ring = float(r[: len(r) * 3 // 4][profile[: len(r) * 3 // 4].argmin()])
    assert ring == pytest.approx(0.61 * 520 / 1.2, abs=0.5)
    v = 2 * math.pi / 520 * 1.2 * 100.0
    from scipy.special import j1

    assert float(profile[200]) == pytest.approx((2 * j1(v) / v) ** 2, rel=1e-6)


def test_along_the_axis_born_and_wolf_is_a_squared_sinc():
    optics = Optics(na=0.9, wavelength=600.0)
    z = torch.arange(-60, 61) * 20.0
    kernel = optics.born_wolf((20.0, 50.0, 50.0), (60, 3, 3))
    axis = kernel[:, 3, 3] / kernel[60, 3, 3]
    u = math.pi * 0.9**2 / (2 * 1.515 * 600.0) * z.double()
    assert torch.allclose(axis, torch.sinc(u / math.pi) ** 2, atol=1e-6)
    half = optimize.brentq(lambda t: (math.sin(t) / t) ** 2 - 0.5, 1, 2)
    assert 2 * half * 2 / math.pi == pytest.approx(1.772, abs=1e-3)  # FWHM in n lambda / NA^2


def test_gibson_and_lanni_without_mismatch_is_born_and_wolf_at_low_aperture():
    optics = Optics(na=0.3)
    spacing, reach = (1000.0, 200.0, 200.0), (6, 8, 8)
    one, two = (f(spacing, reach) for f in (optics.gibson_lanni, optics.born_wolf))
    assert float((one - two).abs().max()) < 0.01 * float(two.max())


def test_gibson_and_lanni_is_centred_and_lopsided_below_the_cover_slip():
    kernel = Optics(depth=8000.0).gibson_lanni((250.0, 100.0, 100.0), (8, 10, 10))
    assert np.unravel_index(int(kernel.argmax()), kernel.shape) == (8, 10, 10)
    assert float(kernel.sum()) == pytest.approx(1)
    assert float((kernel - kernel.flip(0)).abs().max()) > 0.1 * float(kernel.max())
    assert Blur(3, (250.0, 100.0, 100.0), None, optics=Optics(depth=8000.0)).symmetry == "none"


def test_a_gaussian_has_the_width_it_is_told():
    kernel = gaussian((2.0, 1.0), (10, 5))
    y = torch.arange(-10, 11)
    assert float((kernel.sum(1) * y**2).sum()) == pytest.approx(4, rel=1e-3)
    wide = Blur(2, (65.0, 65.0), None, psf="gaussian", optics=Optics(na=1.4, wavelength=610.0))
    assert float(wide.kernel.sum()) == pytest.approx(1, abs=1e-6)
    assert wide.symmetry == "turn"
    sigma = math.sqrt(2) / (2 * math.pi / 610 * 1.4) / 65
    middle = wide.kernel[wide.reach[0]]
    at = wide.reach[1]
    assert float(middle[at + 2] / middle[at]) == pytest.approx(math.exp(-2 / sigma**2), rel=1e-5)


def test_only_what_looks_alike_may_be_turned():
    asymmetric = torch.tensor([[0.0, 0.5, 0.0], [0.1, 0.3, 0.1], [0.0, 0.0, 0.0]])
    mirrored = torch.tensor([[0.0, 0.1, 0.0], [0.2, 0.4, 0.2], [0.0, 0.1, 0.0]])
    assert Blur(2, None, asymmetric, psf="a.tif").symmetry == "none"
    assert Blur(2, None, mirrored, psf="a.tif").symmetry == "mirror"


def test_a_learnt_kernel_is_positive_of_sum_one_and_stays_centred():
    model = LearnablePSF(2, None, None, sigma=1.0, shape="free")
    with torch.no_grad():
        model.weights.copy_(model.weights.roll(2, 0))
    before = model.kernel
    for _ in range(RECENTRED - 1):
        model.restrain()
    assert torch.equal(model.kernel, before)
    model.restrain()
    kernel = model.kernel.detach()
    n = torch.arange(len(kernel)) - len(kernel) // 2
    assert abs(float((kernel.sum(1) * n).sum())) < 0.1
    assert float(kernel.min()) > 0
    assert float(kernel.sum()) == pytest.approx(1)
    model.operator()(torch.rand(1, 1, 12, 12)).square().sum().backward()
    assert float(model.weights.grad.abs().max()) > 0


def test_a_learnt_kernel_reaches_as_far_as_the_light_of_the_optics():
    """What it starts as says nothing of that; an extent that is asked for does."""
    spacing = (65.0, 65.0)
    narrow = LearnablePSF(2, spacing, None, sigma=1.0)
    reach = Optics().reach(spacing)
    assert narrow.kernel.shape == tuple(2 * n + 1 for n in reach)
    assert Blur(2, spacing, None, psf="gaussian", sigma=1.0).kernel.shape[0] < 2 * reach[0]
    wide = LearnablePSF(2, spacing, None, sigma=20.0)
    assert wide.kernel.shape[0] > 2 * reach[0] + 1
    assert LearnablePSF(2, spacing, None, sigma=1.0, extent=[3, 4]).kernel.shape == (7, 9)
    assert LearnablePSF(2, None, None, sigma=1.0).kernel.shape[0] < 2 * reach[0]


def test_a_radial_kernel_is_that_of_a_round_lens_on_pixels_of_any_shape():
    spacing = (200.0, 130.0, 65.0)
    model = LearnablePSF(3, spacing, None)
    start = model.kernel.detach()
    assert model.weights.ndim == 2
    assert float((start - model._kernel).abs().max()) < 0.05 * float(start.max())
    with torch.no_grad():
        model.weights.add_(torch.randn(model.weights.shape))
    kernel = model.kernel.detach()
    z, y, x = (n // 2 for n in kernel.shape)
    assert torch.allclose(kernel[:, y + 2, x], kernel[:, y, x + 4])  # 260 nanometres
    assert torch.allclose(kernel, kernel.flip(1))
    model.weights.data = model.weights.roll(3, 0)
    for _ in range(RECENTRED):
        model.restrain()
    along = model.kernel.detach().sum((1, 2))
    assert abs(float((along * torch.arange(len(along))).sum()) - z) < 1


@pytest.mark.parametrize("shape", ["radial", "free"])
def test_a_kernel_is_learnt_from_pairs(shape):
    torch.manual_seed(0)
    H = Blur(2, (65.0, 65.0), None).operator()
    model = LearnablePSF(2, (65.0, 65.0), None, sigma=2.2, extent=[17, 17], shape=shape)
    x = (torch.rand(8, 1, 48, 48) > 0.97).float()
    y = H(x)
    rate = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        loss = (model.operator()(x) - y).square().sum()
        rate.zero_grad()
        loss.backward()
        rate.step()
    true = Blur(2, (65.0, 65.0), None).kernel
    found = torch.stack([true.flatten(), model.kernel.detach().flatten()])
    assert float(torch.corrcoef(found)[0, 1]) > 0.995  # 0.91 at the start


def test_a_kernel_of_a_file_is_restored_without_the_file():
    h = random(5, 7).float()
    for kind in (Blur, LearnablePSF):
        model = kind(2, None, h / h.sum(), psf="psf.tif")
        empty = kind(2, None, None, psf="psf.tif")
        empty.load_state_dict(model.state_dict())
        assert torch.equal(empty.kernel, model.kernel)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "forward.psf=gibson_lanni needs the pixel size, which the images don't say: say"
         " forward.pixel_size=[Z,Y,X] in nanometres"),
        ({"pixel_size": [100.0, 100.0]}, "forward.pixel_size=[100.0, 100.0]: 3 numbers above 0, one"
         " for each of ZYX"),
        ({"boundary": "miror"}, "forward.boundary=miror: choose one of mirror, edge, zero. Did you"
         " mean 'mirror'?"),
        ({"down": 0}, "forward.down=0: 1 to 8 fine pixels in a measured one"),
    ],
)  # fmt: skip
def test_a_wrong_blur_is_told(options, told):
    with pytest.raises(UserError) as said:
        Blur(3, None, None, **options)
    assert str(said.value) == told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"na": 1.6}, "forward.optics.na=1.6: above 0 and below the index of the immersion, 1.515"),
        ({"wavelength": 0.6}, "forward.optics.wavelength=0.6: 100 to 2000 nanometres"),
        ({"sample": 0.9}, "forward.optics: refractive indices are 1 to 4"),
        ({"depth": -1.0}, "forward.optics: depth, thicknesses and distance are not negative"),
    ],
)
def test_wrong_optics_are_told(options, told):
    with pytest.raises(UserError) as said:
        Optics(**options)
    assert str(said.value) == told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shape": "radal"}, "forward.shape=radal: choose one of radial, free. Did you mean"
         " 'radial'?"),
        ({"cycle": -1.0}, "forward.cycle=-1: a share of the cycle's weight, not negative"),
    ],
)  # fmt: skip
def test_a_wrong_learnable_kernel_is_told(options, told):
    with pytest.raises(UserError) as said:
        LearnablePSF(2, None, None, sigma=1.0, **options)
    assert str(said.value) == told
