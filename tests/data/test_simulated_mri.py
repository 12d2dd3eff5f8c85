"""Simulated slices of several heads, and heads from a template."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bioreco.data.mri import MRI
from bioreco.data.simulation.mri import simulate
from bioreco.data.simulation.template import template
from bioreco.data.simulation.waves import Grid, Waves
from bioreco.errors import UserError


def test_slices_differ_and_repeat():
    scan, again = (simulate(seed=2, heads=2, slices=2, size=48, coils=4) for _ in range(2))
    assert (scan.groups, scan.bands, scan.frames) == (4, 1, 1)
    for group in range(4):
        assert scan.kspace(0, group).tobytes() == again.kspace(0, group).tobytes()
        assert scan.mask(0, group).all()
    means = [np.abs(scan.reference(0, group)).std() for group in range(4)]
    assert len({round(float(mean), 4) for mean in means}) == 4
    assert scan.calibration(0).shape == (1, 4, 24, 48)


def test_all_lines_give_the_truth_with_the_stated_noise():
    scan = simulate(seed=0, heads=1, slices=1, size=96, coils=8, snr=30.0)
    y = np.fft.ifftshift(scan.kspace(0, 0), axes=(-2, -1))
    coil = np.fft.fftshift(np.fft.ifft2(y, norm="ortho"), axes=(-2, -1))
    inside = scan.subjects[0].brain[0]
    error = ((coil * scan.maps(0)[0].conj()).sum(0) - scan.reference(0, 0)[0])[inside]
    assert np.sqrt((np.abs(error) ** 2).mean()) == pytest.approx(scan.sigma[0], rel=0.1)


def test_it_is_the_default_of_the_data_set(caplog, monkeypatch):
    small = partial(simulate, heads=2, slices=1, size=48)
    monkeypatch.setattr("bioreco.data.mri.simulate", small)
    caplog.set_level("INFO", "bioreco")
    data = MRI(seed=0)
    assert caplog.messages[0].startswith("This is a seeded simulation (seed 0)")
    assert data.acquisitions[0].groups == 2


@pytest.mark.parametrize(
    ("option", "told"),
    [({"heads": 0}, "data.heads=0: 1 or more"), ({"snr": 0.0}, "data.snr=0.0: above 0")],
)
def test_bad_sizes_are_told(option, told):
    with pytest.raises(UserError, match=told):
        simulate(seed=0, **option)


def test_a_template_gives_its_tissues_where_they_are(tmp_path):
    """A brain of three shells, whose levels are known, off the middle of its file."""
    import nibabel

    shape = (60, 70, 64)
    away = np.indices(shape) - np.array([30, 36, 34])[:, None, None, None]
    radius = np.sqrt((away**2).sum(0))
    levels = np.select([radius < 12, radius < 20, radius < 24], [100.0, 60.0, 25.0], 0.0)
    path = tmp_path / "brain.nii"
    nibabel.save(nibabel.Nifti1Image(levels.astype("f4"), np.diag([2.0, 2.0, 2.0, 1.0])), path)
    line = np.array([0.0, 16.0, 32.0, 44.0, 70.0])
    tissues = template(Grid(np.zeros(1), np.zeros(1), line), str(path))
    assert tissues.white[0, 0].round(2).tolist() == [1, 1, 0, 0, 0]
    assert (tissues.grey + tissues.nuclei)[0, 0].round(2).tolist() == [0, 0, 1, 0, 0]
    assert tissues.fluid[0, 0].round(2).tolist() == [0, 0, 0, 1, 0]
    assert not tissues.brain[0, 0, -1]


def test_a_template_with_its_skull_or_without_its_volume_is_refused(tmp_path):
    import nibabel

    for values, told in ((np.ones((8, 8, 8)), "without its skull"), (np.ones((8, 8)), "a volume")):
        path = tmp_path / "bad.nii"
        nibabel.save(nibabel.Nifti1Image(values.astype("f4"), np.eye(4)), path)
        with pytest.raises(UserError, match=told):
            template(Grid(*[np.zeros(1)] * 3), str(path))


def test_random_fields_do_not_depend_on_the_grid():
    waves = Waves.draw(np.random.default_rng(0), 20, 40)
    line = np.arange(6) * 3.0
    field = waves.on(Grid(line, line + 1, line - 2))
    point = waves.on(Grid(line[2:3], line[3:4] + 1, line[4:5] - 2))
    np.testing.assert_allclose(field[2, 3, 4], point[0, 0, 0])
    wide = np.arange(40) * 9.0
    assert waves.on(Grid(wide, wide, wide)).std() == pytest.approx(1, abs=0.1)


def test_the_slope_of_a_field_agrees_with_differences():
    waves = Waves.draw(np.random.default_rng(1), 20, 40)
    line = np.arange(30) * 0.05
    grid = Grid(line, line, line)
    steps = np.gradient(waves.on(grid), 0.05)
    length = np.sqrt(sum(step**2 for step in steps))
    inner = np.s_[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(waves.slope(grid)[inner], length[inner], rtol=1e-3, atol=1e-5)
