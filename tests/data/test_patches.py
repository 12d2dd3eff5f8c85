"""What training draws from images: patches, the scale they are on, and the parts kept in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bioreco.data import blocks as blocks_module
from bioreco.data.blocks import load
from bioreco.data.frames import Frames
from bioreco.data.image import Image
from bioreco.data.images import Images
from bioreco.data.measurements import Measurements
from bioreco.data.normalisation import Normalisation
from bioreco.data.patches import Patches, patch_size
from bioreco.data.synthetic import Synthetic, scene
from bioreco.errors import UserError


def block(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float32)


def seeds(count: int = 40) -> list[int]:
    return [int(s) for s in np.random.default_rng(1).integers(0, 2**63, count)]


class Memory:
    def __init__(self, values: np.ndarray) -> None:
        self.values, self.most = values, 0

    def read(self, index):
        part = np.ascontiguousarray(self.values[index])
        self.most = max(self.most, part.size)
        return part


def frames(values: np.ndarray, axes: str = "YX", dims: int = 2, name: str = "a.tif") -> Frames:
    image = Image(
        path=Path(name), name=name, format="tiff", axes=axes, shape=values.shape,
        dtype=values.dtype, pixels=Memory(values),
    )  # fmt: skip
    return Frames(image, dims)


# --- patches


def test_a_patch_follows_from_its_seed_alone():
    data = Patches([block(50, 60), block(40, 33, seed=1)], (16, 16), "turn")
    for seed in seeds():
        one, two = data[0, seed], data[1, seed]
        assert all(np.array_equal(one[key], two[key]) for key in one)
    different = {data[0, seed]["y"].tobytes() for seed in seeds()}
    assert len(different) == 40
    assert len({int(data[0, seed]["seed"]) for seed in seeds()}) == 40


@pytest.mark.parametrize("augment", ["turn", "mirror", "none"])
@pytest.mark.parametrize(
    ("size", "patch"), [((50, 61), (16, 16)), ((16, 16), (16, 16)), ((5, 20, 30), (4, 16, 16))]
)
def test_patches_have_their_size_and_come_from_the_image(size, patch, augment):
    values = np.arange(np.prod(size), dtype=np.float32).reshape(1, *size)
    data = Patches([values], patch, augment)
    for seed in seeds(20):
        sample = data[0, seed]
        assert set(sample) == {"y", "target", "held", "seed", "shift", "unit"}
        for key in ("y", "target", "held"):
            assert sample[key].shape == (1, *patch)
            assert sample[key].flags.c_contiguous
        whole = values[0].ravel()
        at = np.unravel_index(sample["y"].astype(int).ravel(), size)
        assert np.array_equal(whole[sample["y"].astype(int).ravel()], sample["y"].ravel())
        assert all(np.ptp(a) == p - 1 for a, p in zip(at, patch, strict=True))
        for key, source in (("held", data.held[0]), ("target", data.target[0])):
            assert np.array_equal(sample[key].ravel(), source[0][at])


def test_each_augmentation_turns_as_it_says():
    values = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32)

    def kinds(augment: str) -> set[tuple[float, float]]:
        data = Patches([values], (16, 16), augment)
        found = set()
        for seed in seeds(200):
            y = data[0, seed]["y"][0]
            found.add((float(y[1, 0] - y[0, 0]), float(y[0, 1] - y[0, 0])))
        return found

    straight = {(a * 32.0, b * 1.0) for a in (1, -1) for b in (1, -1)}
    assert kinds("none") == {(32, 1)}
    assert kinds("mirror") == straight
    assert kinds("turn") == straight | {(b, a) for a, b in straight}


def test_stacks_are_mirrored_along_z_but_never_turned_out_of_the_plane():
    values = np.arange(8 * 16 * 16, dtype=np.float32).reshape(1, 8, 16, 16)
    data = Patches([values], (4, 16, 16), "turn")
    steps = {float(y[1, 0, 0] - y[0, 0, 0]) for y in (data[0, s]["y"][0] for s in seeds())}
    assert steps == {256, -256}


def test_held_pixels_are_never_targets():
    data = Patches([block(100, 120)], (32, 32), "turn")
    held, target = data.held[0], data.target[0]
    assert not (held & target).any()
    assert (held | target).all()
    assert held.mean() == pytest.approx(0.01, rel=0.3)
    for seed in seeds(10):
        sample = data[0, seed]
        assert not (sample["held"] & sample["target"]).any()
    again = Patches([block(100, 120)], (16, 16), "none")
    assert np.array_equal(again.held[0], held)  # so that a resumed run keeps them


def test_missing_pixels_are_no_targets_and_read_as_zero():
    values = block(40, 40)
    values[0, 3:6, 7] = np.nan
    values[0, 20, 20] = np.inf
    data = Patches([values], (16, 16), "none")
    missing = ~np.isfinite(values)
    assert (data.blocks[0][missing] == 0).all()
    assert not data.target[0][missing].any()
    assert not data.held[0][missing].any()
    assert np.isfinite(data[0, 5]["y"]).all()
    assert all(np.isfinite(crop["y"]).all() for crop in data.validation())


def test_patches_come_from_where_there_is_signal_more_often():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (1, 128, 128)).astype(np.float32)
    values[0, :64, :64] += 5 * np.sin(np.arange(64) / 5)
    data = Patches([values], (16, 16), "none")
    busy = np.mean([data[0, seed]["y"].std() > 1 for seed in seeds(300)])
    assert 0.4 < busy < 0.95
    everywhere = Patches([np.zeros((1, 64, 64), np.float32)], (16, 16), "none")
    assert everywhere[0, 1]["y"].shape == (1, 16, 16)


def test_every_pixel_can_be_drawn():
    values = np.arange(37 * 41, dtype=np.float32).reshape(1, 37, 41)
    data = Patches([values], (16, 16), "none")
    seen = np.zeros(37 * 41, dtype=bool)
    for seed in seeds(800):
        seen[data[0, seed]["y"].astype(int)] = True
    assert seen.mean() > 0.99


def test_validation_is_fixed_batches_of_one():
    data = Patches([block(100, 70), block(64, 200, seed=1)], (32, 32), "turn")
    one, two = data.validation(), data.validation()
    assert len(one) == 2
    for a, b in zip(one, two, strict=True):
        assert all(np.array_equal(a[key], b[key]) for key in a)
        assert a["y"].shape[0] == 1
        assert all(n % 32 == 0 for n in a["y"].shape[2:])
        assert a["held"].any()
    many = Patches([block(512, 512, seed=k) for k in range(9)], (32, 32), "turn").validation()
    assert sum(crop["y"].size for crop in many) == 2**18


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [
        ([(512, 512)], 64, (64, 64)),
        ([(512, 512), (40, 300)], 64, (32, 32)),
        ([(16, 16)], 64, (16, 16)),
        ([(20, 512, 512)], 64, (8, 32, 32)),
        ([(20, 512, 512), (3, 512, 512)], 64, (3, 32, 32)),
        ([(8, 30, 512)], 32, (4, 16, 16)),
    ],
)
def test_a_patch_fits_every_image(sizes, wanted, expected):
    assert patch_size(sizes, wanted, ["a"] * len(sizes)) == expected


@pytest.mark.parametrize(
    ("sizes", "wanted", "text"),
    [
        ([(64, 64)], 20, "data.patch=20: a multiple of 16 pixels"),
        ([(64, 64)], 0, "data.patch=0: a multiple of 16 pixels"),
        (
            [(64, 64), (8, 8)],
            64,
            "b.tif is 8 x 8 pixels: at least 16 x 16 are needed to learn from",
        ),
        ([(300, 1)], 64, "a.tif is 300 x 1 pixels: at least 16 x 16 are needed to learn from"),
        ([(9, 12, 90)], 64, "a.tif is 12 x 90 pixels: at least 16 x 16 are needed to learn from"),
    ],
)
def test_images_too_small_to_learn_from_are_told(sizes, wanted, text):
    with pytest.raises(UserError) as said:
        patch_size(sizes, wanted, ["a.tif", "b.tif"][: len(sizes)])
    assert str(said.value) == text


# --- blocks


def test_all_is_loaded_where_it_fits():
    values = np.random.default_rng(0).random((3, 20, 20), dtype=np.float32)
    found = load([frames(values, "TYX"), frames(values[0])], seed=0)
    assert len(found) == 4
    assert np.array_equal(found[1][0], values[1])


@pytest.mark.parametrize(("axes", "dims", "side"), [("TYX", 2, 16), ("ZYX", 3, 8)])
def test_parts_are_loaded_where_not_all_fits(monkeypatch, axes, dims, side):
    monkeypatch.setattr(blocks_module, "SIDE", {2: (16, 16), 3: (4, 8, 8)})
    values = np.random.default_rng(0).random((12, 80, 90), dtype=np.float32)
    source = frames(values, axes, dims)
    budget = 6000
    found = load([source], seed=1, budget=budget)
    assert budget <= sum(part.size for part in found) < budget + 16 * 16 * 4
    assert source.image.pixels.most <= 256
    assert all(part.shape[-2:] == (side, side) for part in found)
    again, other = load([source], seed=1, budget=budget), load([source], seed=2, budget=budget)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(found, other, strict=True))


def test_parts_with_signal_are_preferred(monkeypatch):
    monkeypatch.setattr(blocks_module, "SIDE", {2: (16, 16), 3: (4, 8, 8)})
    values = np.zeros((256, 256), dtype=np.float32)
    values[:128, :128] = np.sin(np.arange(128) / 4) * 9
    found = load([frames(values)], seed=0, budget=2**14)
    assert 0.3 < np.mean([part.std() > 0.5 for part in found]) < 0.9


# --- the scale


def test_the_scale_is_mean_and_deviation_of_each_channel_over_all_blocks():
    rng = np.random.default_rng(0)
    parts = [rng.normal([[[5]], [[900]]], [[[2]], [[30]]], (2, n, 30)) for n in (20, 35)]
    scale = Normalisation.of([p.astype(np.float32) for p in parts])
    whole = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(scale.mean, whole.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(scale.std, whole.std((1, 2)), rtol=1e-4)
    one = scale.apply(parts[0].astype(np.float32))
    assert one.dtype == np.float32
    np.testing.assert_allclose(scale.invert(one), parts[0], rtol=1e-4)


def test_the_scale_ignores_missing_pixels_and_survives_far_offsets():
    values = np.random.default_rng(0).normal(60000, 1, (1, 50, 50)).astype(np.float32)
    values[0, 0, :3] = np.nan, np.inf, -np.inf
    scale = Normalisation.of([values])
    finite = values[np.isfinite(values)].astype(np.float64)
    assert scale.mean[0] == pytest.approx(finite.mean())
    assert scale.std[0] == pytest.approx(finite.std(), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e6, np.nan])
def test_a_constant_image_has_a_scale(value):
    scale = Normalisation.of([np.full((1, 8, 8), value, dtype=np.float32)])
    assert scale.std == (1.0,)
    assert np.isfinite(scale.mean[0])


def test_the_scale_is_kept_in_plain_lists():
    scale = Normalisation((1.0, 2.0), (3.0, 4.0))
    assert scale.state() == {"mean": [1.0, 2.0], "std": [3.0, 4.0]}
    assert Normalisation.from_state(scale.state()) == scale


# --- data sets


def measured(images: list[Frames], **more) -> Measurements:
    options = {"channels": "independent", "patch": 16, "augment": "turn", "seed": 0}
    return Measurements(images, [None] * len(images), **options | more)


def test_independent_channels_are_patches_of_their_own_on_their_own_scale():
    rng = np.random.default_rng(0)
    values = rng.normal([[[10]], [[500]]], [[[1]], [[40]]], (2, 32, 32)).astype(np.float32)
    apart, together = (
        measured([frames(values, "CYX")], channels=c) for c in ("independent", "joint")
    )
    assert (apart.inputs, together.inputs) == (1, 2)
    patches, scale = apart.training()
    assert len(patches) == 2
    assert len(scale.mean) == 2
    for part in patches.blocks:
        assert part.shape == (1, 32, 32)
        assert part.mean() == pytest.approx(0, abs=1e-4)
        assert part.std() == pytest.approx(1, abs=1e-3)
    patches, _ = together.training()
    assert [part.shape for part in patches.blocks] == [(2, 32, 32)]


def test_images_of_other_channels_or_dimensions_are_told():
    one = frames(np.zeros((32, 32), np.float32))
    two = frames(np.zeros((2, 32, 32), np.float32), "CYX", name="b.tif")
    with pytest.raises(UserError) as said:
        measured([one, two])
    assert str(said.value) == (
        "a.tif has 1 channels and is treated in 2D, b.tif 2 in 2D: one model can't learn both.\n"
        "Train one for each (per_file=true), or say data.dims=2 if only the number of slices"
        " differs."
    )


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            {"channels": "join"},
            "data.channels=join: choose one of independent, joint. Did you mean 'joint'?",
        ),
        (
            {"augment": "turned"},
            "data.augment=turned: choose one of turn, mirror, none. Did you mean 'turn'?",
        ),
    ],
)
def test_wrong_words_are_told(option, text):
    with pytest.raises(UserError) as said:
        measured([frames(np.zeros((32, 32), np.float32))], **option)
    assert str(said.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "no images given: say data.paths=[FILE,...] or data.root=FOLDER"),
        ({"paths": ["a.tif"], "root": "nowhere"}, "data.root=nowhere: there is no such folder"),
        ({"sample": "golgy"}, "data.sample=golgy: choose one of "),
    ],
)
def test_data_without_images_are_told(options, text):
    with pytest.raises(UserError) as said:
        Images(seed=0, **options)
    assert str(said.value).startswith(text)


def test_references_are_matched_in_order_and_size(tmp_path):
    for name, size in (("a", 32), ("b", 32), ("c", 16)):
        np.save(tmp_path / f"{name}.npy", np.zeros((size, size), np.float32))

    def given(*reference: str) -> Images:
        return Images(
            seed=0, root=str(tmp_path), paths=["a.npy"], reference=list(reference), patch=16
        )

    assert given("b.npy").references[0].image.name == "b.npy"
    with pytest.raises(UserError, match="1 images, but 2 references: they are matched in order"):
        given("a.npy", "b.npy")
    with pytest.raises(UserError) as said:
        given("c.npy")
    assert str(said.value) == ("a.npy is (32, 32) (YX), its reference c.npy (16, 16) (YX)")


# --- simulated images


def test_simulated_images_follow_from_their_seed():
    one, two, other = (Synthetic(seed=s, count=2, size=40, patch=16) for s in (1, 1, 2))
    for k in range(2):
        assert np.array_equal(one.images[k].read(0), two.images[k].read(0))
        assert not np.array_equal(one.images[k].read(0), other.images[k].read(0))
    assert not np.array_equal(one.images[0].read(0), one.images[1].read(0))


def test_simulated_noise_is_what_was_asked_for():
    data = Synthetic(seed=0, count=1, size=256, gain=5.0, read=3.0)
    clean, noisy = data.references[0].read(0), data.images[0].read(0)
    assert ((noisy - clean) ** 2 / (5 * clean + 9)).mean() == pytest.approx(1, rel=0.03)
    assert (noisy - clean).mean() == pytest.approx(0, abs=0.3)
    exact = Synthetic(seed=0, count=1, size=64, gain=0, read=0)
    assert np.array_equal(exact.images[0].read(0), exact.references[0].read(0))


def test_simulated_stacks_are_volumes():
    data = Synthetic(seed=0, count=1, size=32, slices=6, patch=32)
    assert data.dims == 3
    assert data.images[0].shape == (6, 32, 32)
    assert data.patch == (4, 16, 16)


def test_a_scene_is_dim_and_busy():
    x = scene((128, 128), np.random.default_rng(0))
    assert x.min() > 0
    assert 0.7 < x.max() < 1.3
    assert x.std() > 0.1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"count": 0}, "data.count=0 data.size=256 data.slices=1: at least 1, 16 and 1"),
        ({"size": 15}, "data.count=4 data.size=15 data.slices=1: at least 1, 16 and 1"),
        ({"gain": -1.0}, "data.peak=200.0 data.gain=-1.0 data.read=4.0: above 0, and not negative"),
        ({"correlation": 1.0}, "data.correlation=1: from 0 to less than 1"),
    ],
)
def test_wrong_simulations_are_told(options, text):
    with pytest.raises(UserError) as said:
        Synthetic(seed=0, **options)
    assert str(said.value) == text
