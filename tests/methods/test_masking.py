"""Blind spots are where they should be, and hold what they should."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from bioreco.methods import masking

PLANES = [(64, 64), (61, 47), (16, 16), (128, 20)]
STACKS = [(16, 32, 32), (8, 33, 41), (1, 64, 64), (2, 64, 48), (3, 40, 40), (5, 64, 64)]
SLIVERS = [(1, 100), (100, 1), (1, 1), (3, 3), (1, 1, 50)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeds(count: int) -> Tensor:
    return torch.arange(count) * 7919 + 3


# --- stratified


@pytest.mark.parametrize("density", [0.01, 0.02, 0.06, 0.2, 0.5])
@pytest.mark.parametrize("size", PLANES + STACKS, ids=str)
def test_the_density_is_what_was_asked_for(size, density):
    mask = masking.stratified(torch.zeros(2, 3, *size), density, seeds(2))
    assert mask.dtype == torch.bool
    assert mask.shape == (2, 3, *size)
    wanted = density * math.prod(size)
    counts = mask.flatten(2).sum(2)
    assert (counts >= 1).all()
    if wanted >= 25:  # below that the count of boxes can't be closer
        assert float(counts.double().mean()) == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("density", [1e-6, 0.06, 0.5])
@pytest.mark.parametrize("size", PLANES + STACKS + SLIVERS, ids=str)
def test_every_sample_and_channel_has_a_blind_spot(size, density):
    mask = masking.stratified(torch.zeros(4, 2, *size), density, seeds(4))
    assert (mask.flatten(2).sum(2) >= 1).all()


@pytest.mark.parametrize("size", [(64, 64), (32, 48), (8, 32, 32)], ids=str)
def test_each_box_has_one_blind_spot(size):
    side = 4
    mask = masking.stratified(torch.zeros(3, 2, *size), side ** -len(size), seeds(3))
    boxed = mask
    for axis in range(len(size)):
        boxed = boxed.unflatten(2 + 2 * axis, (-1, side))
    inside = tuple(range(3, 2 + 2 * len(size), 2))
    assert (boxed.sum(inside) == 1).all()


def test_each_pixel_of_a_box_is_as_likely_and_boxes_are_independent():
    mask = masking.stratified(torch.zeros(4000, 1, 8, 8), 1 / 16, seeds(4000))[:, 0].double()
    share = mask.mean(0)
    assert (share * 16 - 1).abs().max() < 0.35
    pair = mask[:, 1, 1], mask[:, 1, 5]
    assert abs(float(torch.corrcoef(torch.stack(pair))[0, 1])) < 0.06


def test_box_sides_that_are_no_whole_number_still_reach_every_pixel():
    mask = masking.stratified(torch.zeros(3000, 1, 10, 7), 0.06, seeds(3000))
    share = mask.double().mean(0)[0]
    assert float(share.min()) > 0.5 * float(share.mean())
    assert float(share.max()) < 1.8 * float(share.mean())


def test_channels_have_their_own_blind_spots_unless_joint():
    y = torch.zeros(2, 3, 32, 32)
    apart = masking.stratified(y, 0.06, seeds(2))
    together = masking.stratified(y, 0.06, seeds(2), joint=True)
    assert not torch.equal(apart[:, 0], apart[:, 1])
    assert not torch.equal(apart[0], apart[1])
    assert together.shape == y.shape
    assert torch.equal(together[:, 0], together[:, 1])
    assert torch.equal(together[:, 0], together[:, 2])


def test_a_sample_has_the_same_blind_spots_in_any_batch():
    y = torch.zeros(4, 2, 20, 20)
    whole = masking.stratified(y, 0.06, seeds(4))
    for k in range(4):
        assert torch.equal(masking.stratified(y[:1], 0.06, seeds(4)[k : k + 1])[0], whole[k])


# --- grid


@pytest.mark.parametrize("width", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [(12, 12), (9, 13), (3, 12, 10), (1, 8, 8)], ids=str)
def test_the_grids_are_a_partition(size, width):
    y = torch.zeros(1, 2, *size)
    sets = [masking.grid(y, width, torch.tensor([k])) for k in range(width**2)]
    assert (torch.stack(sets).sum(0) == 1).all()
    assert sets[0].shape == y.shape


def test_each_sample_has_its_own_phase():
    masks = masking.grid(torch.zeros(3, 1, 8, 8), 4, torch.tensor([0, 5, 15]))
    at = [mask[0].nonzero()[0].tolist() for mask in masks]
    assert at == [[0, 0], [1, 1], [3, 3]]
    assert (masks.flatten(1).sum(1) == 4).all()


@pytest.mark.parametrize("width", [4, 5, 6])
@pytest.mark.parametrize("size", [(12, 12), (5, 12, 12)], ids=str)
def test_no_two_neighbours_are_hidden_together(size, width):
    for k in range(width**2):
        mask = masking.grid(torch.zeros(1, 1, *size), width, torch.tensor([k]))[0, 0].numpy()
        labels, count = ndimage.label(mask, np.ones([3] * len(size)))
        assert count == mask.sum()
        assert labels.max() == count


# --- fill


def windows(y: Tensor, radius: int) -> dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]]:
    """Return the neighbours of each pixel of an image, by its place, and how near they are."""
    image = y.numpy()
    found = {}
    for at in itertools.product(*[range(n) for n in image.shape]):
        part = tuple(slice(max(0, a - radius), a + radius + 1) for a in at)
        grids = np.ogrid[
            tuple(slice(s.start, min(s.stop, n)) for s, n in zip(part, image.shape, strict=True))
        ]
        distance = sum(abs(g - a) for g, a in zip(grids, at, strict=True))
        found[at] = image[part][distance > 0], 0.5 ** distance[distance > 0]
    return found


def every_pixel_alone(y: Tensor, how: str, radius: int) -> Tensor:
    """Return what each pixel of one image (1, 1, ...) becomes when it alone is hidden."""
    out = torch.zeros_like(y)
    for at in itertools.product(*[range(n) for n in y.shape[2:]]):
        mask = torch.zeros_like(y, dtype=torch.bool)
        mask[(0, 0, *at)] = True
        blind = masking.fill(y, mask, how, radius=radius, seeds=seeds(1))
        assert torch.equal(blind[~mask], y[~mask])
        out[(0, 0, *at)] = blind[(0, 0, *at)]
    return out


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("size", [(7, 6), (1, 9), (3, 4, 5)], ids=str)
def test_weighted_mean_and_median_are_those_of_the_neighbours_without_the_centre(size, radius):
    y = noise(1, 1, *size)
    around = windows(y[0, 0], radius)
    mean, median = (every_pixel_alone(y, how, radius) for how in ("mean", "median"))
    for at, (values, nearness) in around.items():
        weighted = np.average(values, weights=nearness)
        assert float(mean[(0, 0, *at)]) == pytest.approx(weighted, rel=1e-5, abs=1e-6)
        lower = np.sort(values)[(len(values) - 1) // 2]  # of two middle ones the lower
        assert float(median[(0, 0, *at)]) == pytest.approx(lower)


def test_the_mean_matches_a_convolution_inside_the_image():
    y = noise(1, 2, 12, 13)
    line = 0.5 ** np.abs(np.arange(-2, 3))
    kernel = np.outer(line, line)
    kernel[2, 2] = 0
    kernel /= kernel.sum()
    mask = torch.zeros_like(y, dtype=torch.bool)
    mask[..., 2:-2:5, 2:-2:5] = True
    blind = masking.fill(y, mask, "mean", radius=2, seeds=seeds(1))
    expected = np.stack([ndimage.convolve(plane, kernel) for plane in y[0].numpy()])[None]
    np.testing.assert_allclose(blind[mask].numpy(), expected[mask.numpy()])


@pytest.mark.parametrize("at", [(3, 3), (0, 0), (0, 3), (6, 6), (6, 0), (2, 1)], ids=str)
def test_uniform_never_takes_the_centre_and_each_neighbour_as_often(at):
    count, radius = 6000, 2
    y = torch.arange(49.0).view(1, 1, 7, 7).expand(count, 1, 7, 7)
    mask = torch.zeros_like(y, dtype=torch.bool)
    mask[:, 0, *at] = True
    blind = masking.fill(y, mask, "uniform", radius=radius, seeds=seeds(count))
    taken = blind[:, 0, *at].long().bincount(minlength=49).double()
    near = windows(y[0, 0], radius)[at][0].astype(int)
    others = np.setdiff1d(np.arange(49), near)
    assert (taken[others] == 0).all()  # the centre is among the others
    expected = count / len(near)
    assert ((taken[near] - expected).abs() < 5 * math.sqrt(expected)).all()


def test_uniform_in_stacks_takes_all_26_neighbours():
    count = 5000
    y = torch.arange(27.0).view(1, 1, 3, 3, 3).expand(count, 1, 3, 3, 3)
    mask = torch.zeros_like(y, dtype=torch.bool)
    mask[:, 0, 1, 1, 1] = True
    blind = masking.fill(y, mask, "uniform", radius=1, seeds=seeds(count))
    taken = blind[:, 0, 1, 1, 1].long().bincount(minlength=27).double()
    assert taken[13] == 0
    assert len(taken.nonzero()) == 26
    assert (taken[taken > 0] / (count / 26) - 1).abs().max() < 0.4


def test_uniform_follows_the_seed_of_its_sample():
    y = noise(3, 1, 12, 12)
    mask = masking.stratified(y, 0.1, seeds(3))
    whole = masking.fill(y, mask, "uniform", radius=2, seeds=seeds(3))
    for k in range(3):
        part = slice(k, k + 1)
        alone = masking.fill(y[part], mask[part], "uniform", radius=2, seeds=seeds(3)[part])
        assert torch.equal(alone[0], whole[k])
    assert not torch.equal(masking.fill(y, mask, "uniform", radius=2, seeds=seeds(3) + 1), whole)


@pytest.mark.parametrize("how", ["uniform", "mean", "median"])
def test_what_is_filled_in_does_not_depend_on_what_is_hidden(how):
    y = noise(2, 2, 16, 16)
    mask = masking.stratified(y, 0.2, seeds(2))
    other = torch.where(mask, noise(2, 2, 16, 16, seed=9) * 100, y)
    one, two = (masking.fill(v, mask, how, radius=2, seeds=seeds(2)) for v in (y, other))
    assert torch.equal(one, two)


def test_interpolation_does_not_depend_on_what_is_hidden():
    y = noise(2, 2, 16, 16)
    mask = noise(2, 2, 16, 16, seed=1) > 1  # hidden pixels side by side, as those held are
    other = torch.where(mask, noise(2, 2, 16, 16, seed=9) * 100, y)
    assert torch.equal(masking.interpolate(y, mask), masking.interpolate(other, mask))


@pytest.mark.parametrize("how", ["uniform", "mean", "median"])
def test_a_pixel_without_neighbours_is_no_reason_to_fail(how):
    y = noise(1, 1, 1, 1)
    blind = masking.fill(y, torch.ones_like(y, dtype=torch.bool), how, radius=2, seeds=seeds(1))
    assert blind.isfinite().all()
    assert not torch.equal(blind, y)


def test_the_measurement_is_left_as_it_was():
    y = noise(1, 1, 8, 8)
    before = y.clone()
    mask = masking.stratified(y, 0.2, seeds(1))
    for how in ("uniform", "mean", "median"):
        masking.fill(y, mask, how, radius=2, seeds=seeds(1))
    masking.interpolate(y, mask)
    assert torch.equal(y, before)


# --- interpolate


@pytest.mark.parametrize("size", [(9, 8), (1, 7), (7, 1), (4, 5, 6), (1, 5, 5)], ids=str)
def test_interpolation_is_the_weighted_mean_of_the_nearest_neighbours(size):
    y = noise(2, 2, *size)
    line = np.array([0.5, 1.0, 0.5])
    kernel = line
    for _ in size[1:]:
        kernel = np.multiply.outer(kernel, line)
    kernel[(1,) * len(size)] = 0
    weight = ndimage.convolve(np.ones(size), kernel, mode="constant")
    for phase in range(16):
        mask = masking.grid(y, 4, torch.tensor([phase, phase]))
        blind = masking.interpolate(y, mask)
        assert torch.equal(blind[~mask], y[~mask])
        for sample, hidden, was in zip(blind, mask, y, strict=True):
            for x, m, v in zip(sample, hidden, was, strict=True):
                total = ndimage.convolve(v.numpy(), kernel, mode="constant")
                np.testing.assert_allclose(x[m].numpy(), (total / weight)[m.numpy()], atol=1e-12)


# --- the loss


@pytest.mark.parametrize("brightness", [0.2, 0.5, 1.0])
def test_pixels_that_keep_their_value_by_chance_stay_in_the_loss(brightness):
    """A mask found by comparing values drops them, and takes 0.2 for 0.57."""
    generator = torch.Generator().manual_seed(0)
    y = torch.poisson(torch.full((32, 1, 128, 128), brightness), generator)
    mask = masking.stratified(y, 0.06, seeds(32))
    blind = masking.fill(y, mask, "uniform", radius=2, seeds=seeds(32))
    targets = y[mask]
    assert float((blind == y)[mask].double().mean()) > 0.2  # many ties
    error = 4 * math.sqrt(brightness / len(targets))
    assert float(targets.mean()) == pytest.approx(brightness, abs=error)
    constant = torch.full_like(y, brightness)
    steps = [float(masking.masked_mse(constant + d, y, mask)) for d in (-0.05, 0.0, 0.05)]
    assert steps[1] < min(steps[0], steps[2])
    by_values = y[blind != y]
    assert float(by_values.mean()) > 1.1 * brightness  # the trap is there to fall into


def test_the_loss_is_the_mean_over_hidden_pixels_of_each_sample():
    x, y = noise(3, 2, 6, 6), noise(3, 2, 6, 6, seed=1)
    mask = noise(3, 2, 6, 6, seed=2) > 1
    by_hand = [((a - b)[m] ** 2).mean() for a, b, m in zip(x, y, mask, strict=True)]
    torch.testing.assert_close(masking.masked_mse(x, y, mask), torch.stack(by_hand).mean().float())
    other = torch.where(mask, x, x + 1e3)
    assert torch.equal(masking.masked_mse(other, y, mask), masking.masked_mse(x, y, mask))


def test_a_sample_without_hidden_pixels_adds_nothing():
    x, y = noise(2, 1, 4, 4), noise(2, 1, 4, 4, seed=1)
    mask = torch.zeros_like(y, dtype=torch.bool)
    assert float(masking.masked_mse(x, y, mask)) == 0
