"""Runs are scored, ranked and chosen without a truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy import ndimage

from bioreco.cli.scored import Found, scored, words
from bioreco.data.synthetic import scene

QUICK = [
    "network.channels=4", "network.depth=1", "trainer.device=cpu", "data.patch=32",
    "inference.augment=false", "trainer.batch_size=2", "trainer.validate_every=4",
    "trainer.checkpoint_every=3",
]  # fmt: skip


def saved(name: str, *, blur: float = 0.0) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((96, 96))
    if blur:
        noise = ndimage.gaussian_filter(noise, blur)
        noise /= noise.std()
    truth = 200 * scene((96, 96), rng)
    tifffile.imwrite(name, (truth + 15 * noise).astype(np.float32))


def metrics(run: str) -> dict:
    return json.loads((Path(run) / "metrics.json").read_text())


def test_a_run_without_a_truth_is_scored_told_and_ranked(bioreco):
    saved("cells.tif")
    for name, steps in (("short", 2), ("long", 30)):
        said = bioreco(
            "denoise", "cells.tif", "overwrite=true", *QUICK, f"trainer.steps={steps}",
            f"hydra.run.dir={name}",
        )  # fmt: skip
        assert said.status == 0, said.err
    assert "Held-out score " in said.out + said.err
    assert "estimated PSNR without a truth" in said.out + said.err
    score = metrics("long")["score"]
    assert {"heldout_error", "heldout_error_se", "psnr_heldout", "residual_over_sigma"} <= set(
        score
    )
    assert score["heldout_error"] < metrics("short")["score"]["heldout_error"]
    assert "psnr_heldout" in metrics("long")["conventions"]

    said = bioreco("compare", "short", "long")
    assert said.status == 0, said.err
    table = said.out.splitlines()
    assert table[0].split()[-3:-1] == ["psnr_heldout", "heldout_error"]
    assert table[1].split()[0] == "30"
    assert "entries without a psnr are ranked by heldout_error, the least first" in said.out

    said = bioreco("evaluate", "run=long")
    assert f"psnr_heldout {score['psnr_heldout']:26.2f}"[:12] in said.out
    assert "data range = max - min of the measurement averaged over" in said.out


def test_a_run_of_before_is_scored_when_asked_from_anywhere(bioreco, monkeypatch, tmp_path):
    saved("cells.tif")
    assert bioreco("train", "data=files", "data.paths=[cells.tif]", *QUICK, "trainer.steps=3",
                   "hydra.run.dir=run").status == 0  # fmt: skip
    known = metrics("run")
    score = known.pop("score")
    (Path("run") / "metrics.json").write_text(json.dumps(known))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    said = bioreco("evaluate", "run=../run", "-o", "scores.json")
    assert said.status == 0, said.err
    (found,) = json.loads(Path("scores.json").read_text())["scores"]
    assert found["score"] == pytest.approx(score, rel=1e-4)
    (tmp_path / "cells.tif").unlink()
    said = bioreco("evaluate", "run=../run")
    assert said.status == 0
    assert "no score without a truth: " in said.out


def test_noise_that_allows_no_score_is_told_and_never_zero(bioreco):
    saved("cells.tif", blur=0.8)
    said = bioreco("denoise", "cells.tif", *QUICK, "trainer.steps=2", "trainer.select=heldout",
                   "hydra.run.dir=run")  # fmt: skip
    assert said.status == 0, said.err
    reason = metrics("run")["score"]["absent"]
    assert reason.startswith(("neighbouring pixels share noise", "the noise could not"))
    assert set(metrics("run")["score"]) == {"absent"}
    assert f"No score without a truth: {reason}." in said.out + said.err
    assert "after the last step" in metrics("run")["selection"]
    assert f"no score without a truth: {reason}" in bioreco("evaluate", "run=run").out


def test_weights_chosen_by_the_score_survive_a_stop_bit_for_bit(bioreco):
    choose = ["data.count=1", "data.size=64", *QUICK, "trainer.select=heldout"]
    assert bioreco("train", *choose, "trainer.steps=12", "trainer.schedule=constant",
                   "hydra.run.dir=straight").status == 0  # fmt: skip
    assert bioreco("train", *choose, "trainer.steps=8", "trainer.schedule=constant",
                   "hydra.run.dir=stopped").status == 0  # fmt: skip
    assert bioreco("resume", "stopped", "trainer.steps=12").status == 0
    one, two = (
        torch.load(f"{run}/checkpoints/last.pt", weights_only=True)
        for run in ("straight", "stopped")
    )
    assert one["choice"]["looks"] == two["choice"]["looks"] == 3
    assert one["choice"]["error"] == two["choice"]["error"]
    for key, value in one["choice"]["weights"].items():
        assert torch.equal(value, two["choice"]["weights"][key])
    assert metrics("straight")["selection"] == metrics("stopped")["selection"]
    assert metrics("straight")["score"] == metrics("stopped")["score"]
    shutil.rmtree("straight")


def test_an_impossible_error_is_no_score(caplog):
    found = scored([Found([{"heldout_error": -1.25, "heldout_error_se": 0.01}])], {})
    assert found == {
        "score": {
            "absent": "an error of -125 % of the noise variance can't be, so the noise isn't as"
            " estimated where this method relies on it"
        }
    }
    assert "-125 %" in caplog.text


def test_several_models_are_averaged_and_reasons_kept():
    one = {"heldout_error": 0.1, "heldout_error_se": 0.02, "psnr_heldout": 30.0}
    two = {"heldout_error": -0.02, "heldout_error_se": 0.02}
    found = scored([Found([one]), Found([two]), Found(absent="why")], {"conventions": {"a": "b"}})
    assert found["score"] == pytest.approx(
        {"heldout_error": 0.04, "heldout_error_se": 0.02 / 2**0.5}
    )
    assert set(found["conventions"]) == {"a", "heldout_error"}
    assert scored([Found(absent="why")], {}) == {"score": {"absent": "why"}}
    assert words(one) == (
        "Held-out score 30.0 dB (estimated PSNR without a truth; 10 % of the noise variance is"
        " left as error)."
    )
    assert words(two).endswith("-2 % of the noise variance is left as error, too little to state"
                               " as a PSNR.")  # fmt: skip
