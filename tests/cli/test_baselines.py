"""Filters that learn nothing, by the same commands, and beside a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from bioreco.data.formats import open_image

SMALL = ["data.count=1", "data.size=48", "trainer.device=cpu"]
QUICK = ["network.channels=2", "network.depth=1", "trainer.steps=2", "data.patch=16",
         "inference.augment=false"]  # fmt: skip
METHODS = ["gaussian", "median", "nlm", "wavelet", "tv"]


def only_run(command: str) -> Path:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def fine(said):
    assert said.status == 0, said.err
    return said


@pytest.mark.parametrize("method", METHODS)
def test_train_resume_and_infer(bioreco, method):
    said = fine(bioreco("train", f"method={method}", *SMALL))
    assert "hidden pixels" in said.out
    assert "is not trained" in said.out
    run = only_run("train")
    found = metrics(run)
    assert (found["status"], found["steps"], found["parameters"]) == ("finished", 0, 0)
    assert found["test"]["psnr"] > found["baselines"]["input"]["psnr"]
    result = run / "results" / "synthetic_0.tif"
    before = open_image(result).read()
    state = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    fine(bioreco("resume", str(run)))
    assert np.array_equal(open_image(result).read(), before)
    again = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    assert again["method"] == state["method"]
    y = np.random.default_rng(0).normal(30, 9, (40, 30)).astype(np.float32)
    tifffile.imwrite("new.tif", y)
    fine(bioreco("infer", f"run={run}", "new.tif", "device=cpu"))
    assert np.std(open_image("new_denoised.tif").read()) < y.std()


def test_a_file_is_denoised(bioreco):
    rng = np.random.default_rng(0)
    tifffile.imwrite("cells.tif", rng.poisson(4, (40, 36)).astype(np.uint16))
    fine(bioreco("denoise", "cells.tif", "method=gaussian", "method.sigma=2.0"))
    result = open_image("cells_denoised.tif")
    assert (result.shape, result.dtype) == ((40, 36), np.float32)
    assert result.read().std() < 0.5


def test_baselines_are_scored_beside_a_run_as_their_methods_are(bioreco):
    fine(bioreco("train", "method=n2v", *SMALL, *QUICK, "baselines=[gaussian,tv]"))
    run = only_run("train")
    found = metrics(run)
    assert list(found["baselines"]) == ["input", "gaussian", "tv"]
    assert all(scores.keys() == found["test"].keys() for scores in found["baselines"].values())
    assert open_image(run / "baselines" / "tv" / "synthetic_0.tif").shape == (48, 48)
    run.parent.rename("first")
    fine(bioreco("train", "method=tv", *SMALL))
    assert metrics(only_run("train"))["test"] == found["baselines"]["tv"]
    assert "(gaussian)" in fine(bioreco("compare", f"first/{run.name}")).out


def test_baselines_of_files_with_a_model_each(bioreco):
    rng = np.random.default_rng(0)
    for k in range(2):
        truth = np.add.outer(np.arange(32.0), np.arange(40.0)).astype(np.float32)
        tifffile.imwrite(f"clean{k}.tif", truth)
        tifffile.imwrite(f"{k}.tif", truth + 5 * rng.standard_normal(truth.shape).astype("f4"))
    fine(
        bioreco(
            "denoise",
            "0.tif",
            "1.tif",
            "-o",
            "out",
            "per_file=true",
            "method=gaussian",
            "baselines=median",
            "data.reference=[clean0.tif,clean1.tif]",
        )
    )
    run = only_run("denoise")
    assert {path.name for path in (run / "baselines" / "median").iterdir()} == {"0.tif", "1.tif"}
    assert list(metrics(run)["baselines"]) == ["input", "median"]


def refused(said, text: str):
    assert (said.status, said.err) == (2, f"bioreco train: {text}\n")
    assert not list(Path().glob("outputs/*/*"))


def test_unknown_baselines_are_told(bioreco, monkeypatch):
    from bioreco.cli import baselines

    known = {name: Path(name) for name in ("gaussian", "median")}
    monkeypatch.setattr(baselines, "known", lambda: known)
    refused(
        bioreco("train", *SMALL, "baselines=[medan]"),
        "baselines=medan: choose one of gaussian, median. Did you mean 'median'?",
    )
    monkeypatch.undo()
    assert {*METHODS, "bm3d"} <= set(baselines.known())
    assert "n2v" not in baselines.known()


def test_baselines_need_a_reference(bioreco):
    tifffile.imwrite("a.tif", np.random.default_rng(0).poisson(9, (32, 32)).astype(np.uint8))
    refused(
        bioreco("train", "data=files", "data.paths=[a.tif]", "baselines=[gaussian]"),
        "baselines=[gaussian]: they are scored against a clean reference, and there is none: say"
        " data.reference=[FILE,...]",
    )


def test_a_frame_too_large_to_be_filtered_whole_is_told(bioreco, monkeypatch):
    from bioreco.engine import memory

    monkeypatch.setattr(memory, "available", lambda: 1000.0)
    said = bioreco("train", "method=tv", *SMALL)
    assert said.status == 2
    assert said.err.startswith("bioreco train: a frame of 48 x 48 pixels and 1 channel(s) needs")
    assert not list(Path().glob("outputs/*/*"))
