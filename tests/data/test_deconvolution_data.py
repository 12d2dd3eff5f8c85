"""Filaments and beads: seeded, with their truth, and a sharp domain on the scale of the images."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from bioreco.data.cells import coarse, each_once, repeated
from bioreco.data.deconvolution import Deconvolution
from bioreco.data.images import Images
from bioreco.data.simulation.blurred import Simulation, microscope
from bioreco.data.simulation.filaments import Camera, Scene, chain
from bioreco.errors import UserError
from bioreco.operators.optics import Optics

SMALL = Simulation(count=2, size=48)


def data(**options) -> Deconvolution:
    return Deconvolution(**{"seed": 0, "simulation": SMALL, "patch": 32} | options)


def test_the_seed_decides():
    one, two, other = data(), data(), data(seed=1)
    read = [d.images[1].read(0) for d in (one, two, other)]
    assert np.array_equal(read[0], read[1])
    assert not np.array_equal(read[0], read[2])


def test_the_truth_explains_the_measurement_to_the_noise():
    made = data(simulation=Simulation(count=1, size=96))
    y, x = made.images[0].read(0)[0], made.references[0].read(0)[0]
    H = microscope("gibson_lanni", (65.0, 65.0), Optics(), None).operator()
    import torch

    again = H(torch.from_numpy(x)[None, None])[0, 0].numpy()
    inside = (slice(18, -18),) * 2
    noise = np.sqrt(np.clip(again - 100, 0, None) + 4)
    assert np.sqrt(np.mean(((y - again) / noise)[inside] ** 2)) == pytest.approx(1, abs=0.05)
    assert y[inside].mean() == pytest.approx(again[inside].mean(), abs=0.5)


def test_a_chain_forgets_its_direction_over_the_persistence_length():
    rng = np.random.default_rng(0)
    scene = Scene(persistence=1000.0, length=4 * 10**5)
    turned = []
    for _ in range(12):
        steps = np.diff(chain(scene, np.zeros(3), 50.0, rng)[:8_000], axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        turned.append(np.mean(np.sum(steps[:-20] * steps[20:], 1)))
    assert np.mean(turned) == pytest.approx(np.exp(-1), abs=0.08)


def test_sharp_images_are_others_on_the_same_scale():
    made = data()
    samples, scale = made.training(("sharp",))
    drawn = samples[0, 5]
    assert drawn["sharp"].shape == drawn["y"].shape
    assert np.array_equal(drawn["sharp"], samples[0, 5]["sharp"])
    others = [x[0] for x in made.unpaired([])]
    truths = [clean.read(0)[0] for clean in made.references]
    assert not any(np.array_equal(a, b) for a in others for b in truths)
    assert len(others) == 4 * len(truths)
    assert len(data(simulation=Simulation(count=1, size=48, sharp=3)).unpaired([])) == 3
    low = scale.invert(drawn["sharp"]).min()
    assert low == pytest.approx(105, abs=0.5)  # offset and background
    assert samples.validation()[0]["sharp"].ndim == 4


def test_stacks_have_cubes_as_patches_and_their_planes_as_sharp_ones():
    stacks = data(
        simulation=Simulation(count=1, size=32, slices=16), sharp="lateral",
        pixel_size=(260.0, 130.0, 130.0), patch=32,
    )  # fmt: skip
    assert stacks.patch == (16, 16, 16)
    (y,) = (frames.read(0) for frames in stacks.images)
    (turned,) = stacks.unpaired([y])
    assert turned.shape == (1, 16, 32, 32)


def test_sharp_images_of_the_user_get_the_contrast_of_the_blurred_ones(tmp_path):
    rng = np.random.default_rng(0)
    sharp = (rng.random((60, 60)) ** 8).astype(np.float32)
    tifffile.imwrite(tmp_path / "sharp.tif", sharp)
    made = data(sharp=str(tmp_path))
    blocks = [frames.read(0) for frames in made.images]
    (found,) = made.unpaired(blocks)
    a, b = np.polyfit(sharp.ravel(), found[0].ravel(), 1)
    assert np.allclose(a * sharp + b, found[0], atol=1e-2)
    assert a > 0
    assert found.mean() == pytest.approx(np.mean([y.mean() for y in blocks]), rel=0.02)


@pytest.mark.parametrize(
    ("name", "values", "options", "told"),
    [
        (None, None, {"sharp": "latteral"}, "data.sharp=latteral: there is no such file or folder;"
         " or choose one of simulated, lateral. Did you mean 'lateral'?"),
        (None, None, {"sharp": "lateral"}, "data.sharp=lateral is for stacks: its sharp domain are"
         " their planes"),
        ("flat.tif", np.ones((64, 64)), {}, "data.sharp: all pixels of the sharp images are alike"),
        ("small.tif", np.eye(20), {}, "data.sharp: small.tif is 20 x 20 pixels, less than a patch,"
         " 32 x 32: lower data.patch"),
        ("rgb.tif", np.ones((64, 64, 3)), {}, "data.sharp: rgb.tif has 3 channels, the blurred"
         " images 1"),
    ],
)  # fmt: skip
def test_a_wrong_sharp_domain_is_told(tmp_path, name, values, options, told):
    if name:
        photometric = {"photometric": "rgb"} if values.ndim == 3 else {}
        kind = np.uint8 if photometric else np.float32
        tifffile.imwrite(tmp_path / name, values.astype(kind), **photometric)
        options = {"sharp": str(tmp_path / name)}
    made = data(**options)
    with pytest.raises(UserError) as said:
        made.training(("sharp",))
    assert str(said.value) == told


def test_other_data_have_no_sharp_domain(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.eye(32, dtype=np.float32))
    with pytest.raises(UserError) as said:
        Images(seed=0, paths=[str(tmp_path / "a.tif")]).training(("sharp",))
    assert str(said.value) == (
        "this method learns from sharp images of something else: say data=deconvolution, and for"
        " your own data.sharp=FOLDER (1 blurred images are given)"
    )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Simulation(size=8), "data.simulation: count=16 size=8 slices=1 peak=100: at least"
         " 1, 16 and 1, and a peak above 0"),
        (lambda: Simulation(sharp=0), "data.simulation.sharp=0: at least 1"),
        (lambda: Camera(gain=0.0), "data.simulation.camera: background=5 gain=0 read=2: not"
         " negative, and a gain above 0"),
        (lambda: Scene(filaments=0.0, beads=0.0), "data.simulation.scene: filaments and beads: one"
         " of them above 0"),
        (lambda: data(pixel_size=(0.2, 0.065, 0.065)), "data.pixel_size=[0.2, 0.065, 0.065]:"
         " [z,y,x] in nanometres, 1 to 100000 each"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_told(make, told):
    with pytest.raises(UserError) as said:
        make()
    assert str(said.value) == told


def test_coarse_pixels_are_repeated_and_their_noise_is_seen_once():
    made = data(simulation=Simulation(count=1, size=64, down=2)).images[0].read(0)[0]
    once = each_once(made)
    assert once.shape == (32, 32)
    assert np.array_equal(repeated(once, 2), made)
    assert each_once(once) is once
    assert np.allclose(coarse(made, 2), once)
    with pytest.raises(UserError, match=r"data\.simulation\.down=3: 1 to 8 fine pixels"):
        Simulation(size=64, down=3)


def test_an_empty_sharp_domain_is_told(tmp_path):
    with pytest.raises(UserError, match="no image"):
        data(sharp=str(tmp_path)).training(("sharp",))
