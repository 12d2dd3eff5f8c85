"""The options of training, devices, and batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import AHEAD, Draws, loader
from bioreco.errors import UserError


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "trainer.batch_size=0: at least 1"),
        ({"log_every": 0}, "trainer.log_every=0: at least 1"),
        ({"validate_every": -1}, "trainer.validate_every=-1: at least 1"),
        ({"checkpoint_every": 0}, "trainer.checkpoint_every=0: at least 1"),
        ({"steps": -1}, "trainer.steps=-1 trainer.workers=0: at least 0"),
        ({"workers": -2, "steps": 5}, "trainer.steps=5 trainer.workers=-2: at least 0"),
        ({"time_limit": 0}, "trainer.time_limit=0: seconds, above 0"),
        ({"time_limit": math.nan}, "trainer.time_limit=nan: seconds, above 0"),
        ({"ema": 1.0}, "trainer.ema=1.0: at least 0, below 1"),
        ({"clip": 0.0}, "trainer.clip=0.0: above 0, or null"),
        (
            {"precision": "bf16-mixd"},
            "trainer.precision=bf16-mixd: choose one of 32-true, bf16-mixed, 16-mixed."
            " Did you mean 'bf16-mixed'?",
        ),
        (
            {"schedule": "cosin"},
            "trainer.schedule=cosin: choose one of cosine, late_cosine, constant."
            " Did you mean 'cosine'?",
        ),
        (
            {"select": "held"},
            "trainer.select=held: choose one of last, validation, heldout. Did you mean 'heldout'?",
        ),
    ],
)
def test_wrong_options_are_told(options, text):
    with pytest.raises(UserError) as said:
        Options(**options)
    assert str(said.value) == text


def test_the_nearer_limit_counts():
    assert Options(steps=100).progress(25, 1e9) == 0.25
    limited = Options(steps=100, time_limit=10)
    assert limited.progress(25, 1) == 0.25
    assert limited.progress(25, 9) == 0.9
    assert limited.progress(25, 90) == 1
    assert Options(steps=0).progress(0, 0) == 1


def test_the_schedules_values():
    cosine, constant = Options(schedule="cosine"), Options(schedule="constant")
    assert [cosine.rate(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert cosine.rate(0.25) == pytest.approx(0.5 + math.sqrt(0.125))
    assert [constant.rate(p) for p in (0, 0.5, 1)] == [1, 1, 1]
    late = Options(schedule="late_cosine")
    assert [late.rate(p) for p in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx([1, 1, 1, 0.5, 0])


@pytest.mark.parametrize(
    ("device", "text"),
    [
        ("tpu", "device=tpu: choose auto, cpu, cuda or cuda:N"),
        ("cuda:x", "device=cuda:x: choose auto, cpu, cuda or cuda:N"),
        ("cuda:99", "device=cuda:99: this machine has"),
    ],
)
def test_a_device_that_is_not_there_is_told(device, text):
    with pytest.raises(UserError) as said:
        Runtime(device)
    assert str(said.value).startswith(text)


def test_half_precision_needs_a_gpu():
    with pytest.raises(UserError) as said:
        Runtime("cpu", "16-mixed")
    assert str(said.value) == "precision=16-mixed needs a GPU; on a CPU use 32-true"


def test_one_process_shares_nothing():
    runtime = Runtime("cpu")
    assert (runtime.first, runtime.world) == (True, 1)
    assert runtime.agree(3.5) == 3.5
    assert runtime.share("word") == "word"
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    runtime.average([weight])
    assert weight.grad.tolist() == [3, 3]
    runtime.close()


def test_convolutions_get_their_channels_last():
    net = torch.nn.Conv2d(4, 8, 3)
    before = net.weight.detach().clone()
    Runtime("cpu").place(net)
    assert net.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(net.weight, before)


def test_weights_with_one_channel_say_that_channels_are_last():
    net = torch.nn.Conv2d(1, 16, 3)
    y = torch.randn(2, 1, 8, 8)
    assert not net(y).is_contiguous(memory_format=torch.channels_last)
    Runtime("cpu").place(net)
    assert net(y).is_contiguous(memory_format=torch.channels_last)


def test_a_step_is_seeded_as_torch_seeds():
    Runtime("cpu").seed(5)
    found = torch.randn(3)
    torch.manual_seed(5)
    assert torch.equal(found, torch.randn(3))


def test_seeds_are_derived_by_counters():
    assert fold(0, 1, 2) == fold(0, 1, 2)
    found = {fold(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(found) == 125
    assert all(0 <= seed < 2**63 for seed in found)


def batches(start=0, stop=12, rank=0, world=1, batch=4, seed=5, length=3):
    draws = Draws(length, batch, seed=seed, start=start, stop=stop, rank=rank, world=world)
    assert len(draws) == stop - start
    return list(draws)


def test_batches_follow_from_the_step_alone():
    whole = batches()
    assert batches(start=7) == whole[7:]
    assert batches(seed=6) != whole
    seeds = [seed for batch in whole for _, seed in batch]
    assert len(set(seeds)) == len(seeds)


def test_each_epoch_sees_every_sample_once():
    order = [index for batch in batches() for index, _ in batch]
    for epoch in range(len(order) // 3):
        assert sorted(order[3 * epoch : 3 * epoch + 3]) == [0, 1, 2]


def test_processes_share_the_batches_of_one():
    parts = [batches(rank=rank, world=2) for rank in range(2)]
    for one, *two in zip(batches(), *parts, strict=True):
        assert sorted(two[0] + two[1]) == sorted(one)
        assert len(two[0]) == len(two[1])


def test_a_batch_that_can_not_be_shared_is_told():
    runtime = Runtime("cpu")
    runtime.world = 3
    with pytest.raises(UserError) as said:
        loader([], 4, seed=0, start=0, stop=1, workers=0, runtime=runtime)
    assert str(said.value) == "trainer.batch_size=4 can't be shared by 3 processes evenly"


class Asked:
    """Samples of a size that remember for how many they were asked."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0

    def __len__(self):
        return 3

    def __getitem__(self, draw):
        self.count += 1
        return {"y": np.full(self.size, draw[1] % 1000, np.float32), "seed": np.int64(draw[1])}


@pytest.mark.parametrize(("size", "ahead"), [(4, AHEAD), (2**19, 2), (2**21, 1)])
def test_batches_are_prepared_together_unless_they_are_large(size, ahead):
    samples = Asked(size)
    given = loader(samples, 1, seed=5, start=3, stop=13, workers=0, runtime=Runtime("cpu"))
    seeds = [[batch["seed"].item(), samples.count] for batch in given]
    wanted = [draws[0][1] for draws in batches(start=3, stop=13, batch=1)]
    assert [seed for seed, _ in seeds] == wanted
    assert [count for _, count in seeds] == [min(10, k // ahead * ahead + ahead) for k in range(10)]
