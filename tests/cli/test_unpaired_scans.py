"""OT-cycleGAN on k-space by the usual commands: simulated others, and images of the user's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("h5py")
pytest.importorskip("nibabel")

QUICK = [
    "method=ot_cyclegan", "data=mri", "trainer.steps=2", "trainer.batch_size=1",
    "trainer.device=cpu", "network.channels=2", "network.depth=1", "method.critic.channels=2",
]  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


def only_run(command: str) -> tuple[Path, dict]:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run, json.loads((run / "metrics.json").read_text())


def test_train_and_infer(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fine(bioreco("train", *QUICK, "baselines=[zero_filled]"))
    run, found = only_run("train")
    assert (found["forward"], found["network"], found["steps"]) == ("mri", "unet", 2)
    assert found["test"]["psnr"] > 0
    assert {"residual_over_sigma", "cycle_residual", "empty_output"} <= found["test"].keys()
    assert list((run / "results" / "doubt").glob("*.nii"))
    fine(bioreco("simulate", "data=mri", "data.slices=2", "output=scans"))
    (scan,) = Path("scans").glob("*.h5")
    fine(bioreco("infer", f"run={run}", str(scan)))
    assert only_run("infer")[1]["status"] == "finished"


def test_sharp_images_of_a_folder_and_the_same_masks(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("others").mkdir()
    image = np.zeros((128, 128), np.float32)
    image[40:90, 30:100] = 7
    np.save("others/a.npy", image)
    own = ["data.sharp=others", "data.subsampling=deterministic", "baselines=[]"]
    fine(bioreco("train", *QUICK, *own))
    assert only_run("train")[1]["status"] == "finished"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.zeros((128, 128), np.float32), "all pixels of the sharp images are alike"),
        (np.eye(64, dtype=np.float32), "64 x 64 pixels, but the scans are 128 x 128"),
    ],
)
def test_sharp_images_that_do_not_fit_are_told(bioreco, tmp_path, monkeypatch, values, told):
    monkeypatch.chdir(tmp_path)
    np.save("other.npy", values)
    said = bioreco("train", *QUICK, "data.sharp=other.npy")
    assert said.status == 2
    assert told in said.err


def test_a_wrong_subsampling_is_told(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = bioreco("train", *QUICK, "data.subsampling=random")
    assert said.status == 2
    assert "data.subsampling=random: choose from stochastic, deterministic." in said.err
