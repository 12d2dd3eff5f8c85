from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from bioreco.metrics.fidelity import CONVENTIONS, psnr

RNG = np.random.default_rng(0)
CLEAN = (40 + 30 * np.sin(np.arange(64) / 5)[:, None] * np.sin(np.arange(80) / 7)).astype(np.uint8)
NOISY = (CLEAN + RNG.normal(0, 4, CLEAN.shape)).astype(np.float32)


@pytest.fixture
def files(bioreco):
    """Write an image, its reference, and a result with its input; return the command line."""
    tifffile.imwrite("noisy.tif", NOISY)
    tifffile.imwrite("clean.tif", CLEAN)
    tifffile.imwrite("noisy_denoised.tif", CLEAN.astype(np.float32))
    return bioreco


def test_against_a_reference(files):
    said = files("evaluate", "noisy.tif", "reference=clean.tif")
    assert said.status == 0, said.err
    head, columns, values = said.out.splitlines()[:3]
    assert head == "noisy.tif against clean.tif"
    assert columns.split() == ["psnr", "psnr_255", "si_psnr", "ssim", "nrmse"]
    assert values.split()[0] == f"{psnr(NOISY, CLEAN):.2f}"
    for name, text in CONVENTIONS.items():
        assert f"{name}: {text}" in said.out


def test_equal_images(files, tmp_path):
    said = files("evaluate", "clean.tif", "reference=clean.tif", "output.path=s.json")
    assert "inf" in said.out
    (record,) = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert "psnr" not in record["mean"]
    assert record["mean"]["nrmse"] == 0


def test_frames_and_channels(files):
    values = np.stack([[NOISY, NOISY + 1], [NOISY, NOISY]])
    for name, moved in (("a.tif", values), ("b.tif", values + RNG.normal(size=values.shape))):
        data = moved.astype(np.float32)
        tifffile.imwrite(name, data, imagej=True, metadata={"axes": "TCYX"})
    said = files("evaluate", "a.tif", "reference=b.tif")
    names = [line[:11].strip() for line in said.out.splitlines()[2:9]]
    frames = ["T=0 C=0", "T=0 C=1", "T=1 C=0", "T=1 C=1"]
    assert names == [*frames, "mean of C=0", "mean of C=1", "mean of 4"]


def test_a_folder_of_references(files, tmp_path):
    (tmp_path / "gt").mkdir()
    tifffile.imwrite("gt/noisy.tif", CLEAN)
    said = files("evaluate", "noisy_denoised.tif", "noisy.tif", "reference=gt")
    assert "noisy_denoised.tif against gt/noisy.tif" in said.out
    assert "\nnoisy.tif against gt/noisy.tif" in said.out
    missing = files("evaluate", "clean.tif", "reference=gt")
    assert missing.status == 2
    assert "there is no reference for clean.tif in gt" in missing.err


def test_without_reference_the_input_is_found(files):
    said = files("evaluate", "noisy_denoised.tif")
    assert "no reference; made from noisy.tif" in said.out
    assert "residual_over_sigma" in said.out
    assert "1 is right" in said.out
    named = files("evaluate", "noisy_denoised.tif", "measured=noisy.tif")
    assert named.out == said.out
    alone = files("evaluate", "noisy.tif")
    assert "noise_left" in alone.out
    assert "residual" not in alone.out


def test_two_frames_give_a_resolution(files):
    pair = np.stack([NOISY, CLEAN + RNG.normal(0, 4, CLEAN.shape)]).astype(np.float32)
    tifffile.imwrite("pair.tif", pair, imagej=True, metadata={"axes": "TYX"})
    said = files("evaluate", "pair.tif")
    assert "frc_pixels" in said.out
    assert "only if they show the same" in said.out


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ([], "needs FILE or run=RUN"),
        (["noisy.tif", "run=somewhere"], "not both"),
        (["noisy.tif", "reference=small.tif"], "don't match: YX 64 x 80 and YX 5 x 5"),
        (["noisy.tif", "reference=nothere.tif"], "There is no file nothere.tif"),
        (["run=nowhere"], "nowhere"),
        (["run=."], "is not a run"),
    ],
)
def test_wrong_requests(files, line, text):
    tifffile.imwrite("small.tif", np.eye(5, dtype=np.float32))
    said = files("evaluate", *line)
    assert said.status == 2
    assert text in said.err


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "results").mkdir(parents=True)
    tifffile.imwrite(folder / "results" / "noisy_denoised.tif", NOISY)
    summary = {
        "schema": 1,
        "status": "finished",
        "method": "n2v",
        "data": "files",
        "seed": 3,
        "test": {"psnr": 31.234, "ssim": 0.9},
        "baselines": {"input": {"psnr": 24.5}},
        "conventions": {"psnr": "data range = max - min of the reference"},
    }
    (folder / "metrics.json").write_text(json.dumps(summary))
    return folder


def test_a_run(files, run):
    said = files("evaluate", f"run={run}")
    assert said.status == 0, said.err
    assert "finished method=n2v data=files seed=3" in said.out
    assert "result  31.23  0.9000\ninput   24.50\n" in said.out
    assert "psnr: data range = max - min of the reference" in said.out


def test_a_run_is_scored_anew(files, run, tmp_path):
    said = files("evaluate", f"run={run}", "reference=clean.tif", "output.path=s.json")
    assert "noisy_denoised.tif against clean.tif" in said.out
    summary, anew = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert summary["test"]["psnr"] == 31.234
    assert anew["mean"]["psnr"] == pytest.approx(psnr(NOISY, CLEAN))


def test_a_run_without_scores(files, run):
    (run / "metrics.json").write_text('{"schema": 1, "status": "finished"}')
    assert "This run was not scored" in files("evaluate", f"run={run}").out
    (run / "metrics.json").write_text("{broken")
    assert "can't be read" in files("evaluate", f"run={run}").err
