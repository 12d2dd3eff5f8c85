"""`bioreco evaluate` of a standard deviation, against the truth or a second frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

SHAPE = (160, 200)


def saved(name: str, values: np.ndarray, **more) -> None:
    tifffile.imwrite(name, values.astype(np.float32), **more)


@pytest.fixture
def files(bioreco):
    """Write a truth, two frames, and a result whose errors are 1.5 times what it says."""
    rng = np.random.default_rng(0)
    rows, columns = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])
    truth = 200 + 80 * np.sin(rows / 9) * np.sin(columns / 11)
    std = 6 + 4 * np.cos(columns / 30) + np.zeros(SHAPE)
    saved("truth.tif", truth)
    for name in ("cells", "again"):
        saved(f"{name}.tif", truth + np.sqrt(0.5 * truth) * rng.normal(size=SHAPE))
    saved("cells_denoised.tif", truth + 1.5 * std * rng.normal(size=SHAPE))
    saved("cells_denoised_std.tif", std)
    return bioreco


def scores(path: str = "s.json") -> dict:
    (record,) = json.loads(Path(path).read_text())["scores"]
    return record


def test_against_the_truth_the_deviation_is_found_and_judged(files):
    said = files("evaluate", "cells_denoised.tif", "reference=truth.tif", "output.path=s.json")
    assert said.status == 0, said.err
    record = scores()
    mean, found = record["mean"], record["certainty"]
    assert found["std"] == "cells_denoised_std.tif"
    assert mean["coverage_90"] == pytest.approx(0.727, abs=0.01)  # 2 * Phi(1.645 / 1.5) - 1
    assert mean["coverage_50"] == pytest.approx(0.347, abs=0.01)
    assert mean["std_scale"] == pytest.approx(1.5, rel=0.02)
    assert mean["psnr"] > 0
    for row in found["calibration"]:
        assert row["observed"] == pytest.approx(1.5 * row["predicted"], rel=0.05)
    assert sum(row["pixels"] for row in found["calibration"]) == SHAPE[0] * SHAPE[1]
    assert "spread of cells_denoised_std.tif against truth.tif, grey levels" in said.out
    assert "coverage: share of pixels in mean ± 1.645 std" in said.out
    assert "std_scale: what std has to be multiplied by" in said.out
    assert "implied_90" not in said.out
    assert f"output.std_scale={mean['std_scale']:.3g}" in said.out


def test_against_a_second_frame_its_noise_is_taken_out(files):
    line = ["evaluate", "cells_denoised.tif", "second=again.tif", "output.path=s.json"]
    said = files(*line)
    assert said.status == 0, said.err
    record = scores()
    assert record["certainty"]["noise"] == "from its difference to cells.tif"
    assert record["mean"]["std_scale"] == pytest.approx(1.5, rel=0.05)
    assert record["mean"]["implied_90"] == pytest.approx(0.727, abs=0.03)
    assert 0.73 < record["mean"]["coverage_90"] < 0.9
    assert "residual_over_sigma" in record["mean"]
    assert "implied_90: coverage_90 of the truth" in said.out
    assert "as bright" not in said.out + said.err
    Path("cells.tif").unlink()
    assert files(*line).status == 0
    record = scores()
    assert record["certainty"]["noise"] == "estimated in again.tif"
    assert record["mean"]["std_scale"] == pytest.approx(1.5, rel=0.15)


def test_a_second_frame_of_another_exposure_is_told(files):
    saved("again.tif", 1.1 * tifffile.imread("again.tif") + 5)
    said = files("evaluate", "cells_denoised.tif", "second=again.tif")
    assert said.status == 0, said.err
    assert "again.tif is 1.10 times as bright as in the result" in said.out + said.err


def test_the_scale_recalibrates(files):
    files("evaluate", "cells_denoised.tif", "second=again.tif", "output.path=s.json")
    scale = scores()["mean"]["std_scale"]
    saved("scaled.tif", scale * tifffile.imread("cells_denoised_std.tif"))
    files("evaluate", "cells_denoised.tif", "reference=truth.tif", "std=scaled.tif",
          "output.path=s.json")  # fmt: skip
    assert 0.87 < scores()["mean"]["coverage_90"] < 0.93


def test_noise_that_hides_the_errors_is_told(files):
    rng = np.random.default_rng(1)
    truth = tifffile.imread("truth.tif")
    for name in ("cells", "again"):
        saved(f"{name}.tif", truth + 2000 * rng.normal(size=SHAPE))
    said = files("evaluate", "cells_denoised.tif", "second=again.tif")
    assert said.status == 0, said.err
    assert "std_scale can't be told: the noise of the second frame hides the errors." in said.out


def test_frames_and_axes_of_another_order(files):
    mean, std, truth = (
        np.stack([tifffile.imread(f"{n}.tif")[:40, :50] + k for k in range(2)])
        for n in ("cells_denoised", "cells_denoised_std", "truth")
    )
    for name, values in (("m.tif", mean), ("m_std.tif", std), ("t.tif", truth)):
        saved(name, values, imagej=True, metadata={"axes": "TYX"})
    said = files("evaluate", "m.tif", "reference=t.tif", "output.path=s.json")
    assert said.status == 0, said.err
    assert len(scores()["frames"]) == 2
    assert scores()["certainty"]["all"]["coverage_90"] == pytest.approx(
        np.mean([frame["coverage_90"] for frame in scores()["frames"]])
    )


def test_folders_hold_what_belongs_together(files):
    for name in ("r", "s", "t"):
        Path(name).mkdir()
    Path("cells_denoised.tif").rename("r/cells_denoised.tif")
    Path("cells_denoised_std.tif").rename("s/cells_denoised_std.tif")
    Path("truth.tif").rename("t/cells.tif")
    said = files("evaluate", "r", "reference=t", "std=s")
    assert said.status == 0, said.err
    assert "against t/cells.tif" in said.out
    assert "coverage_90" in said.out
    Path("s/cells_denoised_std.tif").rename("r/cells_denoised_std.tif")
    said = files("evaluate", "r", "reference=t")
    assert said.out.count("against t/cells.tif, grey") == 1  # deviations are not results


def test_a_run_finds_the_deviation_in_its_folder(files):
    (Path("run/results/std")).mkdir(parents=True)
    Path("run/metrics.json").write_text('{"schema": 1, "status": "finished"}')
    Path("cells_denoised.tif").rename("run/results/cells.tif")
    Path("cells_denoised_std.tif").rename("run/results/std/cells.tif")
    said = files("evaluate", "run=run", "reference=truth.tif")
    assert said.status == 0, said.err
    assert "spread of run/results/std/cells.tif against truth.tif" in said.out


def test_one_found_by_name_alone_that_does_not_fit_is_left_aside(files):
    saved("cells_denoised_std.tif", np.ones((5, 5)))
    said = files("evaluate", "cells_denoised.tif", "reference=truth.tif")
    assert said.status == 0
    assert "cells_denoised_std.tif is of another size than cells_denoised.tif" in said.out
    assert "coverage" not in said.out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["reference=truth.tif", "std=small.tif"],
         "cells_denoised.tif and small.tif don't match: YX 160 x 200 and YX 5 x 5."),
        (["second=small.tif"],
         "cells_denoised.tif and small.tif don't match: YX 160 x 200 and YX 5 x 5."),
        (["reference=truth.tif", "std=negative.tif"],
         "negative.tif is negative in places (down to -2), so it is no standard deviation."),
        (["std=cells_denoised_std.tif"],
         "std=FILE is held against reference=FILE or second=FILE: give one."),
        (["second=again.tif", "reference=truth.tif"],
         "give reference=FILE (the truth) or second=FILE (as noisy), not both."),
        (["second=cells.tif"],
         "second=cells.tif is what it was made from: it takes another measurement of the same"
         " scene."),
        (["second=cells_denoised.tif"],
         "second=cells_denoised.tif is the result itself: it takes another measurement of the"
         " same scene."),
        (["second=copy.tif"],
         "copy.tif holds the same values as what cells_denoised.tif was made from: it takes"
         " another measurement of the same scene."),
        (["second=nothere.tif"], "There is no file nothere.tif."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_requests_are_told_in_one_line(files, line, text):
    saved("small.tif", np.eye(5))
    saved("negative.tif", np.full(SHAPE, -2.0))
    saved("copy.tif", tifffile.imread("cells.tif"))
    said = files("evaluate", "cells_denoised.tif", *line)
    assert said.status == 2
    assert said.err.startswith(f"bioreco evaluate: {text}")
    assert len(said.err.splitlines()) == 1


def test_a_second_frame_without_a_deviation_is_told(files):
    said = files("evaluate", "cells.tif", "second=again.tif")
    assert (said.status, said.err) == (
        2,
        "bioreco evaluate: second=again.tif tells whether a standard deviation is right, but there"
        " is none: say std=FILE (cells_std.tif is not there).\n",
    )
