"""Coil maps: estimated ones against known ones, given ones put in order."""

from dataclasses import replace

import numpy as np
import pytest
from kspaces import coil_maps, disc, made

from bioreco.data.kspace.espirit import espirit, signal_space
from bioreco.data.kspace.fourier import centred, to_image, to_kspace
from bioreco.data.kspace.given import in_order
from bioreco.data.kspace.maps import with_maps
from bioreco.errors import UserError

INSIDE = np.abs(disc((48, 44), 0.7)) > 0


def agreement(maps, truth):
    """|<C, C_true>| over coils, which is 1 if they agree up to a phase."""
    return np.abs((maps.conj() * truth).sum(0))


@pytest.mark.parametrize("kind", ["espirit", "lowres"])
@pytest.mark.parametrize("size", [(48, 44), (47, 45)])
def test_estimated_maps_are_the_true_ones_up_to_a_phase(kind, size):
    scan = made(frames=1, groups=1, coils=6, size=size, sigma=1e-3)
    maps = with_maps(scan, kind, file=False).maps(0)
    inside = np.abs(disc(size, 0.7)) > 0
    worst = agreement(maps[0], scan.maps(0)[0])[inside]
    assert np.percentile(worst, 5) > (0.999 if kind == "espirit" else 0.98)
    energy = (np.abs(maps[0]) ** 2).sum(0)
    np.testing.assert_allclose(energy[energy > 0], 1, atol=1e-5)
    assert (energy[inside] > 0).all()
    assert (energy[:4, :4] == 0).all()


def test_the_image_is_reproduced_by_espirit_maps():
    scan = made(frames=1, groups=1, coils=6, size=(48, 44))
    maps = with_maps(scan, "espirit", file=False).maps(0)[0]
    images = to_image(scan.kspace(0, 0))
    again = maps * (maps.conj() * images).sum(0)
    assert np.linalg.norm(again - images) < 0.01 * np.linalg.norm(images)


def test_the_calibration_matrix_is_spanned_by_few_vectors():
    """The span holds all patches: the oracle is NumPy's SVD of the matrix of patches."""
    centre = made(frames=1, groups=1, coils=3, size=(20, 20)).kspace(0, 0)[:, 4:16, 4:16]
    rows = [centre[:, y : y + 4, x : x + 4].ravel() for y in range(9) for x in range(9)]
    _, values, vectors = np.linalg.svd(np.array(rows, np.complex128), full_matrices=False)
    basis = signal_space(centre, 4, 0.02).reshape(-1, 48)
    count = int((values > 0.02 * values[0]).sum())
    assert len(basis) == count
    np.testing.assert_allclose(
        basis.T @ basis.conj(), vectors[:count].T @ vectors[:count].conj(), atol=1e-6
    )


def test_eigenvalues_are_one_in_the_object_and_phase_has_no_holes():
    scan = made(frames=1, groups=1, coils=6, size=(48, 44))
    first = scan.y[0, 0].copy()
    first[0] = to_kspace(to_image(first[0]) * (np.arange(44) > 22))  # a coil that is blind
    centre = first[:, centred(48, 24), centred(44, 24)]
    maps, values = espirit(centre, (48, 44))
    assert np.percentile(values[INSIDE], 10) > 0.98
    assert values.max() < 1 + 1e-4
    combined = (maps.conj() * to_image(first)).sum(0)
    steps = np.angle(combined[:, 1:] * combined[:, :-1].conj())[INSIDE[:, 1:] & INSIDE[:, :-1]]
    assert np.percentile(np.abs(steps), 99) < 1.0


def test_support_can_be_everything():
    scan = made(frames=1, groups=1, coils=6, size=(48, 44), sigma=1e-3)
    maps = with_maps(scan, "espirit", file=False, crop=0.0).maps(0)
    np.testing.assert_allclose((np.abs(maps) ** 2).sum(1), 1, atol=1e-5)
    tight = with_maps(scan, "espirit", file=False, crop=0.95).maps(0)
    assert 0.3 < (np.abs(tight[0]).sum(0) > 0).mean() < 0.9
    wide = with_maps(scan, "lowres", file=False, level=0.0).maps(0)
    assert (np.abs(wide[0]).sum(0) > 0).all()


def test_maps_of_each_band_come_from_its_own_lines():
    scan = made(frames=1, groups=2, bands=3, coils=6, size=(48, 44))
    alone = to_kspace(scan.c * scan.x[0][:, :, None])
    scan = replace(scan, single=alone[..., 12:36, :])
    estimated = with_maps(scan, "auto", file=False)
    assert estimated.notes[-1] == "coil maps by ESPIRiT from 24 x 24 central samples (y x)"
    maps = estimated.maps(1)
    assert maps.shape == (3, 6, 48, 44)
    for s in range(3):
        assert np.percentile(agreement(maps[s], scan.c[1, s])[INSIDE], 5) > 0.999


