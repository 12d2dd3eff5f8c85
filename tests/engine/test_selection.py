"""The weights with the least error are the ones reported, also after a stop."""

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
from bioreco.methods.method import Estimate, Method


class Rising(Method):
    """One number that training drives up for ever; a buffer counts the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def players(self):
        return {"a": [self.a]}

    def step(self, batch):
        self.steps += 1
        yield "a", {"loss": -self.a}

    def validate(self, batch):
        return {"loss": self.a}

    def reconstruct(self, batch):
        return Estimate(batch["y"])


def trained(folder, steps: int, best: float | None = 4.0):
    method = Rising()
    blocks = [torch.randn(1, 16, 16).numpy()]
    fitted = fit(
        method,
        Patches(blocks, (16, 16), "none"),
        {"a": partial(torch.optim.SGD, lr=1.0)},
        options=Options(
            steps=steps, schedule="constant", ema=0, clip=None, validate_every=2,
            checkpoint_every=3, batch_size=1,
        ),
        runtime=Runtime("cpu"),
        folder=folder,
        seed=0,
        extras={"config": {}},
        judge=None if best is None else lambda: abs(float(method.a.detach()) - best),
    )  # fmt: skip
    return method, fitted


WORDS = "weights after step 4, where the held-out error was the least of 5 (0 of the noise)"


def test_the_best_weights_are_reported_with_their_buffers(tmp_path):
    method, fitted = trained(tmp_path, 10)
    assert method.a.item() == 4
    assert method.steps.item() == 4
    assert fitted.selection == WORDS
    assert fitted.step == 10
    assert fitted.validation == 10
    last, best = (checkpoint.load(tmp_path / f"checkpoints/{n}.pt") for n in ("last", "best"))
    assert (last["method"]["a"], last["step"]) == (10, 10)
    assert (best["method"]["a"], best["step"], best["selection"]) == (4, 4, WORDS)


@pytest.mark.parametrize("stop", [3, 5, 6])
def test_a_run_that_stops_and_goes_on_chooses_alike(tmp_path, stop):
    trained(tmp_path / "straight", 10)
    folder = tmp_path / "stopped"
    trained(folder, stop - stop % 2)  # resumed from a checkpoint after which nothing was looked at
    method, fitted = trained(folder, 10)
    assert (method.a.item(), fitted.selection) == (4, WORDS)


def test_a_later_best_replaces_one_before_the_stop(tmp_path):
    method, _ = trained(tmp_path, 4, best=8.0)
    assert method.a.item() == 4
    method, _ = trained(tmp_path, 10, best=8.0)
    assert method.a.item() == 8


def test_without_a_judge_the_last_weights_are_reported(tmp_path):
    method, fitted = trained(tmp_path, 10, best=None)
    assert method.a.item() == 10
    assert "after the last step" in fitted.selection
