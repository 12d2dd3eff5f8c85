"""Changes of a series that a method lets through in part come back in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bioreco.cli.scanning.restoring import responded, restoring
from bioreco.data.scans import Problems
from bioreco.data.simulation.fmri import simulate
from bioreco.data.simulation.protocol import Protocol
from bioreco.engine.runtime import Runtime
from bioreco.engine.scanning import volumes
from bioreco.methods.kspace import Reconstruction
from bioreco.operators.conjugate_gradient import conjugate_gradient
from bioreco.operators.models import SMSMRI


class Shrinking(Reconstruction):
    """Least squares, of which a share is replaced by a picture that never changes."""

    restores = True

    def __init__(self, share: float) -> None:
        super().__init__(nn.Identity(), SMSMRI())
        self.share = share
        self.still: dict[tuple[int, ...], torch.Tensor] = {}

    def apply_to(self, batch, H, y):
        x = conjugate_gradient(H.normal, H.adjoint(y), iterations=20)
        where = tuple(batch["maps"][0, :, 0, 12, 12].real.mul(1e6).int().tolist())
        still = self.still.setdefault(where, x[:1])
        return self.share * x + (1 - self.share) * still


@pytest.fixture(scope="module")
def problems():
    protocol = Protocol(
        multiband=2, acceleration=1, groups=1, frames=16, size=32, coils=8, calibration_lines=16
    )
    return Problems([simulate(protocol, seed=3)])


def series(method, problems, after=None):
    runtime = Runtime("cpu")
    found = volumes(method, problems, 0, runtime, lambda share: None)
    return np.stack([after(volume) if after else volume for _, volume in found])


def test_changes_come_back_in_full(problems):
    runtime = Runtime("cpu")
    method, whole = Shrinking(0.8), Shrinking(1.0)
    restored = restoring(method, problems, 0, runtime)
    assert restored is not None
    assert restored.whole == pytest.approx(0.8, abs=0.005)
    np.testing.assert_allclose(restored.share, 0.8, atol=0.02)
    change = np.diff(series(method, problems, restored), axis=0)
    expected = np.diff(series(whole, problems), axis=0)
    assert np.linalg.norm(change - expected) < 0.02 * np.linalg.norm(expected)


def test_the_true_response_is_told(problems):
    runtime = Runtime("cpu")
    method = Shrinking(0.8)
    raw = responded(method, problems, runtime, None)
    assert raw["restored"] == 1.0
    assert raw["response_bias"] == pytest.approx(-20, abs=1.5)
    after = responded(method, problems, runtime, restoring(method, problems, 0, runtime))
    assert abs(after["response_bias"]) < 1.5


def test_what_hardly_comes_back_is_left_as_it_is(problems, caplog):
    with caplog.at_level("INFO"):
        assert restoring(Shrinking(0.3), problems, 0, Runtime("cpu")) is None
    assert "left as it is" in caplog.text


def test_methods_that_say_so_are_left_alone(problems):
    method = Shrinking(0.8)
    method.restores = False
    assert restoring(method, problems, 0, Runtime("cpu")) is None
