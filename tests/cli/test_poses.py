"""Poses of particles on the command line: train, resume, score; refuse what makes no sense."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

mrcfile = pytest.importorskip("mrcfile")

DATA = ["data.particles=64", "data.box=16"]
QUICK = [
    "trainer.steps=2", "trainer.batch_size=8", "trainer.device=cpu", "method.encoder.channels=4",
    "method.decoder.hidden=8", "method.decoder.waves=4",
]  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


def runs() -> list[Path]:
    return sorted(Path().absolute().glob("outputs/*/*-train"))


def poses(run: Path) -> list[dict[str, str]]:
    with (run / "results" / "poses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_train_and_resume(bioreco):
    fine(bioreco("train", "method=spatial_vae", *DATA, *QUICK))
    (run,) = runs()
    found = json.loads((run / "metrics.json").read_text())
    assert (found["status"], found["data"], found["steps"]) == ("finished", "sprites", 2)
    keys = {"angle_correlation", "angle_error_degrees", "shift_error_pixels", "content_r2"}
    assert found["test"].keys() == found["conventions"].keys() == keys
    assert found["baselines"]["principal_axis"].keys() == {
        "angle_correlation",
        "angle_error_degrees",
    }
    rows = poses(run)
    assert len(rows) == 64
    assert {"particle", "rlnAnglePsi", "rlnOriginXAngst", "code_1", "code_2"} <= rows[0].keys()
    with mrcfile.open(run / "results" / "views.mrc") as file:
        assert file.data.shape == (16, 16, 16)
        assert file.is_image_stack()
        assert float(file.voxel_size.x) == pytest.approx(1.0)
    assert (run / "preview.png").exists()
    fine(bioreco("resume", str(run), "trainer.steps=4"))
    assert poses(run) != rows


def test_stopped_and_resumed_is_bitwise_the_same(bioreco):
    told = ["trainer.schedule=constant", "trainer.ema=0", "method.anneal=0", "baselines=[]"]
    fine(bioreco("train", "method=spatial_vae", *DATA, *QUICK, *told, "trainer.steps=3"))
    fine(bioreco("train", "method=spatial_vae", *DATA, *QUICK, *told))
    first, second = runs()
    fine(bioreco("resume", str(second), "trainer.steps=3"))
    assert poses(first) == poses(second)
    assert json.loads((second / "metrics.json").read_text())["baselines"] == {}


def test_files_of_sprites_keep_their_angles(bioreco):
    fine(bioreco("simulate", "data=sprites", *DATA, "output=made"))
    measured = ["data=cryoem", "data.paths=[made/particles.star]", "data.contrast=white"]
    fine(bioreco("train", "method=spatial_vae", *measured, *QUICK))
    (run,) = runs()
    found = json.loads((run / "metrics.json").read_text())
    assert {"angle_correlation", "shift_error_pixels"} <= found["test"].keys()


def test_particles_seen_from_everywhere_have_no_scores(bioreco):
    seen = ["data=cryoem", "data.box=16", "data.particles=40"]
    fine(bioreco("train", "method=spatial_vae", *seen, *QUICK))
    (run,) = runs()
    assert "test" not in json.loads((run / "metrics.json").read_text())
    assert np.isfinite([float(row["rlnAnglePsi"]) for row in poses(run)]).all()
    said = bioreco("train", "method=spatial_vae", *seen, *QUICK, "baselines=[principal_axis]")
    assert said.status == 2
    assert "weren't all seen from one direction" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=fmri"], "method=spatial_vae does not go with forward=sms_mri"),
        ([*DATA, "baselines=[axis]"], "baselines=axis: choose one of principal_axis"),
        ([*DATA, "method.latent=0"], "latent=0"),
    ],
)
def test_what_makes_no_sense_is_refused(bioreco, words, told):
    said = bioreco("train", "method=spatial_vae", *words)
    assert said.status == 2
    assert told in said.err
