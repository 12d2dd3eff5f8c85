"""Numbers drawn by counter are uniform, independent, and the sample's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from bioreco.methods import draws

SEEDS = torch.tensor([0, 1, 2, -1, 2**63 - 1, -(2**63), 12345678901234567])


def test_numbers_are_uniform():
    u = draws.uniform(SEEDS, 100_000)
    assert u.dtype == torch.float64
    assert u.shape == (len(SEEDS), 100_000)
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    for row in u.numpy():
        for power in (1, 2, 3, 4):
            assert np.mean(row**power) == pytest.approx(1 / (power + 1), abs=0.005)
        assert stats.kstest(row, "uniform").pvalue > 1e-3
    bins = (u * 64).long().flatten().bincount(minlength=64).double()
    assert (bins / bins.mean() - 1).abs().max() < 0.05


def test_seeds_streams_and_neighbours_are_independent():
    seeds = torch.arange(4)  # close together, as those of a test would be
    rows = [draws.uniform(seeds, 50_000, stream=s).numpy() for s in range(3)]
    flat = np.concatenate(rows)
    for a, b in itertools.combinations(flat, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
        assert not np.isin(a[:100], b).any()
    for row in flat:
        for lag in (1, 2, 7):
            assert abs(np.corrcoef(row[lag:], row[:-lag])[0, 1]) < 0.02


@pytest.mark.parametrize("stream", [0, 1])
def test_a_sample_draws_the_same_in_any_batch(stream):
    whole = draws.uniform(SEEDS, 50, stream)
    for part in (slice(0, 1), slice(2, 5), slice(None, None, 2)):
        assert torch.equal(draws.uniform(SEEDS[part], 50, stream), whole[part])
    assert torch.equal(draws.uniform(SEEDS.flip(0), 50, stream), whole.flip(0))
    assert torch.equal(draws.uniform(SEEDS, 20, stream), whole[:, :20])


def test_numbers_stay_what_they_are():
    """A changed draw would change what every stopped run resumes to."""
    state = 0x9E3779B97F4A7C15  # SplitMix64 of the paper, in whole numbers

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    start = mix(state)
    by_hand = [(mix((start + state * (k + 1)) % 2**64) >> 11) / 2**53 for k in range(3)]
    assert draws.uniform(torch.tensor([0]), 3)[0].tolist() == by_hand


# --- numbers by position


def grid(start: tuple[int, ...], size: tuple[int, ...], seed: int = 3, **more) -> torch.Tensor:
    given = {"channels": 3, "number": 0} | more
    return draws.normal_at(torch.tensor([seed]), torch.tensor([start]), size, **given)[0]


def test_numbers_by_position_are_normal():
    z = grid((-100, 7), (200, 150))
    assert z.dtype == torch.float32
    assert z.shape == (3, 200, 150)
    for channel in z.numpy():
        assert stats.kstest(channel.ravel(), "norm").pvalue > 1e-3
    assert z.abs().max() < 6


@pytest.mark.parametrize("dims", [2, 3])
def test_a_place_has_its_numbers_from_wherever_it_is_seen(dims):
    start, size = (-4, 10, -20)[-dims:], (6, 20, 31)[-dims:]
    whole = grid(start, size)
    part = tuple(slice(n // 3, n - 1) for n in size)
    seen = grid(tuple(a + s.start for a, s in zip(start, part, strict=True)),
                tuple(s.stop - s.start for s in part))  # fmt: skip
    assert torch.equal(seen, whole[:, *part])
    more = draws.normal_at(torch.tensor([9, 3]), torch.tensor([start] * 2), size,
                           channels=2, number=0)  # fmt: skip
    assert torch.equal(more[1], whole[:2])


def test_neighbours_channels_numbers_streams_and_seeds_are_independent():
    base = grid((0, 0), (128, 128))
    others = [
        grid((0, 0), (128, 128), number=1)[0],
        grid((0, 0), (128, 128), stream=1)[0],
        grid((0, 0), (128, 128), seed=4)[0],
        base[1],
        base[0].T,
        base[0].roll(1, 0),
        base[0].roll(1, 1),
    ]
    for other in others:
        assert abs(np.corrcoef(base[0].numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.03
