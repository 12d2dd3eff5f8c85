"""StructN2V hides what shares noise with the pixel that it predicts, along the right axis."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from bioreco.data.patches import HELD
from bioreco.errors import UserError
from bioreco.methods import blind_shapes, masking
from bioreco.methods.method import Facts
from bioreco.methods.noise2void import Noise2Void
from bioreco.methods.struct_noise2void import CROWDED, StructNoise2Void
from bioreco.metrics.noise_autocorrelation import Autocorrelation
from bioreco.networks.unet import UNet

MASKS = ["horizontal", "vertical", "cross", "square", [[1, 0, 1], [0, 1, 0], [0, 0, 1]]]
SIZE = {2: (24, 24), 3: (5, 24, 24)}


class Spy(nn.Module):
    """A network that keeps what it saw."""

    def __init__(self, dims: int = 2) -> None:
        super().__init__()
        self.dims, self.scale = dims, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return x * self.scale


def method(dims: int = 2, **options: object) -> StructNoise2Void:
    return StructNoise2Void(Spy(dims), **options)


def batch(dims: int = 2, *, samples: int = 2, channels: int = 1, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(samples, channels, *SIZE[dims], generator=generator)
    held = torch.rand(y.shape, generator=generator) < HELD
    return {"y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 5}


def facts(*images: np.ndarray, patch: tuple[int, ...] = ()) -> Facts:
    blocks = [torch.from_numpy(image.astype(np.float32))[None] for image in images]
    return Facts(images=blocks, dims=images[0].ndim, patch=patch)


def rows(*shape: int, width: int = 5) -> np.ndarray:
    """Return noise shared along X."""
    return ndimage.uniform_filter1d(np.random.default_rng(0).normal(size=shape), width, axis=-1)


def test_horizontal_is_along_x_and_vertical_along_y():
    spot = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    spot[0, 0, 4, 4] = True
    for name, expected in (
        ("horizontal", np.s_[4, 2:7]),
        ("vertical", np.s_[2:7, 4]),
        ("square", np.s_[2:7, 2:7]),
    ):
        hidden = torch.zeros(9, 9, dtype=torch.bool)
        hidden[expected] = True
        shape = method(mask=name, extent=2).shape
        assert torch.equal(masking.spread(spot, shape)[0, 0], hidden)
    cross = method(mask="cross", extent=2).shape
    assert cross.sum() == 9
    assert cross[2].all()
    assert cross[:, 2].all()
    assert method(3, mask="horizontal", extent=2).shape.shape == (1, 1, 5)
    assert method(mask="horizontal").shape.shape == (1, 9)


def test_a_mask_of_the_user_is_put_on_as_it_was_written():
    spot = torch.zeros(1, 1, 7, 7, dtype=torch.bool)
    spot[0, 0, 3, 3] = spot[0, 0, 0, 6] = True
    hidden = masking.spread(spot, method(mask=[[0, 1, 1]]).shape)[0, 0]
    assert hidden.nonzero().tolist() == [[0, 6], [3, 3], [3, 4]]
    deep = method(3, mask=[[[0]], [[0]], [[1]]]).shape
    assert deep[:, 0, 0].tolist() == [False, True, True]


@pytest.mark.parametrize("replacement", ["mean", "sample"])
@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_sees_nothing_of_the_mask_and_only_its_middle_is_predicted(
    dims, mask, replacement
):
    options = {} if isinstance(mask, list) else {"extent": 2}
    trained = method(dims, mask=mask, replacement=replacement, **options)
    given = batch(dims)
    spots = trained.blind_spots(given) & given["target"]
    hidden = masking.spread(spots, trained.shape)
    ((_, losses),) = list(trained.step(given))
    seen = trained.network.seen.detach()
    other = {**given, "y": torch.where(hidden, 50 * batch(dims, seed=3)["y"], given["y"])}
    list(trained.step(other))
    torch.testing.assert_close(trained.network.seen, seen, rtol=0, atol=0)
    assert torch.equal(seen[~hidden], given["y"][~hidden])
    assert hidden.sum() > 2 * spots.sum()
    assert spots.flatten(1).any(1).all()
    error = [((a - b)[m] ** 2).mean() for a, b, m in zip(seen, given["y"], spots, strict=True)]
    torch.testing.assert_close(losses["mse"].detach(), torch.stack(error).mean())
    losses["mse"].backward()
    assert trained.network.scale.grad is not None


@pytest.mark.parametrize("mask", ["horizontal", "square"])
def test_validation_hides_the_masks_too_and_leaves_enough_to_see(mask):
    trained = method(mask=mask, extent=4)
    given = batch(samples=1)
    given = {**given, "y": torch.randn(1, 1, 96, 96), "held": torch.rand(1, 1, 96, 96) < HELD}
    trained.validate(given)
    seen = trained.network.seen
    changed = seen != given["y"]
    assert 0.02 < changed.float().mean() < 0.5
    spots = given["held"] & masking.spread(given["held"], trained.shape) & changed
    assert spots.any()


def test_large_masks_are_fewer_and_small_ones_as_many_as_asked_for():
    small, large = method(mask=[[0, 1, 1]]), method(mask="square", extent=4)
    assert small.spots == 0.06
    assert large.spots == pytest.approx(CROWDED / 81)
    y = torch.zeros(1, 1, 128, 128)
    given = {"y": y, "seed": torch.tensor([1])}
    assert large.blind_spots(given).float().mean() == pytest.approx(CROWDED / 81, rel=0.3)


def test_smooth_is_the_weighted_mean_of_what_is_not_hidden():
    y = torch.arange(25.0, dtype=torch.float64).view(1, 1, 5, 5)
    hidden = torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    hidden[..., 2, 1:4] = True
    found = masking.smooth(y, hidden, [0, 1])
    assert torch.equal(found[~hidden], y[~hidden])
    torch.testing.assert_close(found[0, 0, 2, 2], y[0, 0, 2, 2])  # the mean of a plane
    weight = {
        (a, b): np.exp(-2 * a**2) * np.exp(-2 * (b / 2) ** 2)
        for a in (-1, 0, 1)
        for b in (-2, -1, 0, 1, 2)
    }
    y[0, 0, 1, 1] = 100
    visible = {k: w for k, w in weight.items() if not (k[0] == 0 and abs(k[1]) < 2)}
    expected = sum(w * float(y[0, 0, 2 + a, 2 + b]) for (a, b), w in visible.items())
    found = masking.smooth(y, hidden, [0, 1])[0, 0, 2, 2]
    assert float(found) == pytest.approx(expected / sum(visible.values()))
    assert (masking.smooth(y, torch.ones_like(hidden), [1, 1]) == 0).all()
    assert (masking.scatter(y, torch.ones_like(hidden), torch.tensor([1])) == 0).all()


def test_scattered_values_are_those_of_visible_pixels_of_the_same_channel():
    y = torch.stack([torch.rand(2, 50, 50), 10 + 5 * torch.rand(2, 50, 50)])
    hidden = torch.rand(y.shape) < 0.3
    found = masking.scatter(y, hidden, torch.tensor([1, 2]))
    assert torch.equal(found[~hidden], y[~hidden])
    for k in range(2):
        for c in range(2):
            filled, rest = found[k, c][hidden[k, c]], y[k, c][~hidden[k, c]]
            assert torch.isin(filled, rest).all()
            assert len(filled.unique()) > 0.6 * len(filled)
            assert filled.mean() == pytest.approx(float(rest.mean()), rel=0.1)
            assert filled.std() == pytest.approx(float(rest.std()), rel=0.1)
    assert not torch.equal(found[0, 0], found[0, 1])


def test_auto_finds_noise_in_rows(caplog):
    trained = method()
    with caplog.at_level(logging.INFO):
        trained.prepare(facts(rows(128, 128)))
    assert trained.shape.shape in {(1, 7), (1, 9), (1, 11)}
    assert trained.shape.all()
    assert trained.augment == "mirror"
    assert "Noise is shared by pixels up to 4 along X apart" in caplog.text


def test_auto_finds_noise_in_columns_and_in_blurred_images():
    trained = method()
    trained.prepare(facts(rows(128, 128).T))
    assert trained.shape.shape[1] == 1
    white = np.random.default_rng(1).normal(size=(200, 200))
    trained.prepare(facts(ndimage.gaussian_filter(white, 0.8)))
    assert trained.augment == "turn"
    assert all(3 <= n <= 9 for n in trained.shape.shape)


def test_auto_reduces_to_noise2void_where_noise_is_not_shared(caplog):
    trained, plain = method(), Noise2Void(Spy())
    with caplog.at_level(logging.INFO):
        trained.prepare(facts(np.random.default_rng(2).normal(size=(128, 128))))
    assert "as n2v does" in caplog.text
    assert trained.augment == "turn"
    given = batch()
    for one in (trained, plain):
        list(one.step(given))
    assert torch.equal(trained.network.seen, plain.network.seen)
    assert trained.validate(given) == plain.validate(given)


def test_auto_in_stacks_hides_in_the_plane_where_slices_have_their_own_noise():
    trained = method(3)
    trained.prepare(facts(rows(6, 96, 96), patch=(4, 32, 32)))
    depth, height, width = trained.shape.shape
    assert (depth, height) == (1, 1)
    assert width >= 7


def test_auto_is_no_wider_than_asked_for_and_than_a_patch():
    image = rows(128, 128, width=15)
    for extent, patch, width in ((None, (), 15), (3, (), 7), (None, (10, 10), 9)):
        trained = method(extent=extent)
        trained.prepare(facts(image, patch=patch))
        assert trained.shape.shape == (1, width)
        trained.check(patch or (64, 64))


def test_the_threshold_decides_how_far_auto_hides():
    widths = []
    for threshold in (0.1, 0.5):
        trained = method(threshold=threshold)
        trained.prepare(facts(rows(200, 200, width=7)))
        widths.append(trained.shape.shape[1])
    assert widths[0] > widths[1] > 1


def test_a_mask_is_kept_with_the_weights():
    trained, fresh = method(), method()
    trained.prepare(facts(rows(128, 128)))
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.shape, trained.shape)
    assert fresh.augment == "mirror"


def test_given_masks_are_not_measured():
    trained = method(mask="vertical", extent=2)
    trained.prepare(facts(rows(128, 128)))
    assert trained.shape.shape == (5, 1)


@pytest.mark.parametrize(
    ("mask", "turning"),
    [("horizontal", "mirror"), ("vertical", "mirror"), ("cross", "turn"), ("square", "turn"),
     ([[0, 1, 1]], "none"), ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "none"),
     ([[1, 1, 1], [0, 1, 0], [1, 1, 1]], "mirror")],
    ids=str,
)  # fmt: skip
def test_a_mask_says_how_images_may_be_turned(mask, turning):
    assert method(mask=mask).augment == turning
    assert Noise2Void(Spy()).augment == "turn"


def test_nearly_equal_correlations_make_an_even_shape():
    values = np.zeros((3, 3))
    values[1, 1], values[0, 0], values[2, 2], values[0, 2], values[2, 0] = 1, 0.12, 0.12, 0.08, 0.08
    shape = blind_shapes.measured(Autocorrelation(values, 0.01, False), 0.1)
    assert shape.sum() == 5
    values[0, 0] = values[2, 2] = 0.6
    shape = blind_shapes.measured(Autocorrelation(values, 0.01, False), 0.1)
    assert shape.sum() == 3


def test_joint_predicts_the_same_pixels_in_all_channels():
    given = batch(channels=2)
    apart = method(mask="horizontal").blind_spots(given)
    joint = method(mask="horizontal", joint=True).blind_spots(given)
    assert torch.equal(joint[:, 0], joint[:, 1])
    assert not torch.equal(apart[:, 0], apart[:, 1])


def test_it_reconstructs_in_one_pass_over_the_unmasked_image():
    torch.manual_seed(0)
    net = UNet(1, 1, 2, channels=4, depth=1)
    trained = StructNoise2Void(net, mask="horizontal")
    y = torch.randn(1, 1, 16, 16)
    assert torch.equal(trained.reconstruct({"y": y}).mean, net(y))
    assert (trained.halo, trained.stride) == (net.halo, net.stride)


@pytest.mark.parametrize(
    ("dims", "options", "text"),
    [
        (2, {"mask": "horizontl"},
         "method.mask=horizontl: choose one of auto, horizontal, vertical, cross, square, or give"
         " rows of 0 and 1, e.g. [[1,1,1]]. Did you mean 'horizontal'?"),
        (2, {"mask": [[1, 1]]}, "method.mask is 1 x 2 pixels: its sides are odd, so that it has"
         " a middle"),
        (2, {"mask": [[1, 2, 1]]}, "method.mask=[[1, 2, 1]]: rows of 0 and 1, all of one length,"
         " e.g. [[1,1,1]]"),
        (2, {"mask": [[1, 1, 1], [1]]}, "method.mask=[[1, 1, 1], [1]]: rows of 0 and 1, all of one"
         " length, e.g. [[1,1,1]]"),
        (3, {"mask": [1, 1, 1]}, "method.mask=[1, 1, 1]: rows of 0 and 1, all of one length,"
         " e.g. [[1,1,1]], or planes of such rows"),
        (2, {"mask": [[[1, 1, 1]]]}, "method.mask=[[[1, 1, 1]]]: rows of 0 and 1, all of one"
         " length, e.g. [[1,1,1]]"),
        (2, {"mask": [["a"]]}, "method.mask=[['a']]: rows of 0 and 1, all of one length,"
         " e.g. [[1,1,1]]"),
        (2, {"mask": [[0, 1, 0]]}, "method.mask=[[0, 1, 0]] hides nothing but the pixel that is"
         " predicted: say method=n2v"),
        (2, {"extent": 0}, "method.extent=0: 1 to 32 pixels, or null"),
        (2, {"threshold": 1.5}, "method.threshold=1.5: a correlation between 0 and 1"),
        (2, {"replacement": "meen"}, "method.replacement=meen: choose one of sample, mean."
         " Did you mean 'mean'?"),
        (2, {"density": 0}, "method.density=0: a fraction above 0, at most 0.5"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(dims, options, text):
    with pytest.raises(UserError) as said:
        method(dims, **options)
    assert str(said.value) == text


def test_a_mask_wider_than_a_patch_is_told():
    with pytest.raises(UserError) as said:
        method(mask="horizontal", extent=9).check((16, 16))
    assert str(said.value) == (
        "method.mask is 1 x 19 pixels, which does not fit patches of 16 x 16: lower method.extent,"
        " or raise data.patch"
    )
