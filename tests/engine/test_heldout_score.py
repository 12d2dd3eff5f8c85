"""A score without a truth for anything that reconstructs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from bioreco.data.normalisation import Normalisation
from bioreco.data.synthetic import scene
from bioreco.engine import heldout
from bioreco.engine.crops import Copies, crops
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.method import Estimate, Method
from bioreco.metrics.noise import Noise, estimate_noise
from bioreco.metrics.splits import DOSE

SIGMA = 20.0
KNOWN = Noise(read_noise=SIGMA, sigma=SIGMA)
SHARED = Noise(read_noise=SIGMA, sigma=SIGMA, correlation={"X": (0.5, 0.2)})


class Blur(Method):
    """A Gaussian filter; where there is a pair, of the mean of the two."""

    wants = ("pair",)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = width
        self.seen: list[Any] = []

    def reconstruct(self, batch):
        y = batch["y"]
        self.seen.append(dict(batch))
        mean = (y + batch["pair"]) / 2 if "pair" in batch else y
        width = (0, 0, *[self.width] * (y.ndim - 2))
        return Estimate(torch.from_numpy(ndimage.gaussian_filter(mean.numpy(), width)))

    @property
    def halo(self):
        return (8, 8)

    @property
    def stride(self):
        return (1, 1)


def predictor(method: Method, channels: int = 1, **options: Any) -> Predictor:
    scale = Normalisation((50.0,) * channels, (30.0,) * channels)
    return Predictor(
        method, scale, Runtime("cpu"), inference=Inference(**options), allowed="turn", joint=False
    )


def measured(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = 200 * scene(shape, rng)
    return truth, (truth + SIGMA * rng.standard_normal(shape)).astype(np.float32)


def test_it_ranks_filters_as_the_truth_does_and_measures_their_error(as_frames):
    truth, y = measured(256, 256)
    chosen = crops([as_frames(y)], [[KNOWN]], pixels=2**17)
    rng = np.random.default_rng(1)
    darker = y + SIGMA * np.sqrt(1 / DOSE - 1) * rng.standard_normal(y.shape)
    found, true = [], []
    for width in (0.4, 0.7, 1.0, 1.5, 2.5):
        found.append(heldout.judged(predictor(Blur(width)), chosen, folds=4))
        result = ndimage.gaussian_filter(darker, width)
        true.append(float(np.mean((result - truth) ** 2)) / SIGMA**2)
    assert np.argsort(found).tolist() == np.argsort(true).tolist()
    assert found == pytest.approx(true, abs=0.015)  # seen: 0.005


def test_scores_repeat_and_tiles_agree(as_frames):
    _, y = measured(96, 96)
    (crop,) = crops([as_frames(y)], [[KNOWN]], pixels=10)
    whole, tiled = (heldout.heldout(predictor(Blur(), tile=n), crop)[0] for n in (None, 48))
    assert whole == heldout.heldout(predictor(Blur()), crop)[0]
    assert tiled == pytest.approx(whole, rel=1e-5)
    assert {"heldout_error", "heldout_error_se", "psnr_heldout"} == set(whole)


def test_an_error_lost_in_its_own_noise_is_not_stated_as_a_psnr(as_frames):
    flat = 50 + SIGMA * np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32)
    (crop,) = crops([as_frames(flat)], [[Noise(read_noise=30.0, sigma=30.0)]], pixels=10)
    (scores,) = heldout.heldout(predictor(Blur(8.0)), crop)
    assert scores["heldout_error"] < 0
    assert "psnr_heldout" not in scores


class Overdone(Blur):
    """Takes the noise away twice."""

    def reconstruct(self, batch):
        return Estimate(2 * super().reconstruct(batch).mean - batch["y"])


def test_an_impossible_error_is_never_the_best(as_frames):
    flat = 50 + SIGMA * np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32)
    chosen = crops([as_frames(flat)], [[Noise(read_noise=30.0, sigma=30.0)]], pixels=10)
    (scores,) = heldout.heldout(predictor(Overdone(8.0)), chosen[0])
    assert scores["heldout_error"] < -0.3  # the noise is 20
    assert heldout.judged(predictor(Overdone(8.0)), chosen) == np.inf
    rightly = crops([as_frames(flat)], [[KNOWN]], pixels=10)
    assert heldout.judged(predictor(Blur(8.0)), rightly) == pytest.approx(0, abs=0.05)


def test_what_was_taken_away_and_the_halves_are_described(as_frames):
    _, y = measured(128, 128)
    (crop,) = crops([as_frames(y)], [[KNOWN]], pixels=10)
    (scores,) = heldout.appearance(predictor(Blur(1.5)), crop)
    assert scores["residual_over_sigma"] == pytest.approx(1, abs=0.15)
    assert abs(scores["residual_correlation_x"]) < 0.15
    assert scores["frc_pixels"] > 2


def test_channels_are_scored_as_their_noise_allows(as_frames):
    _, y = measured(64, 64)
    frames = as_frames(np.stack([y, y, y]), "CYX")
    (crop,) = crops([frames], [[KNOWN, SHARED, KNOWN]], pixels=10)
    made = predictor(Blur(), channels=3)
    assert len(heldout.heldout(made, crop)) == len(heldout.appearance(made, crop)) == 2
    assert heldout.why_not([[SHARED], [KNOWN]]) is None
    assert heldout.why_not([[SHARED]]) == "neighbouring pixels share noise along X"
    assert crops([frames], [[SHARED] * 3], pixels=10) == []


def test_a_second_measurement_is_seen_uncorrupted(as_frames):
    truth, y = measured(64, 64)
    other = (truth + SIGMA * np.random.default_rng(9).standard_normal(y.shape)).astype(np.float32)
    beside = {"pair": [as_frames(other)]}
    (crop,) = crops([as_frames(y)], [[KNOWN]], beside=beside, pixels=10)
    made = predictor(Blur())
    with_pair = heldout.heldout(made, crop, folds=2)[0]["heldout_error"]
    seen = [batch["pair"] for batch in made.method.seen]
    assert torch.equal(seen[0], seen[1])
    (alone,) = crops([as_frames(y)], [[KNOWN]], pixels=10)
    assert with_pair < heldout.heldout(made, alone, folds=2)[0]["heldout_error"]


@pytest.mark.parametrize(
    ("shape", "axes", "pixels", "expected"),
    [
        ((40, 50), "YX", 1, [(1, 40, 50)]),
        ((512, 512), "YX", 2**18, [(1, 256, 256)] * 4),
        ((512, 512), "YX", 2**17, [(1, 256, 256)] * 2),
        ((300, 40), "YX", 2**17, [(1, 256, 40)] * 2),
        ((9, 30, 40), "TYX", 2400, [(1, 30, 40)] * 2),
        ((20, 100, 100), "ZYX", 2**18, [(1, 16, 96, 96)]),
    ],
)
def test_crops_cover_what_they_can(as_frames, shape, axes, pixels, expected):
    values = np.zeros(shape, np.float32)
    found = crops([as_frames(values, axes)], [[KNOWN]], pixels=pixels)
    assert [crop.y.shape for crop in found] == expected
    assert len({crop.seed for crop in found}) == len(found)


def test_a_crop_without_numbers_has_no_score(as_frames):
    (crop,) = crops([as_frames(np.full((64, 64), np.nan))], [[KNOWN]], pixels=10)
    made = predictor(Blur())
    assert heldout.heldout(made, crop) == heldout.appearance(made, crop) == []
    assert heldout.judged(made, [crop]) == np.inf


def test_copies_are_mirrored_at_their_border():
    values = np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    read = Copies(values).read_mirrored(0, (0, -2), (1, 9))
    assert read[0, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]


def test_few_counts_are_scored_too(as_frames):
    y = np.random.default_rng(6).poisson(0.5, (256, 256)).astype(np.float32)
    (crop,) = crops([as_frames(y)], [[estimate_noise(y)]], pixels=10)
    errors = [heldout.heldout(predictor(Blur(w)), crop)[0]["heldout_error"] for w in (0.5, 1, 4)]
    assert errors == sorted(errors, reverse=True)
    assert abs(errors[-1]) < 0.08


def test_orientations_are_not_averaged(as_frames):
    _, y = measured(64, 64)
    (crop,) = crops([as_frames(y)], [[KNOWN]], pixels=10)
    made = predictor(Blur(), augment=True)
    heldout.heldout(made, crop, folds=3)
    assert len(made.method.seen) == 3
    assert isinstance(made.method, nn.Module)
