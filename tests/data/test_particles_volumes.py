"""Volumes from maps and molecules, on the grid that images are on."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
from particle_files import mrcfile

from bioreco.data.cryoem import CryoEMData
from bioreco.data.particles.maps import on_grid, read_map
from bioreco.data.particles.pdb import read_pdb
from bioreco.data.particles.resample import interpolation
from bioreco.data.particles.simulated import Microscope
from bioreco.errors import UserError

ATOM = "{:<6}{:5d} {:>4}{}{:>3} A{:4d}    {:8.3f}{:8.3f}{:8.3f}{:6.2f}{:6.2f}          {:>2}\n"


def pdb(folder, places, name="a.pdb", *, element="C", model=False):
    lines = ["REMARK nothing\n"] + ["MODEL 1\n"] * model
    for k, place in enumerate(places, 1):
        lines.append(ATOM.format("ATOM", k, "CA", " ", "ALA", k, *place, 1.0, 0.0, element))
    lines += ["ENDMDL\n", lines[-1]] * model
    path = folder / name
    path.write_text("".join(lines))
    return path


def blob(shape, voxel, centre, width):
    """Return a Gaussian (z, y, x) at a place in Angstrom from the centre."""
    axes = [
        (np.arange(n) - n // 2) * step - c for n, step, c in zip(shape, voxel, centre, strict=True)
    ]
    parts = [np.exp(-(a**2) / (2 * width**2)) for a in axes]
    return np.einsum("i,j,k->ijk", *parts).astype("f4")


def map_file(path, values, voxel):
    with mrcfile.new(path, values, overwrite=True) as file:
        file.set_volume()
        file.voxel_size = tuple(reversed(voxel))
    return path


@pytest.mark.parametrize(("old", "new"), [(32, 20), (32, 21), (33, 20), (33, 48), (32, 48)])
def test_a_smooth_signal_is_sampled_where_it_should_be(old, new):
    """Against the closed form, with centres at N // 2 and old times old samples of width 1."""
    step = old / new
    signal = np.exp(-((np.arange(old) - old // 2 - 2.3) ** 2) / (2 * 3.0**2))
    wanted = np.exp(-(((np.arange(new) - new // 2) * step - 2.3) ** 2) / (2 * 3.0**2))
    found = interpolation(old, new, step) @ signal
    inside = np.abs((np.arange(new) - new // 2) * step) < old / 2 - 1
    np.testing.assert_allclose(found[inside], wanted[inside], atol=2e-4)
    np.testing.assert_allclose((interpolation(old, new, step) @ np.ones(old))[inside], 1, atol=1e-9)


def test_what_is_beyond_the_old_grid_is_empty():
    matrix = interpolation(10, 20, 1.0)
    assert not matrix[:4].any()
    assert not matrix[16:].any()
    np.testing.assert_allclose(matrix[5:15], np.eye(10), atol=1e-12)


def test_frequencies_that_a_coarse_grid_can_not_hold_are_left_out():
    signal = np.cos(2 * np.pi * 12 / 32 * np.arange(32))
    np.testing.assert_allclose(interpolation(32, 16, 2.0) @ signal, 0, atol=1e-12)


def test_a_map_of_unequal_voxels_lands_on_a_cube(tmp_path):
    voxel, centre = (4.0, 3.0, 2.0), (6.0, -9.0, 4.0)
    values = blob((20, 30, 40), voxel, centre, 10.0)
    path = map_file(tmp_path / "a.map", values, voxel)
    volume = on_grid(path, box=24, voxel=5.0)
    expected = blob((24, 24, 24), (5.0,) * 3, centre, 10.0)
    inner = (slice(5, 19),) * 3
    np.testing.assert_allclose(volume.values[inner], expected[inner], atol=0.01)
    assert on_grid(path, box=24, voxel=None).voxel == pytest.approx(90 / 24)


def test_axes_of_a_map_in_another_order(tmp_path):
    values = blob((20, 20, 20), (4.0,) * 3, (0, 8.0, 16.0), 6.0)
    path = map_file(tmp_path / "a.mrc", np.ascontiguousarray(values.transpose(2, 1, 0)), (4.0,) * 3)
    with mrcfile.mmap(path, "r+") as file:
        file.header.mapc, file.header.maps = 3, 1
    np.testing.assert_array_equal(read_map(path)[0], values)


def test_maps_that_can_not_be_used(tmp_path):
    values = blob((20, 20, 20), (4.0,) * 3, (0, 0, 0), 6.0)
    path = map_file(tmp_path / "a.map", values, (4.0,) * 3)
    with mrcfile.mmap(path, "r+") as file:
        file.header.cellb.beta = 94.3
    told = "a.map: its axes are at angles of 90, 94.3, 90 degrees, as in a crystal; resample it"
    with pytest.raises(UserError, match=re.escape(told)):
        CryoEMData(seed=0, volume=str(path))
    with pytest.raises(UserError, match=r"a.map doesn't say its voxel size."):
        on_grid(map_file(path, values, (0.0,) * 3), box=24, voxel=None)
    with mrcfile.mmap(map_file(path, values, (1.0,) * 3), "r+") as file:
        file.data[3] = np.nan
    with pytest.raises(UserError, match=r"a.map holds values that aren't finite numbers."):
        on_grid(path, box=24, voxel=None)
    with mrcfile.new(tmp_path / "flat.mrc", values[0]):
        pass
    with pytest.raises(UserError, match=r"flat.mrc is 20 x 20 \(YX\), not a density map."):
        on_grid(tmp_path / "flat.mrc", box=24, voxel=None)
    with pytest.raises(UserError, match=r"There is no file .*b.map. Did you mean 'a.map'"):
        CryoEMData(seed=0, volume=str(tmp_path / "b.map"))


def test_particles_of_a_map(tmp_path, caplog):
    values = blob((30, 30, 30), (4.0,) * 3, (8.0, -8.0, 12.0), 8.0)
    path = map_file(tmp_path / "a.map", values, (4.0,) * 3)
    data = CryoEMData(seed=0, volume=str(path), box=24, particles=4, snr=100.0)
    assert data.truth.voxel == 5
    peak = np.unravel_index(data.truth.values.argmax(), (24, 24, 24))
    assert [5 * (k - 12) for k in peak] == pytest.approx([8, -8, 12], abs=2.5)
    assert len(data.particles) == 4


@pytest.mark.parametrize("packed", [False, True])
def test_a_molecule_is_its_electrons_about_their_centre(tmp_path, packed):
    places = [(10.0, 20.0, 30.0), (16.0, 20.0, 30.0), (10.0, 26.0, 30.0)]
    path = pdb(tmp_path, places, model=True)
    if packed:
        path = tmp_path / "a.pdb.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.pdb").read_bytes()))
    blobs = read_pdb(path, resolution=10.0)
    np.testing.assert_allclose(blobs.centres, np.array(places) - [12, 22, 30])
    assert blobs.weights.tolist() == [6, 6, 6]
    assert blobs.width == pytest.approx(2.25)
    assert len(CryoEMData(seed=0, volume=str(path), particles=3, box=24).particles) == 3


def test_atoms_that_are_left_out_and_guessed(tmp_path):
    path = pdb(tmp_path, [(0.0, 0.0, 0.0)], element="")
    more = [
        ATOM.format("HETATM", 2, "O", " ", "HOH", 2, 9, 9, 9, 1, 0, "O"),
        ATOM.format("ATOM", 3, "N", "B", "ALA", 3, 9, 9, 9, 1, 0, "N"),
        ATOM.format("HETATM", 4, "FE", " ", "HEM", 4, 5, 0, 0, 1, 0, "FE"),
    ]
    path.write_text(path.read_text() + "".join(more))
    assert read_pdb(path, resolution=4.0).weights.tolist() == [6, 26]


def test_molecules_that_can_not_be_used(tmp_path):
    (tmp_path / "b.pdb").write_text("HEADER\n")
    with pytest.raises(UserError, match=r"b.pdb holds no atoms \(ATOM, HETATM\), so it"):
        read_pdb(tmp_path / "b.pdb", resolution=4.0)
    path = pdb(tmp_path, [(0.0, 0.0, 0.0), (0.0, 0.0, 300.0)])
    with pytest.raises(UserError, match=r"a.pdb reaches 159 Angstrom from its centre, the box 60"):
        CryoEMData(seed=0, volume=str(path), box=24, pixel_size=5.0)
    with pytest.raises(UserError, match=r"data.resolution=3: pixels of 5 Angstrom hold 10 at best"):
        CryoEMData(seed=0, volume=str(path), pixel_size=5.0, microscope=Microscope(resolution=3.0))
    path.write_text(path.read_text().replace("300.000", "    x.y"))
    with pytest.raises(UserError, match=r"a.pdb, line 3: an atom without x, y, z."):
        read_pdb(path, resolution=4.0)
