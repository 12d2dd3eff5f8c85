"""Fully sampled images of others: other heads, masks as asked for, the scale of measurements."""

from __future__ import annotations

import numpy as np
import pytest

from bioreco.data.others import Others
from bioreco.data.scans import brightness
from bioreco.data.simulation.mri import simulate

OPTIONS = {"seed": 0, "pattern": "uniform", "acceleration": 4.0, "acs": 8}


@pytest.fixture(scope="module")
def scan():
    return simulate(seed=0, heads=1, slices=1, size=32, coils=2)


def sample(scan) -> dict:
    mask = np.zeros((1, 32, 32), bool)
    mask[:, ::4] = True
    return {"mask": mask, "maps": scan.maps(0)}


def test_others_are_drawn_with_their_coils_on_the_scale_of_measurements(scan):
    others = Others([scan], "simulated", **OPTIONS)
    found = others.draw(sample(scan), 5)
    assert found["sharp"].shape == (1, 32, 32)
    assert found["sharp_maps"].shape == (1, 2, 32, 32)
    images = found["sharp_maps"][0] * found["sharp"]
    spectrum = np.fft.fft2(np.fft.ifftshift(images, axes=(-2, -1)), norm="ortho")
    y = np.fft.fftshift(spectrum, axes=(-2, -1)) * found["sharp_mask"]
    assert brightness(y.astype(np.complex64)) == pytest.approx(1, rel=1e-4)
    again, other = others.draw(sample(scan), 5), others.draw(sample(scan), 6)
    assert np.array_equal(again["sharp_mask"], found["sharp_mask"])
    assert not np.array_equal(other["sharp_mask"], found["sharp_mask"])
    assert not np.allclose(np.abs(found["sharp"]), np.abs(scan.reference(0, 0)))


def test_masks_may_be_those_of_the_measurements(scan):
    own = sample(scan)
    fixed = Others([scan], "simulated", **{**OPTIONS, "pattern": None})
    assert np.array_equal(fixed.draw(own, 1)["sharp_mask"], own["mask"])
    rolled = Others([scan], "simulated", **{**OPTIONS, "acceleration": None})
    masks = {rolled.draw(own, k)["sharp_mask"].tobytes() for k in range(8)}
    assert len(masks) > 1
    assert all(rolled.draw(own, k)["sharp_mask"][0, 16].all() for k in range(8))


def test_magnitudes_of_a_folder_get_a_phase_and_the_coils_of_the_scan(scan, tmp_path):
    np.save(tmp_path / "a.npy", np.abs(scan.reference(0, 0)[0]).astype(np.float32))
    others = Others([scan], str(tmp_path), **OPTIONS)
    found = others.draw(sample(scan), 3)
    inside = np.abs(found["sharp"]) > 0
    assert np.ptp(np.angle(found["sharp"][inside])) > 0.1
    assert np.array_equal(found["sharp_maps"], scan.maps(0))
