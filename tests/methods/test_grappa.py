"""GRAPPA and split slice-GRAPPA on simulated k-space: how exact, how tight, what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from kspace import normal, nrmse, problem

from bioreco.errors import UserError
from bioreco.methods.grappa import GRAPPA
from bioreco.methods.least_squares import LeastSquares, ZeroFilled
from bioreco.methods.split_slice_grappa import SplitSliceGRAPPA
from bioreco.methods.unmixing import Kernels, Lattice
from bioreco.operators.fourier import fft2, ifft2
from bioreco.operators.interpolation import Stencil, weights
from bioreco.operators.models import SMSMRI
from bioreco.operators.sense import Sense


def error(method: Any, p: Any) -> float:
    found = method.reconstruct(p.batch).mean
    assert found.shape == p.x.shape
    assert found.dtype == torch.complex64
    return nrmse(found, p.x)


@pytest.mark.parametrize(("acceleration", "size"), [(2, (48, 40)), (3, (48, 41)), (1, (31, 33))])
def test_grappa_fills_what_was_left_out(acceleration, size):
    p = problem(1, 16, size, acceleration=acceleration, calibration=20)
    assert error(GRAPPA(), p) < 0.02
    noisy = problem(1, 16, size, acceleration=acceleration, calibration=20, noise=0.01)
    assert error(GRAPPA(), noisy) < 1.5 * error(LeastSquares(SMSMRI()), noisy)


def test_grappa_keeps_the_lines_measured_beside():
    bare = problem(1, 8, (48, 48), acceleration=3, calibration=20, noise=0.05)
    more = problem(1, 8, (48, 48), acceleration=3, calibration=20, noise=0.05, centre=16)
    assert error(GRAPPA(), more) < 0.95 * error(GRAPPA(), bare)


@pytest.mark.parametrize(
    ("bands", "acceleration", "size"),
    [(3, 1, (48, 48)), (3, 2, (48, 48)), (2, 1, (47, 45)), (3, 2, (50, 40)), (4, 1, (48, 48))],
)
def test_split_slice_grappa_tells_slices_apart(bands, acceleration, size):
    p = problem(bands, 16, size, acceleration=acceleration, calibration=24)
    assert error(SplitSliceGRAPPA(), p) < 0.04
    assert error(ZeroFilled(SMSMRI()), p) > 0.25
    noisy = problem(bands, 16, size, acceleration=acceleration, calibration=24, noise=0.01)
    assert error(SplitSliceGRAPPA(), noisy) < 1.8 * error(LeastSquares(SMSMRI()), noisy)


def leakage(method: Any, p: Any) -> float:
    """Return the energy found in other slices, over that of the slice that was there alone."""
    total = 0.0
    bands = p.x.shape[1]
    for s in range(bands):
        alone = torch.zeros_like(p.x)
        alone[:, s] = p.x[:, s]
        found = method.reconstruct(p.batch | {"y": p.H(alone)}).mean
        others = [found[:, j].abs().square().sum() for j in range(bands) if j != s]
        total += float(sum(others) / p.x[:, s].abs().square().sum()) / bands
    return total


def test_slices_do_not_leak_when_split():
    p = problem(3, 16, (48, 48), acceleration=2, calibration=24)
    split = leakage(SplitSliceGRAPPA(), p)
    assert split < 1e-3
    assert split < 0.5 * leakage(SplitSliceGRAPPA(split=False), p)


def test_a_kernel_slid_over_k_space_is_a_product_of_images():
    stencil = Stencil((-3, -1, 1), (-1, 0, 2))
    kernel, k = normal(2 * 9, 4, seed=1), normal(2, 9, 8)
    found = fft2((stencil.images(kernel, (9, 8)) * ifft2(k)[:, None]).sum(0))
    right = torch.zeros(4, 9, 8, dtype=torch.complex128)
    each = kernel.view(2, 3, 3, 4)
    for c in range(2):
        for i, line in enumerate(stencil.lines):
            for j, column in enumerate(stencil.columns):
                right += each[c, i, j, :, None, None] * k[c].roll((-line, -column), (0, 1))
    torch.testing.assert_close(found, right)


def test_sources_are_the_neighbours_of_samples():
    k = normal(2, 6, 5)
    B, T = Stencil((-1, 1), (0,)).sources(k)
    assert B.shape == (4 * 5, 4)
    assert torch.equal(T[0], k[:, 1, 0])
    assert torch.equal(B[0], torch.stack([k[0, 0, 0], k[0, 2, 0], k[1, 0, 0], k[1, 2, 0]]))


def test_weights_are_those_of_least_squares():
    B, T = normal(30, 6), normal(30, 2, seed=1)
    found = weights(B.mH @ B, B.mH @ T, regularisation=1e-12)
    torch.testing.assert_close(found, torch.linalg.lstsq(B, T).solution)
    assert weights(B.mH @ B, B.mH @ T, regularisation=1.0).norm() < found.norm()


def test_a_series_is_quick_and_each_frame_is_its_own():
    p = problem(5, 16, (64, 64), acceleration=2, calibration=24, frames=8, noise=0.01)
    method = SplitSliceGRAPPA()
    one = {key: value[:1] for key, value in p.batch.items()}
    first = method.reconstruct(one).mean
    start = time.perf_counter()
    found = method.reconstruct(p.batch).mean
    assert (time.perf_counter() - start) / 8 < 0.2
    torch.testing.assert_close(found[:1], first)
    other = p.batch | {"calibration": p.batch["calibration"].roll(1, 1)}
    assert nrmse(method.reconstruct(other).mean, found) > 0.1


@pytest.mark.parametrize(
    ("name", "value"), [("lines", 3), ("columns", 3), ("regularisation", 0.3), ("split", False)]
)
def test_every_option_of_slice_kernels_makes_a_difference(name, value):
    p = problem(3, 8, (24, 24), acceleration=2, calibration=20, noise=0.02)
    plain = SplitSliceGRAPPA().reconstruct(p.batch).mean
    assert nrmse(SplitSliceGRAPPA(**{name: value}).reconstruct(p.batch).mean, plain) > 1e-4


@pytest.mark.parametrize(("name", "value"), [("lines", 2), ("columns", 3), ("regularisation", 0.3)])
def test_every_option_of_grappa_makes_a_difference(name, value):
    p = problem(1, 8, (24, 24), acceleration=2, calibration=20, noise=0.02)
    plain = GRAPPA().reconstruct(p.batch).mean
    assert nrmse(GRAPPA(**{name: value}).reconstruct(p.batch).mean, plain) > 1e-4


def test_too_few_calibration_lines_are_told():
    p = problem(3, 8, (24, 24), acceleration=2, calibration=8)
    with pytest.raises(UserError, match=r"8 calibration lines are too few.*needs 9"):
        SplitSliceGRAPPA().reconstruct(p.batch)
    assert SplitSliceGRAPPA(lines=3).reconstruct(p.batch).mean.shape == p.x.shape
    single = problem(1, 8, (24, 24), acceleration=3, calibration=9)
    with pytest.raises(UserError, match=r"9 calibration lines are too few.*needs 10"):
        GRAPPA().reconstruct(single.batch)


def test_masks_that_are_not_regular_are_refused():
    p = problem(1, 4, (16, 16), acceleration=2, calibration=12)
    points = p.batch["mask"].clone()
    points[..., 3, 4] = ~points[..., 3, 4]
    gaps = p.batch["mask"].clone()
    gaps[:, :, 4:7] = False
    for mask in (points, gaps, torch.zeros_like(points)):
        with pytest.raises(UserError, match="needs regular undersampling"):
            GRAPPA().reconstruct(p.batch | {"mask": mask})
    sms = problem(2, 8, (32, 32), acceleration=2, calibration=20, centre=6)
    with pytest.raises(UserError, match="3 lines beside the regular ones"):
        SplitSliceGRAPPA().reconstruct(sms.batch)


def test_a_lattice_is_found_with_its_offset_and_its_middle():
    mask = torch.zeros(12, 4, dtype=torch.bool)
    mask[1::3] = True
    mask[5:8] = True
    lattice = Lattice.of(mask, "grappa")
    assert lattice.acceleration == 3
    assert torch.nonzero(lattice.lines).flatten().tolist() == [1, 4, 7, 10]
    assert torch.nonzero(lattice.extra).flatten().tolist() == [5, 6]


def test_grappa_is_for_one_slice():
    p = problem(2, 4, (16, 16), calibration=12)
    with pytest.raises(UserError, match="split_slice_grappa"):
        GRAPPA().reconstruct(p.batch)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GRAPPA(lines=3),
        lambda: GRAPPA(columns=4),
        lambda: GRAPPA(regularisation=0.0),
        lambda: SplitSliceGRAPPA(lines=4),
        lambda: SplitSliceGRAPPA(columns=2),
        lambda: SplitSliceGRAPPA(regularisation=-1.0),
    ],
)
def test_kernels_of_wrong_size_are_refused(make):
    with pytest.raises(UserError, match="regularisation above 0"):
        make()


def test_the_unmixing_of_a_fully_sampled_slice_is_the_combination_of_its_coils():
    p = problem(1, 4, (16, 16), calibration=12)
    kernels = Kernels("grappa", 5, 5, 1e-3)
    U = kernels.unmixing(p.batch["calibration"][0], p.batch["maps"][0], p.batch["caipi"][0], 1)
    assert torch.equal(U, p.batch["maps"][0].conj())
    assert isinstance(p.H, Sense)
