"""Generators on the command line: particles, images, k-space; what makes no sense is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

mrcfile = pytest.importorskip("mrcfile")

QUICK = [
    "trainer.steps=2", "trainer.batch_size=4", "trainer.device=cpu", "method.critic.channels=2",
    "method.critic.blocks=2",
]  # fmt: skip
SPRITES = ["method=ambientgan", "data.particles=64", "data.box=16", "method.generator.channels=2"]


def fine(said):
    assert said.status == 0, said.err
    return said


def runs() -> list[Path]:
    return sorted(Path().absolute().glob("outputs/*/*-train"))


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("bioreco.cli.generated.COMPARED", 50)


def test_images_are_drawn_from_sprites_and_a_run_goes_on(bioreco):
    fine(bioreco("train", *SPRITES, *QUICK, "output.samples=9"))
    (run,) = runs()
    found = metrics(run)
    assert (found["status"], found["data"]) == ("finished", "blurred_sprites")
    assert found["forward"] == "gaussian_blur"
    assert found["test"].keys() == found["conventions"].keys() == {"sliced_wasserstein"}
    distance = {key: one["sliced_wasserstein"] for key, one in found["baselines"].items()}
    assert distance["clean"] < distance["input"]
    with mrcfile.open(run / "results" / "samples.mrc") as file:
        assert file.data.shape == (9, 16, 16)
        before = np.array(file.data)
    assert (run / "preview.png").exists()
    fine(bioreco("resume", str(run), "trainer.steps=4"))
    with mrcfile.open(run / "results" / "samples.mrc") as file:
        assert not np.array_equal(before, file.data)


def test_stopped_and_resumed_is_bitwise_the_same(bioreco):
    told = ["trainer.schedule=constant", "trainer.ema=0", "baselines=[]"]
    fine(bioreco("train", *SPRITES, *QUICK, *told, "trainer.steps=3"))
    fine(bioreco("train", *SPRITES, *QUICK, *told))
    first, second = runs()
    fine(bioreco("resume", str(second), "trainer.steps=3"))
    stacks = []
    for run in (first, second):
        with mrcfile.open(run / "results" / "samples.mrc") as file:
            stacks.append(np.array(file.data))
    assert np.array_equal(*stacks)


def test_images_are_drawn_from_blurred_ones(bioreco):
    words = ["data=deconvolution", "data.simulation.count=2", "data.simulation.size=48"]
    words += ["data.patch=16", "method.generator.channels=2", "baselines=[input,clean]"]
    fine(bioreco("train", "method=ambientgan", *words, *QUICK))
    (run,) = runs()
    assert metrics(run)["baselines"].keys() == {"input", "clean"}
    stack = tifffile.imread(run / "results" / "samples.tif")
    assert stack.shape == (64, 16, 16)
    assert np.isfinite(stack).all()


def test_kspace_is_reconstructed(bioreco):
    words = ["network.channels=2", "network.unrolls=1", "network.blocks=1", "data.slices=2"]
    fine(bioreco("train", "method=ambientgan_mri", *words, *QUICK, "trainer.batch_size=2"))
    (run,) = runs()
    found = metrics(run)
    assert found["status"] == "finished"
    assert {"psnr", "ssim"} <= found["test"].keys()


def test_images_are_drawn_from_lines(bioreco):
    fine(bioreco("train", *SPRITES, *QUICK, "data=projected_sprites", "output.samples=9"))
    (run,) = runs()
    found = metrics(run)
    assert (found["data"], found["forward"]) == ("projected_sprites", "lines")
    assert found["baselines"].keys() == {"input", "clean"}
    with mrcfile.open(run / "results" / "samples.mrc") as file:
        assert file.data.shape == (9, 16, 16)
    assert (run / "preview.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=projected_sprites", "baselines=[wiener]"], "choose one of input, clean"),
        (["data=projected_sprites", "forward=identity"], "these measurements are lines"),
        (["data=sprites", "forward=lines"], "these measurements are images"),
        (["data=synthetic", "data.size=64", "forward=lines"], "these measurements are images"),
        (["data=mri"], "method=ambientgan does not go with forward=mri"),
        (["data=blurred_sprites", "baselines=[noisy]"], "choose one of input, wiener, clean"),
        (["data=cryoem", "forward=identity", "baselines=[clean]"], "there are no clean images"),
    ],
)
def test_what_makes_no_sense_is_refused(bioreco, words, told):
    said = bioreco("train", "method=ambientgan", *words)
    assert said.status == 2
    assert told in said.err


def test_poses_of_images_are_refused(bioreco):
    said = bioreco("train", "method=spatial_vae", "data=synthetic")
    assert said.status == 2
    assert (
        "this method makes poses, for which it needs particles; these data are images" in said.err
    )
