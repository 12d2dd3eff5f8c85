"""`bioreco calibrate`: from frames of a still target to a noise model that training takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioreco.noise import files

X, Y = np.mgrid[0:64, 0:72]
CLEAN = 300 + 120 * np.sin(X / 9) * np.cos(Y / 7)
GAIN, OFFSET, READ = 4.0, 100.0, 5.0


def frames(name: str, count: int = 12, scene: np.ndarray | None = None, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    scene = CLEAN if scene is None else scene
    y = rng.poisson(np.clip(scene - OFFSET, 0, None) / GAIN, (count, *scene.shape)) * GAIN + OFFSET
    y = (y + READ * rng.standard_normal(y.shape)).astype(np.float32)
    tifffile.imwrite(name, y if count > 1 else y[0], imagej=True,
                     metadata={"axes": "TYX" if count > 1 else "YX"})  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


@pytest.mark.parametrize("model", ["gaussian", "poisson_gaussian", "histogram", "mixture"])
def test_a_series_becomes_a_model(bioreco, model):
    frames("still.tif")
    said = fine(bioreco("calibrate", "still.tif", "-o", "camera.noise", f"model={model}"))
    assert "From 49152 measurements of signals from" in said.out
    assert "try: bioreco denoise FILE method=pn2v noise=file noise.path=camera.noise" in said.out
    found = files.load(Path("camera.noise"))
    assert found.describe() in said.out
    assert found.kind == model
    import torch

    s = torch.tensor([200.0, 300.0, 400.0]).double()
    expected = GAIN * (s - OFFSET) + READ**2
    if model == "gaussian":
        expected = torch.full_like(s, float(GAIN * (CLEAN.mean() - OFFSET) + READ**2))
    torch.testing.assert_close(found.variance(s), expected.double(), rtol=0.1, atol=0)
    assert sorted(p.name for p in Path().iterdir()) == ["camera.noise", "still.tif"]


def test_dark_frames_give_offset_and_read_noise(bioreco):
    frames("still.tif")
    frames("dark.tif", scene=np.full((64, 72), OFFSET))
    fine(bioreco("calibrate", "still.tif", "dark=dark.tif", "model=poisson_gaussian"))
    found = files.load(Path("still.noise"))
    assert (found.offset, found.read) == (
        pytest.approx(OFFSET, abs=0.3),
        pytest.approx(READ, rel=0.05),
    )
    assert found.gain == pytest.approx(GAIN, rel=0.05)
    fine(bioreco("calibrate", "still.tif", "dark=dark.tif", "-o", "m.noise"))
    assert files.load(Path("m.noise")).span[0] == pytest.approx(OFFSET, abs=1)


def test_single_frames_make_a_series_and_a_signal_replaces_it(bioreco):
    for k in range(4):
        frames(f"f{k}.tif", 1, seed=k)
    fine(bioreco("calibrate", "f0.tif", "f1.tif", "f2.tif", "f3.tif", "model=poisson_gaussian"))
    assert files.load(Path("f0.noise")).gain == pytest.approx(GAIN, rel=0.15)
    tifffile.imwrite("clean.tif", CLEAN.astype(np.float32))
    fine(bioreco("calibrate", "f0.tif", "signal=clean.tif", "-o", "one.noise", "model=histogram",
                 "histogram.bins=64"))  # fmt: skip
    assert files.load(Path("one.noise")).bins == 64


def test_training_takes_the_file_and_inference_does_without(bioreco):
    frames("still.tif")
    frames("cells.tif", 1, seed=9)
    fine(bioreco("calibrate", "still.tif", "-o", "camera.noise"))
    quick = ["network.channels=2", "network.depth=1", "trainer.steps=3", "trainer.device=cpu",
             "data.patch=16", "inference.augment=false", "trainer.batch_size=2"]  # fmt: skip
    line = ["denoise", "cells.tif", "method=pn2v", "method.prior_samples=4", *quick]
    said = fine(bioreco(*line, "noise=file", "noise.path=camera.noise"))
    assert "Noise model: mixture of 3 normal densities" in said.out
    assert "(from camera.noise)" in said.out
    Path("camera.noise").unlink()
    (run,) = Path().glob("outputs/*/*-denoise")
    fine(bioreco("infer", f"run={run}", "still.tif", "device=cpu", "inference.augment=false"))
    for path in Path().glob("cells_denoised*"):
        path.unlink()
    said = bioreco(*line, "noise=file", "noise.path=camera.noise")
    assert said.status == 2
    assert "noise.path=camera.noise: there is no such file" in said.err
    said = bioreco(*line, "noise=gaussian", "noise.sigma=300")
    assert said.status == 2
    assert "the noise model says noise of 300 grey levels in these images" in said.err
    assert not Path("cells_denoised.tif").exists()


REFUSED = [
    (["one.tif"], "one.tif is a single frame, which does not tell noise from signal"),
    (["one.tif", "small.tif"], "one.tif is 64 x 72 pixels, small.tif 40 x 40"),
    (["still.tif", "signal=small.tif"], "small.tif is 40 x 40 pixels, still.tif 64 x 72"),
    (["still.tif", "signal=three.tif"], "three.tif has 3 frames, still.tif 12"),
    (["moving.tif"], "moving.tif: "),
    (["still.tif", "louder.tif"], "the noise of louder.tif has 6."),
    (["still.tif", "model=mixtrue"], "model=mixtrue: choose one of gaussian, poisson_gaussian,"),
    (["still.tif", "-o", "there.noise"], "there.noise exists already; say overwrite=true"),
    (["still.tif", "channel=1"], "channel=1: still.tif has 1 channels, counted from 0"),
    (["still.tif", "mixture.components=x"], "components=x: a whole number"),
    (["nothing.tif"], "There is no file nothing.tif"),
    ([], "needs at least one FILE"),
]


@pytest.fixture
def prepared(bioreco):
    frames("still.tif")
    frames("one.tif", 1)
    frames("three.tif", 3)
    frames("small.tif", 1, scene=CLEAN[:40, :40])
    loud = 6.25**0.5 * (tifffile.imread("still.tif") - CLEAN) + CLEAN
    tifffile.imwrite("louder.tif", loud.astype(np.float32), imagej=True, metadata={"axes": "TYX"})
    Path("there.noise").write_text("precious")
    rng = np.random.default_rng(0)
    scene = np.stack([np.roll(CLEAN, 3 * k, 0) for k in range(12)])
    tifffile.imwrite("moving.tif", rng.poisson(scene).astype(np.uint16), imagej=True,
                     metadata={"axes": "TYX"})  # fmt: skip
    return bioreco


def test_what_can_t_be_calibrated_is_told_and_leaves_nothing(prepared):
    before = sorted(Path().iterdir())
    for words, text in REFUSED:
        said = prepared("calibrate", *words)
        assert said.status == 2, words
        assert text in said.err
        assert said.err.count("\n") <= 3
        assert said.out == ""
    assert sorted(Path().iterdir()) == before
    assert Path("there.noise").read_text() == "precious"
    fine(
        prepared("calibrate", "still.tif", "-o", "there.noise", "overwrite=true", "model=gaussian")
    )


def test_series_of_one_camera_make_one_model(bioreco):
    frames("still.tif")
    frames("part.tif", scene=CLEAN[:40, :48] + 50, seed=1)
    fine(bioreco("calibrate", "still.tif", "part.tif", "-o", "m.noise", "model=poisson_gaussian"))
    assert files.load(Path("m.noise")).gain == pytest.approx(GAIN, rel=0.1)