def test_a_known_truth_turns_with_the_maps():
    scan = made(frames=1, groups=1, coils=6, size=(48, 44))
    estimated = with_maps(scan, "espirit", file=True)
    image = estimated.reference(0, 0)
    seen = to_kspace((estimated.maps(0) * image[:, None]).sum(0))
    error = np.linalg.norm(seen - scan.kspace(0, 0)) / np.linalg.norm(seen)
    assert error < 0.02


def test_auto_takes_what_works():
    scan = made(frames=1, groups=1, coils=4, size=(48, 44))
    assert "ESPIRiT" in with_maps(scan, "auto", file=False).notes[-1]
    few = np.zeros((1, 1, 48, 44), bool)
    few[..., 21:27, :] = True
    short = replace(scan, taken=few)
    assert with_maps(short, "auto", file=False).notes[-1] == (
        "coil maps by low-resolution images from 6 x 24 central samples (y x)"
    )
    with pytest.raises(UserError) as error:
        with_maps(short, "espirit", file=False)
    assert str(error.value) == (
        "made: 6 x 24 samples in the centre of k-space are fully sampled (y x); data.maps=espirit"
        " needs at least 10 x 10 (data.maps=lowres needs 4). Give maps in the file, as"
        " sensitivity_maps, or calibration lines."
    )
    few[..., 23:26, :] = False
    with pytest.raises(UserError) as error:
        with_maps(replace(scan, taken=few), "auto", file=False)
    assert str(error.value) == (
        "made: 0 x 0 samples in the centre of k-space are fully sampled (y x); data.maps=lowres"
        " needs at least 4 x 4. Give maps in the file, as sensitivity_maps, or calibration lines."
    )
    with pytest.raises(UserError, match="0 x 0 samples in the centre"):
        with_maps(made(bands=2), "auto", file=False)
    with pytest.raises(UserError) as error:
        with_maps(scan, "expirit", file=False)
    assert str(error.value) == (
        "data.maps=expirit: choose from auto, espirit, lowres, file. Did you mean 'espirit'?"
    )
    with pytest.raises(UserError) as error:
        with_maps(scan, "file", file=False)
    assert str(error.value) == (
        "made holds no coil maps; say data.maps=espirit or data.maps=lowres."
    )


def test_a_single_coil_gets_a_map_of_ones():
    scan = made(frames=1, groups=1, coils=1, size=(48, 44), sigma=1e-3)
    maps = with_maps(scan, "auto", file=False).maps(0)
    np.testing.assert_allclose(maps[0, 0][INSIDE], 1, atol=1e-5)


def test_given_maps_are_normalised_and_holes_are_filled():
    maps = coil_maps(4, (32, 30))
    given = 7 * maps * (np.abs(disc((32, 30), 0.9)) > 0)
    given[:, 14:18, 13:17] = 0
    ordered, filled = in_order(given, "made")
    assert filled == 16
    assert np.abs(ordered - maps * (np.abs(ordered).sum(0) > 0)).max() < 0.12
    energy = (np.abs(ordered) ** 2).sum(0)
    np.testing.assert_allclose(energy[energy > 0], 1, atol=1e-5)
    assert (energy[14:18, 13:17] > 0).all()
    assert (energy[0, 0] == 0).all()
    scan = replace(made(frames=1, groups=1), c=given[None, None])
    told = with_maps(scan, "file", file=True)
    assert told.notes == (
        "coil maps of the file",
        "16 pixels of holes in the coil maps of slice 0 are filled",
    )
    np.testing.assert_array_equal(told.maps(0)[0], ordered)
    uneven = replace(scan, c=scan.c * np.linspace(1, 2, 30, dtype=np.float32))
    assert (
        "the coil maps are normalised, so that their squares sum to 1"
        in with_maps(uneven, "file", file=True).notes
    )


def test_given_maps_that_cannot_be_used():
    scan = made(frames=1, groups=1)

    def refused(maps):
        with pytest.raises(UserError) as error:
            with_maps(replace(scan, c=maps), "file", file=True)
        return str(error.value)

    assert refused(np.ones((1, 1, 4, 16, 30), np.complex64)) == (
        "made: its coil maps are 16 x 30, but k-space is 32 x 30 (y x)."
    )
    assert refused(np.ones((1, 1, 5, 32, 30), np.complex64)) == (
        "made: its coil maps are of 5 coils, but k-space has 4."
    )
    assert refused(0 * scan.c) == "made: the coil maps are 0 everywhere."
    ring = scan.c.copy()
    ring[..., 8:24, 8:24] = 0
    assert refused(ring) == (
        "made: 27 % of the object is a hole in the coil maps; up to 10 % are filled."
        " Say data.maps=espirit to estimate them."
    )
