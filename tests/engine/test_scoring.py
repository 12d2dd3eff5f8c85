from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from bioreco.data.image import Image
from bioreco.engine import scoring
from bioreco.errors import UserError
from bioreco.metrics.fidelity import psnr


class Held:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def read(self, index):
        return self.values[index].copy()


def image(values: np.ndarray, axes: str, name: str = "a.tif") -> Image:
    return Image(
        path=None,
        name=name,
        format="tiff",
        axes=axes,
        shape=values.shape,
        dtype=values.dtype,
        pixels=Held(values),
    )


RNG = np.random.default_rng(0)
CLEAN = RNG.gamma(2, 10, size=(3, 2, 30, 40))
NOISY = CLEAN + RNG.normal(size=CLEAN.shape)


def test_every_frame_is_scored_with_its_own_reference():
    found = scoring.against(image(NOISY, "TCYX"), image(CLEAN, "TCYX"))
    assert [frame.place for frame in found][:3] == [
        {"T": 0, "C": 0},
        {"T": 0, "C": 1},
        {"T": 1, "C": 0},
    ]
    for frame in found:
        at = frame.place["T"], frame.place["C"]
        assert frame.scores["psnr"] == pytest.approx(psnr(NOISY[at], CLEAN[at]))


def test_axes_may_come_in_another_order():
    swapped = image(CLEAN.swapaxes(0, 1), "CTYX")
    ours, theirs = (
        {tuple(sorted(f.place.items())): f.scores for f in scoring.against(image(NOISY, "TCYX"), r)}
        for r in (image(CLEAN, "TCYX"), swapped)
    )
    assert ours == theirs


@pytest.mark.parametrize("axes", ["TYX", "ZYX", "CYX", "IYX"])
def test_pages_of_unknown_meaning_fit_any_axis(axes):
    known, unknown = image(CLEAN[:, 0], axes), image(NOISY[:, 0], "IYX")
    assert scoring.against(unknown, known)
    assert scoring.against(known, unknown)


def test_axes_of_length_one_do_not_count():
    assert len(scoring.against(image(NOISY[:1, 0], "ZYX"), image(CLEAN[0, 0], "YX"))) == 1


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 2, 30, 41), "TCYX"), ((2, 30, 40), "CYX"), ((3, 2, 30, 40), "TZYX")]
)
def test_what_does_not_match_is_refused_with_both_shapes(shape, axes):
    other = image(np.zeros(shape), axes, "b.tif")
    with pytest.raises(UserError, match=r"a.tif and b.tif don't match: TCYX 3 x 2 x 30 x 40 and"):
        scoring.against(image(NOISY, "TCYX"), other)


def test_without_reference_a_perfect_result_took_the_noise_away():
    rng = np.random.default_rng(1)
    clean = 100 * ndimage.gaussian_filter(rng.normal(size=(200, 200)), 10)
    noisy = clean + rng.normal(size=clean.shape)
    (found,) = scoring.without(image(clean, "YX"), image(noisy, "YX"))
    assert found.scores["noise_left"] < 0.2
    assert found.scores["noise_before"] == pytest.approx(1, rel=0.1)
    assert found.scores["residual_over_sigma"] == pytest.approx(1, rel=0.1)
    assert found.scores["residual_correlation_x"] == pytest.approx(0, abs=0.03)
    assert found.scores["residual_likeness"] == pytest.approx(0, abs=0.05)
    (alone,) = scoring.without(image(noisy, "YX"), None)
    assert set(alone.scores) == {"noise_left"}


def test_two_frames_tell_the_resolution():
    rng = np.random.default_rng(2)
    signal = 30 * ndimage.gaussian_filter(rng.normal(size=(128, 128)), 3)
    pair = signal + rng.normal(size=(2, 128, 128))
    assert 4 < scoring.agreement(image(pair, "TYX"))["frc_pixels"] < 20
    assert scoring.agreement(image(pair[0], "YX")) == {}
    assert scoring.agreement(image(pair, "ZYX")) == {}
    assert scoring.agreement(image(pair[:, :9], "TYX")) == {}


def test_means_leave_out_what_a_frame_lacks():
    assert scoring.mean([{"psnr": 1.0}, {"psnr": 3.0, "ssim": 0.5}]) == {"psnr": 2.0, "ssim": 0.5}
    assert scoring.finite({"a": np.inf, "b": 1.0, "c": np.nan}) == {"b": 1.0}


def test_matching_leaves_the_images_alone():
    known, unknown = image(CLEAN[:, 0], "TYX"), image(NOISY[:, 0], "IYX")
    before = replace(unknown)
    scoring.matched(unknown, known)
    assert unknown == before
