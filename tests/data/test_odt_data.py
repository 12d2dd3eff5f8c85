"""Tomograms: simulated, written and read again, and what is wrong with a user's."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bioreco.data.odt import ODTData
from bioreco.data.simulation.cell import PARTS, cell
from bioreco.data.tomograms import directions, phase
from bioreco.data.tomograms.files import is_tomogram
from bioreco.data.tomograms.opening import Given, open_tomogram
from bioreco.data.tomograms.simulated import Microscope
from bioreco.data.tomograms.values import Light, turns
from bioreco.data.tomograms.writer import write_tomogram
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")

NOTHING = Given(Light())
OPTICS = {"wavelength": 500.0, "pixel_size": 100.0, "medium": 1.333}


@pytest.fixture(scope="module")
def tomogram():
    return Microscope(views=9).tomogram(0, 0, 24)


def hologram(views, folder: Path, **more) -> Path:
    """Write fields of a smooth bump that is turned about y."""
    at = np.arange(32) - 16
    bump = 2 * np.exp(-(at[:, None] ** 2 + at**2) / 40)
    field = np.exp(1j * bump)[None].repeat(len(views), 0)
    path = folder / "turned.npz"
    np.savez(path, **{"field": field, "angles": np.asarray(views), **OPTICS, **more})
    return path


def test_a_cell_is_what_its_seed_says():
    one, again, other = cell(0, 1, 32, 1.337), cell(0, 1, 32, 1.337), cell(0, 2, 32, 1.337)
    assert np.array_equal(one.index, again.index)
    assert not np.array_equal(one.index, other.index)
    assert one.parts == PARTS
    assert set(np.unique(one.labels)) >= {0, 1, 2, 3}
    assert 1.337 <= one.index.min() < one.index.max() <= 1.4151
    assert one.index[0].max() == one.index[:, :, -1].max() == np.float32(1.337)


def test_what_is_written_is_read_again(tomogram, tmp_path):
    path = tmp_path / "cell.h5"
    write_tomogram(path, tomogram)
    assert is_tomogram(path)
    found = open_tomogram(path, NOTHING)
    inner = np.s_[:, 4:-4, 4:-4]  # the background is set to 0
    assert np.abs(found.fields[inner] - tomogram.fields[inner]).max() < 0.05
    np.testing.assert_allclose(found.illumination, tomogram.illumination)
    np.testing.assert_allclose(found.light.values, tomogram.light.values)
    assert np.array_equal(found.truth.index, tomogram.truth.index)
    assert np.array_equal(found.truth.labels, tomogram.truth.labels)
    assert found.truth.parts == PARTS
    assert found.tilted


def test_the_layout_is_that_of_phase_images(tomogram, tmp_path):
    write_tomogram(tmp_path / "cell.h5", tomogram)
    with h5py.File(tmp_path / "cell.h5") as file:
        attributes = dict(file["qpi_3"].attrs)
        stored = file["qpi_3/phase/raw"][()]
    assert attributes["wavelength"] == pytest.approx(532e-9)
    assert attributes["pixel size"] == pytest.approx(110e-9)
    assert attributes["medium index"] == 1.337
    np.testing.assert_allclose(stored, tomogram.fields[3].imag)


def test_views_are_in_the_order_of_their_numbers(tomogram, tmp_path):
    many = tomogram.taken(np.arange(9).repeat(2)[:12])
    write_tomogram(tmp_path / "many.h5", many)  # qpi_10 comes after qpi_2 and not after qpi_1
    found = open_tomogram(tmp_path / "many.h5", NOTHING)
    np.testing.assert_allclose(found.illumination, many.illumination)


def test_angles_may_stand_beside_the_file(tomogram, tmp_path):
    path = tmp_path / "cell.h5"
    write_tomogram(path, tomogram)
    with h5py.File(path, "a") as file:
        del file["illumination"]
    with pytest.raises(UserError, match=r"angles\.txt"):
        open_tomogram(path, NOTHING)
    np.savetxt(tmp_path / "angles.txt", np.linspace(0, 3, 9))
    found = open_tomogram(path, NOTHING)
    assert not found.tilted
    np.testing.assert_allclose(found.rotations, turns(np.linspace(0, 3, 9)))


def test_an_archive_says_its_optics_in_lines(tmp_path):
    at = np.zeros((4, 20, 20), dtype=np.int8)
    info = "lD = 0\nnm = 1.333\nres = 6.5\n"
    more = {"field_imag_x100": at, "angles_rad": np.arange(4.0), "info": info}
    np.savez(tmp_path / "a.npz", field_real_x100=at + 100, **more)
    found = open_tomogram(tmp_path / "a.npz", NOTHING)
    wavelength, pixel, medium, na = found.light.values
    assert (wavelength / pixel, medium, na) == (6.5, 1.333, 1.333)
    more["info"] = info.replace("lD = 0", "lD = 2")
    np.savez(tmp_path / "b.npz", field_real_x100=at + 100, **more)
    with pytest.raises(UserError, match="refocus"):
        open_tomogram(tmp_path / "b.npz", NOTHING)


@pytest.mark.parametrize(
    ("angles", "words"),
    [
        ([0.0, 1.0, np.nan, 2.0], "the angle of view 2 is missing"),
        ([0.0, 90.0, 180.0], "radians, not in degrees"),
    ],
)
def test_a_wrong_angle_is_told(angles, words, tmp_path):
    with pytest.raises(UserError, match=words):
        open_tomogram(hologram(angles, tmp_path), NOTHING)


def test_each_view_needs_an_angle(tmp_path):
    path = hologram([0.0, 1.0, 2.0], tmp_path, angles=np.array([0.0, 1.0]))
    with pytest.raises(UserError, match="2 angles for 3 views"):
        open_tomogram(path, NOTHING)


@pytest.mark.parametrize(
    ("angles", "words"),
    [
        (np.linspace(0, 2 * np.pi, 20), "1 of 20 views repeat a direction"),
        (np.linspace(0, 6, 20)[np.r_[0, 5, 3, 4, 1, 2, 6:20]], "order of their angles"),
        (np.r_[0:2:0.1, 4:6.28:0.1], "no views over 1.. degrees"),
    ],
)
def test_unusual_angles_are_told(angles, words, tmp_path):
    (note,) = open_tomogram(hologram(angles, tmp_path), NOTHING).notes
    assert re.search(words, note)


def test_usual_angles_are_not_worth_a_word(tmp_path):
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    assert open_tomogram(hologram(angles, tmp_path), NOTHING).notes == ()


def test_light_has_to_come_from_below(tomogram):
    bad = tomogram.illumination.copy()
    bad[4] = 0
    with pytest.raises(UserError, match="light of view 4 is missing"):
        directions.check_illumination(bad, 9, "a")


def bumps(height: float) -> np.ndarray:
    at = np.arange(64) - 32
    return height * np.exp(-(at[:, None] ** 2 + at**2) / 90)[None].repeat(2, 0)


def test_a_wrapped_phase_is_unwrapped():
    right = bumps(9.0)
    folded = np.angle(np.exp(1j * right))
    assert phase.wrapped(folded)
    assert not phase.wrapped(right)
    found, notes = phase.log_fields(folded, None, "a")
    np.testing.assert_allclose(found.imag, right, atol=1e-4)
    assert notes == ["the phase was unwrapped, view by view"]
    same, notes = phase.log_fields(right, None, "a")
    np.testing.assert_allclose(same.imag, right, atol=1e-4)
    assert notes == []


def test_a_wrapped_phase_is_refused_where_it_stays_so():
    folded = np.angle(np.exp(1j * bumps(9.0)))
    with pytest.raises(UserError, match="the phase is wrapped"):
        phase.log_fields(folded, None, "a", unwrap="never")
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, (2, 64, 64))
    with pytest.raises(UserError, match="can't be unwrapped"):
        phase.log_fields(noise, None, "a")
    with pytest.raises(UserError, match=r"auto, always, never.*auto"):
        phase.log_fields(folded, None, "a", unwrap="atuo")


def test_the_amplitude_counts_over_that_of_the_background():
    found, _ = phase.log_fields(bumps(1.0), np.full((2, 64, 64), 3.0), "a")
    np.testing.assert_allclose(found.real, 0, atol=1e-6)


def test_files_are_cut_shrunk_and_found(tomogram, tmp_path):
    path = tmp_path / "cell.h5"
    write_tomogram(path, tomogram)
    whole = open_tomogram(path, NOTHING)
    coarse = open_tomogram(path, replace(NOTHING, shrink=2))
    assert coarse.fields.shape[1:] == (24, 24)
    assert coarse.light.pixel_size == 220
    np.testing.assert_allclose(coarse.fields.mean(), whole.fields.mean(), atol=1e-4)
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    kept = open_tomogram(hologram(angles, tmp_path), replace(NOTHING, limit=60.5))
    assert len(kept) == 13
    data = ODTData(seed=0, root=str(tmp_path))
    assert [one.name for one in data.learnt] == ["cell.h5", "turned.npz"]
    assert ODTData(seed=0, paths=["cell.h5"], root=str(tmp_path)).box == 24  # as its truth


def test_optics_that_files_lack_are_asked_for(tmp_path):
    path = hologram([0.0, 1.0], tmp_path, medium=np.nan)
    with pytest.raises(UserError, match="medium=nan"):
        open_tomogram(path, NOTHING)
    np.savez(path, phase=np.zeros((2, 20, 20)), angles=[0.0, 1.0])
    with pytest.raises(UserError, match=r"data\.optics\.wavelength"):
        open_tomogram(path, NOTHING)
    given = Light(500.0, 100.0, 1.33)
    assert open_tomogram(path, Given(given)).light.na == 1.33
    with pytest.raises(UserError, match="too large"):
        open_tomogram(path, Given(replace(given, pixel_size=600.0)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tomograms": 0}, "at least 1"),
        ({"limit": 3.0}, r"data\.limit is of files"),
        ({"optics": Light(medium=1.3)}, r"data\.optics is of files"),
        ({"box": 8}, "at least 24"),
        ({"root": "nowhere"}, "no such folder"),
        ({"paths": ["nothing.h5"]}, "There is no file"),
    ],
)
def test_a_wrong_option_is_told(options, words):
    with pytest.raises(UserError, match=words):
        ODTData(seed=0, **options)


@pytest.mark.parametrize(
    "options", [{"views": 2}, {"na": 1.5}, {"pixel_size": 500.0}, {"scattering": "mie"}]
)
def test_a_microscope_that_can_not_be_is_told(options):
    with pytest.raises(UserError, match=r"data\.microscope"):
        Microscope(**options)


def test_the_approximation_of_simulated_fields_can_be_chosen():
    rytov = Microscope(views=5, noise=0.0).tomogram(0, 0, 24).fields
    born = Microscope(views=5, noise=0.0, scattering="born").tomogram(0, 0, 24).fields
    assert 0.01 < np.abs(rytov - born).max() < 1


def test_what_is_simulated_says_so(caplog):
    with caplog.at_level(logging.INFO, logger="bioreco"):
        data = ODTData(seed=0, box=24, tomograms=1, tests=1, microscope=Microscope(views=5))
    assert "These are simulated cells (seed 0)" in caplog.text
    assert len(data.training()) == len(data.reconstructed()) == 1
    assert data.training()[0, 0]["y"].shape == (5, 48, 48)
    assert data.training().validation() == []
