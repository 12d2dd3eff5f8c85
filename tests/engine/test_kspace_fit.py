"""The engine trains methods on k-space, resumes them bit for bit, and stops them in time."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from multicoil import scans

from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.methods.multimask_ssdu import MultiMaskSSDU
from bioreco.methods.ssdu import SSDU
from bioreco.methods.zs_ssl import ZeroShotSSL
from bioreco.networks.unrolled import Unrolled
from bioreco.operators.models import MRI


class Scans:
    """Slices of k-space, as a data set hands them to the engine."""

    def __init__(self, count: int) -> None:
        self.all = {key: value.numpy() for key, value in scans(range(count), size=24).items()}

    def __len__(self) -> int:
        return len(self.all["y"])

    def __getitem__(self, draw: tuple[int, int]):
        index, seed = draw
        return {key: value[index] for key, value in self.all.items()} | {"seed": np.int64(seed)}

    def validation(self):
        return [{key: value[:1] for key, value in self.all.items()}]


def trained(make, folder, steps: int, **options):
    torch.manual_seed(0)
    method = make(Unrolled(1, 1, 2, unrolls=2, blocks=1, channels=4, cg_iterations=3), MRI())
    given = {"batch_size": 1, "validate_every": 2, "checkpoint_every": 3} | options
    fitted = fit(
        method,
        Scans(3),
        {"network": partial(torch.optim.Adam, lr=3e-3)},
        options=Options(steps=steps, schedule="constant", **given),
        runtime=Runtime("cpu"),
        folder=folder,
        seed=0,
        extras={"config": {}},
    )
    return torch.cat([p.detach().flatten() for p in method.parameters()]), fitted


@pytest.mark.parametrize("make", [SSDU, MultiMaskSSDU, ZeroShotSSL])
def test_a_stopped_run_goes_on_bit_for_bit(make, tmp_path):
    straight, _ = trained(make, tmp_path / "straight", 5)
    trained(make, tmp_path / "stopped", 2)
    resumed, fitted = trained(make, tmp_path / "stopped", 5)
    assert torch.equal(straight, resumed)
    assert fitted.validation is not None
    rows = (tmp_path / "straight" / "metrics.csv").read_text().splitlines()
    assert "val/split" in rows[0]
    assert "train/network/split" in rows[0]


def test_zero_shot_learning_stops_by_its_own_loss(tmp_path):
    options = {"select": "validation", "patience": 2, "validate_every": 1}
    _, fitted = trained(ZeroShotSSL, tmp_path, 60, **options, ema=0, clip=None)
    assert fitted.step < 60
    assert "the validation loss was the least" in fitted.selection
