"""What MRI measures: the fast forms agree with the definition, and with numpy."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from kspace import lines, normal, problem
from torch import Tensor

from bioreco.errors import UserError
from bioreco.operators.coils import Coils
from bioreco.operators.extended import extended_sense
from bioreco.operators.fourier import Fourier, fft2, ifft2
from bioreco.operators.linear import LinearOperator
from bioreco.operators.models import MRI, SMSMRI
from bioreco.operators.sampling import Sampling
from bioreco.operators.sense import Sense
from bioreco.operators.sms import Collapse, shifted

SIZES = [(8, 8), (9, 7), (8, 7), (7, 10), (1, 1)]


def parts(bands: int, size: tuple[int, int], how: str) -> tuple[Tensor, Tensor, Tensor]:
    maps = normal(2, bands, 3, *size)
    mask = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1)) < 0.6
    shifts = torch.arange(bands).repeat(2, 1)
    if how == "lines":
        return maps, lines(size, 2).expand(2, -1, -1, -1), 2 * shifts
    if how == "fractions":
        return maps, mask, shifts * size[0] / 3
    return maps, mask, shifts + torch.tensor([[0.0], [1.0]]) if how == "differ" else 3.0 * shifts


def apart(found: Tensor, right: Tensor) -> float:
    return float((found - right).abs().max() / right.abs().max().clamp(min=1e-300))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bands", range(1, 9))
@pytest.mark.parametrize("how", ["whole", "fractions", "differ", "lines"])
def test_the_direct_and_the_extended_form_are_the_definition(size, bands, how):
    maps, mask, caipi = parts(bands, size, how)
    right = Sampling(mask) @ Collapse(caipi) @ Fourier() @ Coils(maps)
    x, y = normal(2, bands, *size, seed=2), normal(2, 3, *size, seed=3)
    for H in (Sense.of(maps, mask, caipi), extended_sense(maps, mask, caipi)):
        assert apart(H(x), right(x)) < 1e-12
        assert apart(H.adjoint(y), right.adjoint(y)) < 1e-12
        assert apart(H.normal(x), right.normal(x)) < 1e-12


def test_the_model_as_numpy_says_it():
    maps, mask, caipi = parts(3, (9, 8), "fractions")
    x = normal(2, 3, 9, 8)
    ky = np.arange(9) - 4
    y = np.zeros((2, 3, 9, 8), complex)
    for s in range(3):
        seen = np.fft.ifftshift(maps[:, s].numpy() * x[:, s, None].numpy(), axes=(-2, -1))
        k = np.fft.fftshift(np.fft.fft2(seen, norm="ortho"), axes=(-2, -1))
        phase = np.exp(-2j * np.pi * ky * caipi[0, s].item() / 9)
        y += phase[:, None] * k
    found = Sense.of(maps, mask, caipi)(x)
    np.testing.assert_allclose(found.numpy(), y * mask.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_the_fourier_transform_is_unitary_and_centred(size):
    x = normal(2, *size)
    assert apart(ifft2(fft2(x)), x) < 1e-14
    assert apart(fft2(ifft2(x)), x) < 1e-14
    point = torch.zeros(size, dtype=torch.complex128)
    point[size[0] // 2, size[1] // 2] = 1
    flat = torch.full_like(point, (size[0] * size[1]) ** -0.5)
    torch.testing.assert_close(fft2(point), flat)
    assert Fourier().normal(x) is x


def test_a_shift_by_whole_pixels_is_a_roll_and_fractions_add_up():
    x = normal(1, 2, 9, 4)
    assert torch.equal(shifted(x, torch.tensor([[0.0, 2.0]]))[0, 1], x[0, 1].roll(2, 0))
    third = torch.tensor([[0.0, 2 / 3]], dtype=torch.float64)
    torch.testing.assert_close(
        shifted(shifted(shifted(x, third), third), third)[0, 1], x[0, 1].roll(2, 0)
    )
    torch.testing.assert_close(shifted(shifted(x, third), -third), x)


@pytest.mark.parametrize("how", ["whole", "fractions", "lines"])
def test_a_restricted_operator_measures_the_subset_alone(how):
    maps, mask, caipi = parts(2, (8, 6), how)
    subset = torch.rand(2, 1, 8, 6, generator=torch.Generator().manual_seed(5)) < 0.5
    x = normal(2, 2, 8, 6)
    for H in (Sense.of(maps, mask, caipi), extended_sense(maps, mask, caipi)):
        less = H.restrict(subset)
        torch.testing.assert_close(less(x), H(x) * subset)
        torch.testing.assert_close(less.normal(x), less.adjoint(less(x)))
        assert less.restrict(~subset)(x).abs().max() == 0


def test_single_precision_stays_single():
    p = problem(3, 4, (12, 10), acceleration=2)
    for x in (p.H(p.x), p.H.normal(p.x), p.H.adjoint(p.batch["y"])):
        assert x.dtype == torch.complex64


def test_fully_sampled_data_give_the_image_back():
    p = problem(1, 5, (9, 12), dtype=torch.complex128)
    torch.testing.assert_close(p.H.adjoint(p.batch["y"]), p.x)


def test_operators_are_values():
    p = problem(2, 4, (8, 8))
    with pytest.raises(FrozenInstanceError):
        p.H.mask = p.batch["mask"]


def test_mri_takes_one_slice_at_a_time():
    two, one = problem(2, 4, (8, 8)), problem(1, 4, (8, 8))
    with pytest.raises(UserError, match=r"forward=mri is for one slice.*2 slices.*sms_mri"):
        MRI().operator(two.batch)
    assert torch.equal(MRI().operator(one.batch)(one.x), one.H(one.x))


def test_sms_mri_comes_in_two_forms():
    p = problem(4, 4, (8, 7), dtype=torch.complex128)
    direct = SMSMRI().operator(p.batch)
    wide: LinearOperator = SMSMRI(extended=True).operator(p.batch)
    assert type(direct) is not type(wide)
    torch.testing.assert_close(direct(p.x), wide(p.x))
