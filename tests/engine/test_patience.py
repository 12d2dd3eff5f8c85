"""Training stops when the validation loss has had no new low for a while, and reports the best."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from bioreco.data.patches import Patches
from bioreco.engine import checkpoint
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.errors import UserError
from bioreco.methods.method import Estimate, Method


class Bowl(Method):
    """One number that training drives up for ever; its validation loss is least at 4."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(()))

    def players(self):
        return {"a": [self.a]}

    def step(self, batch):
        yield "a", {"loss": -self.a}

    def validate(self, batch):
        return {"loss": (self.a - 4).abs()}

    def reconstruct(self, batch):
        return Estimate(torch.complex(batch["y"], batch["y"]))

    def look(self, batch):
        return self.reconstruct(batch).mean


def trained(folder, steps: int, patience: int | None = 2, select: str = "validation"):
    method = Bowl()
    blocks = [torch.randn(1, 16, 16).numpy()]
    options = Options(
        steps=steps, schedule="constant", ema=0, clip=None, validate_every=2, checkpoint_every=3,
        batch_size=1, select=select, patience=patience,
    )  # fmt: skip
    fitted = fit(
        method,
        Patches(blocks, (16, 16), "none"),
        {"a": partial(torch.optim.SGD, lr=1.0)},
        options=options,
        runtime=Runtime("cpu"),
        folder=folder,
        seed=0,
        extras={"config": {}},
    )
    return method, fitted


WORDS = "weights after step 4, where the validation loss was the least of 4 (0)"


def test_it_stops_after_as_many_looks_and_reports_the_best(tmp_path):
    method, fitted = trained(tmp_path, 100)
    assert (fitted.step, method.a.item(), fitted.selection) == (8, 4, WORDS)
    best = checkpoint.load(tmp_path / "checkpoints/best.pt")
    assert (best["method"]["a"], best["step"]) == (4, 4)


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_a_run_that_is_stopped_and_goes_on_stops_alike(tmp_path, stop):
    trained(tmp_path, stop)
    method, fitted = trained(tmp_path, 100)
    assert (fitted.step, method.a.item(), fitted.selection) == (8, 4, WORDS)


def test_a_run_that_has_stopped_stays_so(tmp_path):
    trained(tmp_path, 100)
    method, fitted = trained(tmp_path, 200)
    assert (fitted.step, method.a.item(), fitted.selection) == (8, 4, WORDS)


def test_without_patience_the_best_is_reported_after_all_steps(tmp_path):
    method, fitted = trained(tmp_path, 12, patience=None)
    assert (fitted.step, method.a.item()) == (12, 4)


def test_patience_needs_something_to_wait_for():
    told = r"trainer.patience=3 trainer.select=last: patience is at least 1 and needs"
    with pytest.raises(UserError, match=told):
        Options(patience=3)
    with pytest.raises(UserError, match=r"trainer.patience=0"):
        Options(patience=0, select="validation")
