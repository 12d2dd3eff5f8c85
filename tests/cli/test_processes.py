"""Several processes learn what one would have learnt."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
LINE = [
    "train", "method=n2v", "data.count=1", "data.size=48", "data.patch=16", "network.channels=2",
    "network.depth=1", "trainer.steps=6", "trainer.batch_size=4", "trainer.device=cpu",
    "trainer.log_every=3", "inference.augment=false",
]  # fmt: skip


def values(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.slow
def test_two_processes_equal_one(bioreco, tmp_path):
    said = bioreco(*LINE, "hydra.run.dir=one")
    assert said.status == 0, said.err
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "bioreco", *LINE, "hydra.run.dir=two"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained for 6 steps") == 1  # one of them talks
    one, two = (
        torch.load(tmp_path / run / "checkpoints" / "best.pt", weights_only=True)
        for run in ("one", "two")
    )
    for name, weight in one["method"].items():
        torch.testing.assert_close(two["method"][name], weight, rtol=0, atol=1e-6)
    for a, b in zip(values(tmp_path / "one"), values(tmp_path / "two"), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    found = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert found["status"] == "finished"
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}


def test_a_wrong_option_is_told_by_all_and_leaves_nothing(bioreco, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "bioreco", *LINE, "trainer.batch_size=3"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "trainer.batch_size=3 can't be shared by 2 processes evenly" in done.stderr
    assert not list(tmp_path.glob("outputs/*/*"))


LEAVE = """
import weakref
import torch
import torch.distributed as dist
from bioreco.engine.runtime import Runtime
runtime = Runtime("cpu")
group = weakref.ref(dist.group.WORLD)
weight = torch.nn.Parameter(torch.ones(3))
weight.square().sum().backward()
runtime.average([weight])
torch.optim.Adam([weight]).step()
runtime.close()
assert group() is None
"""


def test_nothing_of_the_group_outlives_it(tmp_path):
    (tmp_path / "leave.py").write_text(LEAVE)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "leave.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
