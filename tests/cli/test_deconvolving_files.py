"""Deconvolution of files by the usual commands: the PSF of a file, scores, and a run applied."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from bioreco.data.formats import open_image

SCORES = {"residual_over_sigma", "cycle_residual", "empty_output"}


def metrics(command: str) -> tuple[Path, dict]:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run, json.loads((run / "metrics.json").read_text())


def fine(said):
    assert said.status == 0, said.err
    return said


@pytest.fixture
def stack(tmp_path, monkeypatch) -> np.ndarray:
    """Write stack.tif, its truth.tif and psf.tif here; return the truth."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    truth = np.zeros((12, 40, 40))
    truth[tuple(rng.integers(4, [8, 36, 36], (12, 3)).T)] = 4000.0
    truth = ndimage.gaussian_filter(truth, 0.6) + 20
    psf = np.zeros((9, 13, 13))
    psf[4, 6, 6] = 1
    psf = ndimage.gaussian_filter(psf, (1.5, 2, 2))
    y = rng.poisson(ndimage.gaussian_filter(truth, (1.5, 2, 2), mode="mirror"))
    for name, values in (("stack", y), ("truth", truth), ("psf", 500 * psf + 7)):
        options = {"imagej": True, "metadata": {"axes": "ZYX"}}
        tifffile.imwrite(f"{name}.tif", values.astype(np.float32), **options)
    return truth


def test_a_stack_is_sharpened_with_the_psf_of_a_file(bioreco, stack):
    blur = ["forward=blur", "forward.psf=psf.tif", "trainer.device=cpu", "inference.tile=48"]
    said = fine(
        bioreco(
            "denoise", "stack.tif", "method=richardson_lucy", *blur, "data.reference=[truth.tif]"
        )
    )
    assert "psf.tif: its background, 7.00" in said.out
    run, found = metrics("denoise")
    assert found["test"].keys() >= SCORES
    assert found["test"]["psnr"] > found["baselines"]["input"]["psnr"] + 1
    assert 0.8 < found["test"]["residual_over_sigma"] < 1.2
    assert "absent" in found["score"]
    result = open_image("stack_denoised.tif")
    assert (result.axes, result.shape) == ("ZYX", stack.shape)
    Path("psf.tif").unlink()
    fine(bioreco("infer", f"run={run}", "stack.tif", "-o", "again.tif", "inference.tile=48"))
    assert np.array_equal(open_image("again.tif").read(), result.read())


def test_a_psf_that_is_not_there_is_told(bioreco, stack):
    said = bioreco("denoise", "stack.tif", "method=wiener", "forward=blur", "forward.psf=psff.tif")
    assert said.status == 2
    assert (
        "forward.psf=psff.tif: there is no such file; or choose one of gaussian, born_wolf,"
        " gibson_lanni." in said.err
    )
    assert not Path("outputs").exists() or not list(Path("outputs").glob("*/*"))


def test_a_learnt_psf_is_kept_and_baselines_have_the_same_scores(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["data.simulation.count=2", "data.simulation.size=48", "data.patch=16",
             "network.channels=2", "network.depth=1", "trainer.steps=2", "trainer.device=cpu",
             "inference.augment=false"]  # fmt: skip
    fine(bioreco("train", "method=ot_cyclegan", "forward=learnable_psf", *small,
                 "baselines=[wiener]"))  # fmt: skip
    run, found = metrics("train")
    assert found["test"].keys() >= SCORES | {"psf_correlation"}
    assert found["baselines"]["wiener"].keys() >= SCORES
    assert found["conventions"].keys() >= SCORES
    kernel = tifffile.imread(run / "psf.tif")
    assert kernel.sum() == pytest.approx(1, abs=1e-4)


def test_super_resolution_reports_what_it_resolves(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["data.simulation.count=2", "data.simulation.size=64", "data.simulation.down=2",
             "data.patch=16", "network.channels=2", "network.depth=1", "trainer.steps=2",
             "trainer.device=cpu", "inference.augment=false"]  # fmt: skip
    fine(bioreco("train", "method=ot_cyclegan", *small, "baselines=[]"))
    run, found = metrics("train")
    assert 2 <= found["test"]["frc_resolution"] < 20
    assert 4 < found["test"]["frc_resolution_input"] < 20
    assert "frc_resolution" in found["conventions"]
    assert "down: 2" in (run / ".hydra" / "config.yaml").read_text()
