"""Simulated particles: what is promised of volume, SNR, seeds, files and conventions."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from particle_files import mrcfile

from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.blobs import Blobs, chain
from bioreco.data.particles.maps import radius, write_map
from bioreco.data.particles.resample import inside
from bioreco.data.particles.simulated import Microscope
from bioreco.data.particles.values import Volume
from bioreco.data.particles.writer import write_particles
from bioreco.errors import UserError
from bioreco.operators.cryoem import CryoEM

SMALL = {"box": 24, "pixel_size": 10.0, "particles": 120}


def simulated(seed=0, **options):
    return CryoEMData(seed=seed, **{**SMALL, **options})


@pytest.mark.parametrize("snr", [10.0, 1.0, 0.1])
@pytest.mark.parametrize("noise", ["gaussian", "ice"])
def test_snr_is_the_ratio_of_powers_in_the_disc_of_the_particle(snr, noise):
    data = simulated(snr=snr, microscope=Microscope(noise=noise))
    source = data.particles.source
    disc = inside(data.box, data.truth and chain_radius(data) / data.pixel_size)
    signal = source.signal[:, disc].var(1).mean()
    noise_only = np.stack([source.read(k) for k in range(len(source))]) - source.signal
    assert signal / noise_only.var() == pytest.approx(snr, rel=0.05)


def chain_radius(data):
    box, side = data.box, data.pixel_size
    return chain(data.seed, count=60, radius=0.3 * box * side, width=1.2 * side).radius


def test_ice_is_stronger_at_low_frequencies():
    source = simulated(microscope=Microscope(noise="ice")).particles.source
    spectra = [np.abs(np.fft.fft2(source.noise.draw(0, k))) ** 2 for k in range(200)]
    power = np.mean(spectra, 0)
    assert power[0, 1] / power[12, 12] == pytest.approx(4, rel=0.3)


def test_a_seed_gives_the_same_bytes_and_another_one_others():
    one, same, other = simulated(3), simulated(3), simulated(4)
    for k in (0, 77):
        assert one.particles.read(k).tobytes() == same.particles.read(k).tobytes()
        assert one.particles.read(k).tobytes() != other.particles.read(k).tobytes()
    assert one.truth.values.tobytes() == same.truth.values.tobytes()
    assert one.training()[5, 9]["y"].tobytes() == same.training()[5, 9]["y"].tobytes()


def test_what_is_stated_of_optics_holds():
    data = CryoEMData(seed=1, particles=400, box=24, pixel_size=10.0)
    u, v, angle, voltage, cs, w, phase, b, pixel = data.particles.ctf.T
    assert u.min() >= 10000
    assert u.max() <= 25000
    assert len(np.unique(u)) == 8  # one for each micrograph of 50
    assert np.all((u - v >= 0) & (u - v <= 500))
    assert np.all((angle >= 0) & (angle < np.pi))
    assert set(voltage) == {300}
    assert set(cs) == {np.float32(2.7)}
    assert [set(w[data.particles.optics == g]) for g in (0, 1)] == [
        {np.float32(0.1)},
        {np.float32(0.07)},
    ]
    assert not phase.any()
    assert not b.any()
    assert set(pixel) == {10}
    assert np.abs(data.particles.origins).max() <= 10
    assert set(data.particles.halves) == {1, 2}
    changed = simulated(microscope=Microscope(defocus=(5000.0, 5000.0), astigmatism=0.0, shifts=0))
    assert set(changed.particles.ctf[:, 0]) == {5000}
    assert not changed.particles.origins.any()


@pytest.mark.parametrize("ctf", ["auto", "none"])
def test_images_are_what_the_forward_model_says(ctf):
    """The closed form, with pose, CTF and origin, against Fourier slices of the volume."""
    data = CryoEMData(seed=2, particles=60, box=32, pixel_size=5.0, ctf=ctf)
    parts = data.particles
    known = {
        "pose": torch.from_numpy(parts.poses),
        "origin": torch.from_numpy(parts.origins),
        "ctf": torch.from_numpy(parts.ctf),
        "y": torch.zeros(60, 1, 32, 32),
    }
    seen = CryoEM(pad=3).operator(known)(torch.from_numpy(data.truth.values))[:, 0].numpy()
    signal = parts.source.signal
    scale = (signal * seen).sum() / (seen * seen).sum()
    assert np.linalg.norm(signal - scale * seen) < 0.01 * np.linalg.norm(signal)
    assert scale > 0


def test_the_chain_is_handed_and_has_no_symmetry():
    twists = []
    for seed in range(8):
        steps = np.diff(chain(seed, count=60, radius=72.0, width=6.0).centres, axis=0)
        triple = np.einsum("ij,ij->i", np.cross(steps[:-2], steps[1:-1]), steps[2:])
        twists.append(np.sign(triple).mean())
    assert min(twists) > 0.2  # it winds to the right far more often than to the left


def test_blobs_keep_off_each_other_and_within_the_radius():
    found = chain(5, count=60, radius=72.0, width=6.0)
    gaps = np.linalg.norm(found.centres[:, None] - found.centres[None], axis=-1)
    assert gaps[~np.eye(60, dtype=bool)].min() > 6
    assert np.linalg.norm(found.centres, axis=1).max() <= 72.001


def test_a_projection_of_blobs_is_the_sum_over_voxels():
    blobs = Blobs(np.array([[10.0, -20.0, 5.0]]), np.ones(1), 8.0)
    image = blobs.project(np.eye(3, dtype="f4")[None], np.zeros((1, 2)), 32, 5.0)[0]
    volume = blobs.volume(32, 5.0)
    np.testing.assert_allclose(image, volume.sum(0), atol=1e-5)
    assert np.unravel_index(volume.argmax(), volume.shape) == (17, 12, 18)  # z, y, x
    moved = blobs.project(np.eye(3, dtype="f4")[None], np.array([[5.0, 0.0]]), 32, 5.0)[0]
    np.testing.assert_allclose(moved[:, 1:], image[:, :-1], atol=1e-5)


def test_written_and_read_back_it_is_the_same_set(tmp_path):
    data = simulated(snr=1.0)
    files = write_particles(
        data.particles, tmp_path / "out", truth=data.truth, background=data.background, label="hi"
    )
    names = ["particles.star", "particles.mrcs", "background.mrcs", "truth.mrc"]
    assert [file.name for file in files] == names
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(names)
    wants = ("pose", "origin", "half", "background")
    again = CryoEMData(
        seed=0, root=str(tmp_path / "out"), volume="truth.mrc", background="background.mrcs"
    )
    assert again.preparation.sign == 1
    one, two = data.training(wants), again.training(wants)
    for k in (0, 60, 119):
        for key, value in one[k, 4].items():
            np.testing.assert_allclose(two[k, 4][key], value, rtol=1e-6, atol=2e-6, err_msg=key)
    np.testing.assert_allclose(again.truth.values, data.truth.values, atol=1e-6)
    assert (again.particles.optics == data.particles.optics).all()
    with pytest.raises(UserError, match=r"particles.star exists already; say overwrite=true"):
        write_particles(data.particles, tmp_path / "out")


def test_nothing_half_written_is_left(tmp_path):
    data = simulated()

    class Failing:
        def __len__(self):
            return 3

        def read(self, k):
            raise UserError("no more")

    with pytest.raises(UserError, match="no more"):
        write_particles(data.particles, tmp_path, truth=data.truth, background=Failing())
    assert list(tmp_path.iterdir()) == []


def test_headers_of_stacks_and_maps(tmp_path):
    data = simulated()
    write_particles(data.particles, tmp_path, truth=data.truth, label="bioreco simulate seed=0")
    with mrcfile.open(tmp_path / "truth.mrc") as file:
        assert file.is_volume()
        assert int(file.header.ispg) == 1
        assert float(file.voxel_size.z) == 10
        assert "bioreco simulate seed=0" in file.get_labels()[0]
        np.testing.assert_array_equal(file.data, data.truth.values)
    with mrcfile.open(tmp_path / "particles.mrcs") as file:
        assert file.is_image_stack()
        assert float(file.voxel_size.x) == 10
    for path in ("truth.mrc", "particles.mrcs"):
        assert mrcfile.validate(tmp_path / path)
    write_map(tmp_path / "again.mrc", data.truth, label="x")
    with pytest.raises(UserError, match=r"again.mrc exists already"):
        write_map(tmp_path / "again.mrc", data.truth, label="x")


def test_the_radius_of_a_map_holds_its_matter():
    at = np.arange(48) - 24
    r = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2)
    assert radius(Volume((r < 10).astype("f4"), 2.0)) == pytest.approx(20, abs=1)
    with pytest.raises(UserError, match="flat holds no positive density"):
        radius(Volume(np.zeros((16, 16, 16), "f4"), 1.0, "flat"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"snr": 0.0}, "data.snr=0: a ratio of powers, above 0"),
        ({"particles": 1}, "data.particles=1: at least 2"),
        ({"box": 25}, "data.box=25: an even number of pixels, at least 16"),
        ({"pixel_size": 0.0}, "data.pixel_size=0: in Angstrom, 0.1 to 50"),
        ({"contrast": "black"}, "data.contrast=black: simulated particles are white"),
        ({"ctf": [1.0, 1.0, 0.0]}, "is of measured images; simulated ones take data.microscope"),
        ({"ctf": "off"}, "data.ctf=off: auto, none, or [U,V,ANGLE] in Angstrom and degrees"),
    ],
)
def test_options_out_of_range(options, told):
    with pytest.raises(UserError, match=re.escape(told)):
        simulated(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"defocus": (2e4, 1e4)}, "data.microscope.defocus=[20000.0, 10000.0]: [LEAST,LARGEST]"),
        ({"astigmatism": -1.0}, "data.microscope.astigmatism=-1.0: not negative"),
        ({"shifts": -1.0}, "data.microscope.shifts=-1.0: not negative"),
        (
            {"noise": "gausian"},
            "data.microscope.noise=gausian: choose one of gaussian, ice.",
        ),
        ({"voltage": 3e5}, "data.microscope.voltage=300000: in kilovolt, 30 to 1500"),
    ],
)
def test_a_microscope_out_of_range(options, told):
    with pytest.raises(UserError, match=re.escape(told)):
        simulated(microscope=Microscope(**options))


def test_particles_without_a_ctf_stay_so_in_files(tmp_path):
    data = simulated(ctf="none", snr=5.0)
    write_particles(data.particles, tmp_path)
    again = CryoEMData(seed=0, root=str(tmp_path))
    np.testing.assert_array_equal(again.particles.ctf, data.particles.ctf)
    assert data.particles.ctf[0, 5] == 1  # amplitude contrast alone


def test_a_box_that_can_not_hold_the_ctf_is_told(caplog):
    simulated(box=16, pixel_size=2.0)
    assert "particles have a CTF that a box of 16 pixels can't hold" in caplog.text
    caplog.clear()
    simulated()
    assert not caplog.records
