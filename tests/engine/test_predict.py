"""Prediction tile by tile is prediction of the whole image."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.data.normalisation import Normalisation
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.engine.tiles import plan
from bioreco.errors import UserError
from bioreco.methods.method import Estimate, Method
from bioreco.methods.noise2self import Noise2Self
from bioreco.methods.noise2void import Noise2Void
from bioreco.networks.unet import UNet

HUGE = 4096
SCALE = Normalisation((100.0,), (25.0,))


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 25, shape).astype(np.float32)


def trained(dims: int = 2, depth: int = 1, grid: int | None = None, **network) -> Method:
    torch.manual_seed(depth)
    net = UNet(1, 1, dims, channels=4, depth=depth, **network)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, 0.2)
    if grid:
        return Noise2Self(net, grid=grid, inference="partition")
    return Noise2Void(net)


def predictor(method, tile=HUGE, augment="false", allowed="turn", scale=SCALE, joint=False):
    return Predictor(
        method, scale, Runtime("cpu"), inference=Inference(tile, augment), allowed=allowed,
        joint=joint,
    )  # fmt: skip


def least(method: Method) -> int:
    """Return the smallest tile that a method can be applied by."""
    halo, stride = method.halo[-1], method.stride[-1]
    return max(16, 2 * -(-halo // stride) * stride + stride)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    depth=st.integers(0, 2),
    grid=st.sampled_from([None, None, 2, 3, 4]),
    more=st.integers(0, 40),
    augment=st.sampled_from(["true", "false"]),
    allowed=st.sampled_from(["turn", "mirror", "none"]),
)
def test_tiles_leave_no_trace(as_frames, run_whole, shape, depth, grid, more, augment, allowed):
    method, values = trained(2, depth, grid), image(*shape)
    frames = as_frames(values)
    whole = run_whole(predictor(method, HUGE, augment, allowed), frames)
    tiled = run_whole(predictor(method, least(method) + more, augment, allowed), frames)
    reach = max(np.ptp(whole), np.ptp(values), 1.0)
    assert np.abs(tiled - whole).max() <= 1e-5 * reach


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 30), st.integers(1, 30)),
    depth=st.integers(0, 1),
    grid=st.sampled_from([None, None, 4]),
    more=st.integers(4, 12),
)
def test_tiles_leave_no_trace_in_stacks(as_frames, run_whole, shape, depth, grid, more):
    method = trained(3, depth, grid)
    frames = as_frames(image(*shape))
    whole = run_whole(predictor(method), frames)
    tiled = run_whole(predictor(method, least(method) + more), frames)
    assert np.abs(tiled - whole).max() <= 1e-5 * max(np.ptp(whole), 25.0)


@pytest.mark.parametrize(
    ("dims", "depth", "shape"), [(2, 1, (37, 52)), (2, 2, (70, 81)), (3, 1, (5, 30, 41))]
)
@pytest.mark.parametrize("options", [{"pool": "blur"}, {"pool": "blur", "top_skip": False}])
def test_tiles_leave_no_trace_where_pooling_is_blurred(
    as_frames, run_whole, dims, depth, shape, options
):
    method, frames = trained(dims, depth, **options), as_frames(image(*shape))
    whole = run_whole(predictor(method, augment="true"), frames)
    tiled = run_whole(predictor(method, least(method) + 6, augment="true"), frames)
    assert np.abs(tiled - whole).max() <= 1e-5 * np.ptp(whole)


@pytest.mark.parametrize("grid", [None, 4, 5])
def test_a_tall_stack_is_cut_along_z_too(as_frames, run_whole, monkeypatch, grid):
    from bioreco.engine import inference

    method, frames = trained(3, 0, grid), as_frames(image(15, 16, 20))
    calls = []
    original = method.reconstruct
    monkeypatch.setattr(method, "reconstruct", lambda batch: calls.append(0) or original(batch))
    monkeypatch.setitem(inference.TILES["cpu"], 3, (11, HUGE, HUGE))
    tiled = run_whole(predictor(method), frames)
    assert len(calls) > 1
    monkeypatch.setitem(inference.TILES["cpu"], 3, (HUGE, HUGE, HUGE))
    assert np.abs(tiled - run_whole(predictor(method), frames)).max() <= 1e-5 * np.ptp(tiled)


def test_the_whole_image_is_the_network_on_the_mirrored_image(as_frames, run_whole):
    method, values = trained(2, 2), image(21, 30)
    rim = -(-method.halo[0] // 4) * 4
    padded = np.pad(values, [(rim, rim + 3), (rim, rim + 2)], mode="reflect")
    with torch.no_grad():
        x = method.network(torch.from_numpy((padded - 100) / 25)[None, None])[0, 0].numpy()
    expected = x[rim : rim + 21, rim : rim + 30] * 25 + 100
    found = run_whole(predictor(method), as_frames(values))[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(("depth", "grid"), [(0, None), (1, None), (2, None), (1, 4)])
def test_a_smaller_halo_would_show(as_frames, run_whole, depth, grid):
    method = trained(2, depth, grid)

    class Short(type(method)):
        halo = tuple(max(0, h - 2 ** (depth + 1)) for h in method.halo)

    frames = as_frames(image(70, 61))
    whole = run_whole(predictor(method), frames)
    method.__class__ = Short
    tiled = run_whole(predictor(method, least(method) + 4), frames)
    assert np.abs(tiled - whole).max() > 1e-5 * np.ptp(whole)


def test_a_finer_raster_would_show(as_frames, run_whole):
    method = trained(2, 2)

    class Odd(type(method)):
        stride = (1, 1)

        def reconstruct(self, batch):
            y = batch["y"]
            size = [n // 4 * 4 for n in y.shape[-2:]]
            mean = torch.zeros_like(y)
            mean[..., : size[0], : size[1]] = self.network(y[..., : size[0], : size[1]])
            return Estimate(mean)

    frames = as_frames(image(70, 61))
    whole = run_whole(predictor(method), frames)
    method.__class__ = Odd
    tiled = run_whole(predictor(method, least(method) + 27), frames)
    assert np.abs(tiled - whole).max() > 1e-5 * np.ptp(whole)


# --- turned copies


class Slope(Method):
    """Adds a ramp, so that every orientation gives another result."""

    halo, stride = (0, 0), (1, 1)

    def reconstruct(self, batch):
        y = batch["y"]
        rows, columns = (torch.linspace(0, 1, n) for n in y.shape[-2:])
        return Estimate(y + 2 * rows[:, None] + columns)


@pytest.mark.parametrize(
    ("augment", "allowed", "count"),
    [("true", "turn", 8), ("auto", "turn", 8), ("true", "mirror", 4), ("true", "none", 1),
     ("false", "turn", 1), ("True", "turn", 8), ("False", "turn", 1)],
)  # fmt: skip
def test_turned_copies_are_averaged_as_training_allows(
    as_frames, run_whole, augment, allowed, count
):
    calls = []

    class Counting(Slope):
        def reconstruct(self, batch):
            calls.append(batch["y"].shape)
            return super().reconstruct(batch)

    values = image(8, 6)
    scale = Normalisation((0.0,), (1.0,))
    one = predictor(Counting(), augment=augment, allowed=allowed, scale=scale)
    found = run_whole(one, as_frames(values))[0, 0]
    assert len(calls) == count
    if count > 1:  # the ramps cancel to their mean
        np.testing.assert_allclose(found, values + 1.5, atol=1e-4)


def test_auto_leaves_large_images_as_they_are():
    pixels = 2**25
    assert len(Inference().orientations("turn", pixels)) == 8
    assert Inference().orientations("turn", pixels + 1) == [(False, ())]
    assert len(Inference(augment="true").orientations("turn", pixels + 1)) == 8


# --- channels, frames


def test_channels_are_scaled_one_by_one_and_put_back_in_place(as_frames, run_whole):
    values = image(2, 3, 20, 18) + np.array([0, 500, 1000]).reshape(3, 1, 1)
    scale = Normalisation((100.0, 600.0, 1100.0), (25.0, 25.0, 25.0))
    method = trained()
    found = run_whole(predictor(method, scale=scale), as_frames(values, "TCYX"))
    assert found.shape == values.shape
    alone = predictor(method)
    for t in range(2):
        for c in range(3):
            one = run_whole(alone, as_frames(values[t, c] - np.float32(500 * c)))[0, 0]
            np.testing.assert_allclose(found[t, c], one + 500 * c, atol=1e-2)


def test_joint_channels_go_through_the_network_together(as_frames, run_whole):
    class Swap(Slope):
        def reconstruct(self, batch):
            assert batch["y"].shape[:2] == (1, 2)
            return Estimate(batch["y"].flip(1))

    values = image(2, 10, 9)
    one = predictor(Swap(), scale=Normalisation((0.0, 0.0), (1.0, 1.0)), joint=True)
    assert np.array_equal(run_whole(one, as_frames(values, "CYX"))[0], values[::-1])


# --- missing pixels


@pytest.mark.parametrize("tile", [HUGE, 24])
def test_missing_pixels_stay_and_do_not_spread(as_frames, run_whole, tile):
    values = image(60, 50)
    holes = np.zeros(values.shape, dtype=bool)
    holes[5, 7] = holes[30:33, 20:26] = holes[0, 0] = holes[59, 49] = True
    broken = values.copy()
    broken[holes] = np.nan
    broken[5, 7], broken[0, 0] = np.inf, -np.inf
    method = trained()
    found = run_whole(predictor(method, tile, "true"), as_frames(broken))[0, 0]
    assert np.array_equal(found[holes], broken[holes], equal_nan=True)
    assert np.isfinite(found[~holes]).all()
    clean = run_whole(predictor(method, tile, "true"), as_frames(values))[0, 0]
    halo = method.halo[0]
    far = np.ones_like(holes)
    for y, x in np.argwhere(holes):
        far[max(0, y - halo) : y + halo + 1, max(0, x - halo) : x + halo + 1] = False
    # near the border, mirrored holes lie within reach of what lies beyond it
    np.testing.assert_allclose(found[far], clean[far], atol=1e-3)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("tile", [32, 47])
def test_tiles_leave_no_trace_around_holes(as_frames, run_whole, tile, dims):
    rng = np.random.default_rng(0)
    values = image(*[5, 70, 66][3 - dims :])
    values[..., 15:50, 20:45] = np.nan  # larger than a tile
    values[rng.random(values.shape) < 0.05] = np.nan
    values[..., 60, 60] = np.inf
    method = trained(dims)
    whole, tiled = (run_whole(predictor(method, t), as_frames(values)) for t in (HUGE, tile))
    assert np.array_equal(np.isfinite(whole)[0, 0], np.isfinite(values))
    finite = np.isfinite(whole)
    assert np.abs(tiled[finite] - whole[finite]).max() <= 1e-5 * np.ptp(whole[finite])


def test_a_hole_is_filled_like_what_is_around_it(as_frames, run_whole):
    seen = []

    class Spy(Slope):
        def reconstruct(self, batch):
            seen.append(batch["y"][0, 0].numpy())
            return Estimate(batch["y"])

    rows = np.linspace(0, 50, 40, dtype=np.float32)[:, None] + np.zeros((1, 30), np.float32)
    values = rows.copy()
    values[10, 12] = np.nan
    values[20:22, 3:6] = np.nan
    values[:, 20:] = np.nan
    one = predictor(Spy(), scale=Normalisation((7.0,), (1.0,)))
    run_whole(one, as_frames(values))
    (found,) = seen
    assert found[10, 12] + 7 == pytest.approx(rows[10, 12], abs=0.01)
    np.testing.assert_allclose(found[:, :24] + 7, rows[:, :24], atol=2.5)
    assert (found[:, 24:] == 0).all()  # deep inside it is the mean of the images


def test_an_image_of_nothing_stays_that(as_frames, run_whole):
    values = np.full((20, 20), np.nan, dtype=np.float32)
    assert np.isnan(run_whole(predictor(trained()), as_frames(values))).all()


# --- memory


class Hungry(Noise2Void):
    """Runs out of memory for inputs of more than 40 pixels along y."""

    error: BaseException = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    most = 40

    def reconstruct(self, batch):
        if batch["y"].shape[-2] > self.most:
            raise self.error
        return super().reconstruct(batch)


def hungry(**attributes) -> Method:
    method = trained()
    method.__class__ = type("Greedy", (Hungry,), attributes)
    return method


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError("Unable to allocate 9 GiB for an array"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
    ids=lambda e: type(e).__name__,
)
def test_running_out_of_memory_halves_the_tiles_aloud(as_frames, run_whole, caplog, error):
    frames = as_frames(image(2, 100, 90), "TYX")
    whole = run_whole(predictor(trained()), frames)
    with caplog.at_level(logging.WARNING, "bioreco"):
        found = run_whole(predictor(hungry(error=error), 144), frames)
    np.testing.assert_allclose(found, whole, atol=1e-3)
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("Not enough memory for tiles of ")
    assert len(said) == 2  # once for each halving, not for each frame
    assert all("; going on with " in line for line in said)


def test_no_tile_small_enough_is_told(as_frames, run_whole):
    with pytest.raises(UserError, match="not enough memory, even for tiles of"):
        run_whole(predictor(hungry(most=4), 64), as_frames(image(50, 50)))


def test_a_network_that_can_not_be_cut_says_what_helps(as_frames, run_whole):
    method = trained(norm="instance")
    method.__class__ = Hungry
    with pytest.raises(UserError) as said:
        run_whole(predictor(method), as_frames(image(50, 50)))
    assert str(said.value) == (
        "not enough memory, and this method or network looks at the whole image, so it can't be"
        " cut: crop it, or for a network use network.norm=none"
    )


def test_other_errors_are_not_taken_for_a_lack_of_memory(as_frames, run_whole):
    with pytest.raises(RuntimeError, match="shapes"):
        run_whole(predictor(hungry(error=RuntimeError("shapes differ"))), as_frames(image(50, 50)))


# --- options


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("grid", [None, 4, 7])
@pytest.mark.parametrize("depth", range(7))
@pytest.mark.parametrize("dims", [2, 3])
def test_every_depth_can_be_applied_with_default_tiles(dims, depth, grid, device):
    net = UNet(1, 1, dims, channels=1, depth=depth)
    method = Noise2Self(net, grid=grid, inference="partition") if grid else Noise2Void(net)
    halo, stride = method.halo, method.stride
    size = Inference().size(torch.device(device), dims, halo, stride)
    tiles = plan((5000,) * dims if dims == 2 else (60, 900, 900), size, halo, stride)
    core = tiles[0].core
    assert all(c.stop - c.start >= 32 for c in core[-2:])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tile": 15}, "inference.tile=15: at least 16 pixels, or null"),
        (
            {"augment": "ture"},
            "inference.augment=ture: choose one of auto, true, false. Did you mean 'true'?",
        ),
    ],
)
def test_wrong_options_are_told(options, text):
    with pytest.raises(UserError) as said:
        Inference(**options)
    assert str(said.value) == text
