"""What methods are handed of particle files: contrast, background, noise patches, halves."""

from __future__ import annotations

import dataclasses
import logging
import re
import tracemalloc

import numpy as np
import pytest
from particle_files import OPTICS, PARTICLES, mrcfile, stacks, star

from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.contrast import contrast_of
from bioreco.data.particles.noise import Noise
from bioreco.data.particles.preparation import Preparation
from bioreco.data.particles.samples import ParticleSamples
from bioreco.data.particles.simulated import Microscope
from bioreco.data.particles.values import Held
from bioreco.data.particles.writer import write_particles
from bioreco.engine.sampler import collate
from bioreco.errors import UserError

NEW = OPTICS + PARTICLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set as it was simulated, read back by the tests; no test changes it."""
    path = tmp_path_factory.mktemp("set")
    data = CryoEMData(
        seed=0, box=32, pixel_size=7.0, particles=150, microscope=Microscope(noise="ice")
    )
    write_particles(data.particles, path, truth=data.truth, background=data.background)
    return path


def inverted(folder, target):
    for name in ("particles.star", "particles.mrcs"):
        (target / name).write_bytes((folder / name).read_bytes())
    with mrcfile.mmap(target / "particles.mrcs", "r+") as file:
        file.data[:] = 7 - 3 * file.data
    return str(target)


def test_contrast_is_measured_and_undone(folder, tmp_path, caplog):
    white = CryoEMData(seed=0, root=str(folder))
    with caplog.at_level(logging.INFO, "bioreco"):
        black = CryoEMData(seed=0, root=inverted(folder, tmp_path))
    assert (white.preparation.sign, black.preparation.sign) == (1, -1)
    assert re.search(r"particles are black: mean correlation -0\.\d+ with a ball", caplog.text)
    one, two = white.training()[3, 0]["y"], black.training()[3, 0]["y"]
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_contrast_that_is_not_clear_is_refused(folder):
    data = CryoEMData(seed=0, root=str(folder))
    noise = Noise(32, "ice", 1)
    empty = Held(np.stack([noise.draw(0, k) for k in range(150)]), "empty.star")
    particles = dataclasses.replace(data.particles, source=empty, name="empty.star")
    found = contrast_of(particles, Preparation(32, 32))
    assert abs(found.score) < 4
    write_particles(particles, folder / "empty")
    with pytest.raises(UserError, match=r"the images don't tell whether particles are white or"):
        CryoEMData(seed=0, root=str(folder / "empty"))
    data = CryoEMData(seed=0, root=str(folder / "empty"), contrast="black")
    assert data.preparation.sign == -1
    told = re.escape("data.contrast=blck: choose one of auto, white, black. Did you mean 'black'?")
    with pytest.raises(UserError, match=told):
        CryoEMData(seed=0, root=str(folder / "empty"), contrast="blck")


def test_a_contrast_that_the_images_belie_is_told(folder, caplog):
    data = CryoEMData(seed=0, root=str(folder), contrast="black")
    assert data.preparation.sign == -1
    assert "data.contrast=black, but particles are white" in caplog.text


def test_the_background_is_normalised(folder):
    samples = CryoEMData(seed=0, root=str(folder)).training()
    at = np.arange(32) - 16
    ring = at[:, None] ** 2 + at**2 > 16**2
    for k in range(0, 150, 30):
        image = samples[k, 0]["y"][0]
        assert image[ring].mean() == pytest.approx(0, abs=1e-5)
        assert image[ring].std() == pytest.approx(1, abs=1e-5)


def test_fewer_pixels_keep_the_field_of_view(folder):
    whole, small = (CryoEMData(seed=0, root=str(folder), box=box) for box in (None, 16))
    assert (small.box, small.pixel_size) == (16, 14)
    assert small.training()[0, 0]["ctf"][8] == 14
    assert small.training()[0, 0]["y"].shape == (1, 16, 16)
    x = np.cos(2 * np.pi * 3 / 32 * (np.arange(32) - 16))
    image = np.outer(np.ones(32), x).astype("f4")
    np.testing.assert_allclose(small.preparation.fewer(image), image[::2, ::2], atol=1e-5)
    assert whole.preparation.fewer(image) is image
    with pytest.raises(UserError, match=r"data.box=64: at least 16, and at most the 32 pixels"):
        CryoEMData(seed=0, root=str(folder), box=64)


def test_what_a_method_wants_it_gets(folder):
    data = CryoEMData(seed=0, root=str(folder), background="background.mrcs")
    wants = ("pose", "origin", "half", "background")
    samples = data.training(wants)
    batch = collate([samples[k, 7 * k] for k in (0, 5, 9)])
    shapes = {key: tuple(value.shape) for key, value in batch.items()}
    assert shapes == {
        "y": (3, 1, 32, 32), "ctf": (3, 9), "seed": (3,), "pose": (3, 3, 3), "origin": (3, 2),
        "half": (3,), "background": (3, 1, 32, 32),
    }  # fmt: skip
    assert batch["seed"].tolist() == [0, 35, 63]
    fixed = samples.validation()
    assert [part["y"].shape[0] for part in fixed] == [32, 32]
    for part, again in zip(fixed, data.training(wants).validation(), strict=True):
        np.testing.assert_array_equal(part["background"], again["background"])
    one, two = samples.halves()
    assert (len(one), len(two)) == (75, 75)
    assert {int(one[k, 0]["half"]) for k in range(75)} == {1}
    with pytest.raises(UserError, match="learns from 'x', which particles don't have; they have"):
        data.training(("x",))


def test_what_a_file_lacks_can_not_be_learnt_from(tmp_path):
    text = NEW.replace("_rlnAngleRot", "_rlnA").replace("_rlnOriginX", "_rlnB")
    data = CryoEMData(seed=0, paths=str(star(stacks(tmp_path), text)), contrast="white")
    for want, told in (
        ("pose", r"poses \(rlnAngleRot, rlnAngleTilt, rlnAnglePsi\); particles.star has none"),
        ("origin", r"origins \(rlnOriginXAngst, rlnOriginYAngst\); particles.star has none"),
        ("background", r"patches of background: say data.background=STACK; particles.star has"),
    ):
        with pytest.raises(UserError, match=told):
            data.training((want,))


def test_halves_and_subsets_are_drawn_from_the_seed(tmp_path):
    values = np.random.default_rng(0).standard_normal((40, 32, 32)).astype("f4")
    with mrcfile.new(tmp_path / "a.mrcs", values):
        pass
    options = {"paths": str(tmp_path / "a.mrcs"), "ctf": "none", "contrast": "white"}
    options |= {"pixel_size": 2.0}
    data = [CryoEMData(seed=seed, **options, particles=20).particles for seed in (0, 0, 1)]
    assert np.bincount(data[0].halves).tolist() == [0, 10, 10]
    assert data[0].index.tolist() == data[1].index.tolist() != data[2].index.tolist()
    assert data[0].halves.tolist() == data[1].halves.tolist()
    with pytest.raises(UserError, match=r"data.particles=41: a.mrcs holds 40"):
        CryoEMData(seed=0, **options, particles=41)


@pytest.mark.parametrize("named", ["in order", "by a STAR file", "not at all"])
def test_patches_of_background_come_from_the_same_micrograph(folder, tmp_path, named):
    """Patch k has its maximum at pixel k, so that it is known again."""
    data = CryoEMData(seed=0, root=str(folder))
    count = {"in order": 150, "by a STAR file": 90, "not at all": 90}[named]
    patches = np.random.default_rng(3).standard_normal((count, 32, 32)).astype("f4")
    patches[np.arange(count), np.arange(count) // 32, np.arange(count) % 32] = 50
    with mrcfile.new(tmp_path / "noise.mrcs", patches):
        pass
    path, of = tmp_path / "noise.mrcs", np.arange(count) // 50
    if named == "by a STAR file":
        of = np.arange(count) % 3
        rows = [f"{k + 1}@noise.mrcs simulated_{m + 1:05d}.mrc" for k, m in enumerate(of)]
        head = "data_\nloop_\n_rlnImageName\n_rlnMicrographName\n"
        path = star(tmp_path, head + "\n".join(rows))
    samples = CryoEMData(seed=0, root=str(folder), background=str(path)).training(["background"])
    for k in (10, 60, 149):
        drawn = [samples[k, seed]["background"] for seed in range(30)]
        numbers = [int(patch.argmax()) for patch in drawn]
        assert len(set(numbers)) > 5
        own = {int(of[number]) == data.particles.micrographs[k] for number in numbers}
        assert (False in own) == (named == "not at all")
        assert np.mean([patch.mean() for patch in drawn]) == pytest.approx(0, abs=1e-5)
        assert np.mean([patch.std() for patch in drawn]) == pytest.approx(1, abs=1e-5)


def test_patches_that_do_not_fit_are_refused(folder, tmp_path):
    with mrcfile.new(tmp_path / "noise.mrcs", np.zeros((3, 20, 20), "f4")):
        pass
    told = r"noise.mrcs: background patches are 20 x 20 pixels, particles 32 x 32."
    with pytest.raises(UserError, match=told):
        CryoEMData(seed=0, root=str(folder), background=str(tmp_path / "noise.mrcs"))
    none = star(tmp_path, "data_particles\nloop_\n_rlnMicrographName\n", "none.star")
    with pytest.raises(UserError, match=r"none.star names no background patches \(rlnImageName\)."):
        CryoEMData(seed=0, root=str(folder), background=str(none))


def broken(folder, target, many):
    (target / "particles.star").write_bytes((folder / "particles.star").read_bytes())
    (target / "particles.mrcs").write_bytes((folder / "particles.mrcs").read_bytes())
    with mrcfile.mmap(target / "particles.mrcs", "r+") as file:
        file.data[4] = 3
        file.data[7, 5, 5] = np.nan
        file.data[8 : 8 + many] = np.nan
    return str(target)


def test_broken_images_are_left_out_and_told(folder, tmp_path, caplog):
    data = CryoEMData(seed=0, root=broken(folder, tmp_path, 0))
    assert len(data.particles) == len(data.training()) == 148
    assert not {4, 7} & set(data.particles.index.tolist())
    told = "2 of 150 images are broken and left out, the first at particles.star, line 42"
    assert f"{told} (5@particles.mrcs) is constant." in caplog.text


def test_many_broken_images_are_refused(folder, tmp_path):
    told = r"32 of 150 images are broken, the first at particles.star, line 42 \(5@particles.mrcs\)"
    with pytest.raises(UserError, match=told):
        CryoEMData(seed=0, root=broken(folder, tmp_path, 30))


def test_an_image_whose_background_is_masked_is_refused(folder):
    data = CryoEMData(seed=0, root=str(folder))
    image = np.zeros((32, 32), "f4")
    image[16, 16] = 1
    with pytest.raises(UserError, match=r"here: the background of the image is constant."):
        data.preparation.apply(image, "here")
    with pytest.raises(UserError, match=r"here: the image is constant."):
        data.preparation.apply(image * 0, "here")
    with pytest.raises(UserError, match=r"here: the image holds values that aren't finite"):
        data.preparation.apply(image * np.nan, "here")


def test_a_large_stack_is_read_image_by_image(tmp_path):
    """128 MB of images, of which less than 20 MB are ever held."""
    count, box = 500, 256
    with mrcfile.new_mmap(tmp_path / "a.mrcs", (count, box, box), mrc_mode=2) as file:
        file.data[:, 0] = np.random.default_rng(0).standard_normal((count, box))
    tracemalloc.start()
    data = CryoEMData(
        seed=0, paths=str(tmp_path / "a.mrcs"), ctf="none", contrast="white", pixel_size=1.5,
        box=32,
    )  # fmt: skip
    samples = data.training()
    for k in range(0, count, 10):
        assert samples[k, 0]["y"].shape == (1, 32, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_images_that_fit_in_memory_are_prepared_once(folder):
    samples = CryoEMData(seed=0, root=str(folder)).training()
    first = samples[3, 0]["y"]
    assert np.flatnonzero(samples.cache.held).tolist() == [3]
    assert samples[3, 1]["y"].tobytes() == first.tobytes()
    large = dataclasses.replace(samples)
    large.cache.values = None
    assert large[3, 0]["y"].tobytes() == samples[3, 0]["y"].tobytes()
    assert isinstance(large, ParticleSamples)


def test_which_file_is_meant(folder, tmp_path):
    with pytest.raises(UserError, match=r"holds 0 STAR files \(none\); say data.paths"):
        CryoEMData(seed=0, root=str(tmp_path))
    with pytest.raises(UserError, match=r"data.paths: 2 files of particles; join them into one"):
        CryoEMData(seed=0, paths=["a.star", "b.star"])
    with pytest.raises(UserError, match=r"data.snr=1 is of simulated particles, not of files"):
        CryoEMData(seed=0, root=str(folder), snr=1.0)
    with pytest.raises(UserError, match=r"There is no file .*particle.star. Did you mean 'part"):
        CryoEMData(seed=0, paths=str(folder / "particle.star"))
    named = CryoEMData(seed=0, root=str(folder), paths=["particles.star"])
    assert len(named.particles) == 150
