"""Fourier binning, Gerchberg-Papoulis and total variation on a small cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioreco.data.tomograms.simulated import Microscope
from bioreco.engine.sampler import collate
from bioreco.errors import UserError
from bioreco.methods.tomography import FourierBinning, GerchbergPapoulis, TomographicTV, index_of
from bioreco.metrics.fidelity import psnr
from bioreco.operators.odt import ODT

SIDE = 24
MEDIUM = 1.337


@pytest.fixture(scope="module")
def tomogram():
    return Microscope(views=25, noise=0.005).tomogram(0, 0, SIDE)


@pytest.fixture(scope="module")
def batch(tomogram):
    return collate([tomogram.batch(SIDE)])


def found(method, batch) -> np.ndarray:
    index = method.reconstruct(batch).mean
    assert index.shape == (1, 1, SIDE, SIDE, SIDE)
    return index[0, 0].numpy()


def test_constraints_come_nearer_to_the_truth(tomogram, batch):
    truth = tomogram.truth.index
    rytov = psnr(found(FourierBinning(ODT()), batch), truth)
    filled = found(GerchbergPapoulis(ODT(), iterations=30), batch)
    varied = found(TomographicTV(ODT(), iterations=30), batch)
    assert filled.min() >= MEDIUM - 1e-6
    assert psnr(filled, truth) > rytov + 1
    assert psnr(varied, truth) > rytov + 1


def test_negative_contrast_is_allowed_if_asked_for(batch):
    for method in (GerchbergPapoulis, TomographicTV):
        assert found(method(ODT(), iterations=2, positive=False), batch).min() < MEDIUM - 1e-4


def test_more_weight_varies_less(batch):
    def total(weight):
        index = found(TomographicTV(ODT(), weight=weight, iterations=10), batch)
        return sum(np.abs(np.diff(index, axis=axis)).sum() for axis in range(3))

    assert total(0.01) < total(0.001) < total(0.0)


def test_more_iterations_fill_more(batch):
    few, more = (found(GerchbergPapoulis(ODT(), iterations=n), batch) for n in (1, 20))
    assert np.abs(few - more).max() > 1e-3


def test_born_is_another_approximation(batch):
    rytov, born = (found(FourierBinning(ODT(name)), batch) for name in ("rytov", "born"))
    assert np.abs(rytov - born).max() > 1e-3


def test_indices_keep_their_unit(batch):
    f = torch.zeros(2, 2, 2)
    torch.testing.assert_close(index_of(f, batch), torch.full((1, 1, 2, 2, 2), MEDIUM))


def test_nothing_is_trained():
    assert FourierBinning(ODT()).players() == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda: GerchbergPapoulis(ODT(), iterations=0),
        lambda: TomographicTV(ODT(), weight=-1.0),
        lambda: TomographicTV(ODT(), iterations=0),
    ],
)
def test_a_wrong_option_is_told(make):
    with pytest.raises(UserError, match="at least 1 iteration"):
        make()
