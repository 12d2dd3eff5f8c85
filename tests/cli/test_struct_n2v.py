"""Noise with a direction, from the file to the denoised file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from bioreco.cli.assembly import keep, restore

QUICK = [
    "method=struct_n2v", "network.channels=2", "network.depth=1", "trainer.steps=2",
    "trainer.device=cpu", "trainer.batch_size=2",
]  # fmt: skip


@pytest.fixture
def striped(tmp_path, monkeypatch) -> Path:
    """Return an image whose noise is shared along x."""
    monkeypatch.chdir(tmp_path)
    noise = ndimage.uniform_filter1d(np.random.default_rng(0).normal(size=(96, 96)), 5, axis=1)
    tifffile.imwrite("striped.tif", (100 + 30 * noise).astype(np.float32))
    return tmp_path / "striped.tif"


def test_the_mask_is_found_patches_are_turned_less_and_both_are_kept(bioreco, striped):
    said = bioreco("denoise", "striped.tif", "-o", "clean.tif", *QUICK, "hydra.run.dir=run")
    assert said.status == 0, said.err
    assert "along X" in said.err + said.out
    assert "patches are turned less: data.augment=mirror instead of turn" in said.err + said.out
    trained = restore(keep(Path("run")))
    assert trained.shape.augment == "mirror"
    assert trained.method.shape.shape[0] == 1
    assert trained.method.shape.shape[1] >= 7
    again = bioreco("infer", "run=run", "striped.tif", "-o", "again.tif", "device=cpu")
    assert again.status == 0, again.err
    assert np.array_equal(tifffile.imread("clean.tif"), tifffile.imread("again.tif"))


def test_a_user_who_wants_no_turns_at_all_gets_none(bioreco, striped):
    said = bioreco("denoise", "striped.tif", *QUICK, "data.augment=none", "hydra.run.dir=run")
    assert said.status == 0, said.err
    assert "turned less" not in said.err + said.out
    assert restore(keep(Path("run"))).shape.augment == "none"


def test_a_mask_wider_than_a_patch_is_refused_before_anything_is_written(bioreco, striped):
    wide = ["method.mask=horizontal", "method.extent=20", "data.patch=32"]
    said = bioreco("denoise", "striped.tif", *QUICK, *wide)
    assert said.status == 2
    assert said.err.endswith(
        "method.mask is 1 x 41 pixels, which does not fit patches of 32 x 32: lower method.extent,"
        " or raise data.patch\n"
    )
    assert not list(Path().glob("outputs/*/*"))
    assert not Path("striped_denoised.tif").exists()


def test_rows_of_a_mask_can_be_typed(bioreco, striped):
    said = bioreco("denoise", "striped.tif", *QUICK, "method.mask=[[0,1,1]]", "hydra.run.dir=run")
    assert said.status == 0, said.err
    assert restore(keep(Path("run"))).method.shape.tolist() == [[False, True, True]]
    assert json.loads(Path("run/metrics.json").read_text())["status"] == "finished"


def test_n2v2_brings_its_network_and_the_user_may_still_change_it(bioreco, striped):
    said = bioreco("denoise", "striped.tif", *QUICK[1:], "method=n2v2", "hydra.run.dir=run")
    assert said.status == 0, said.err
    network = restore(keep(Path("run"))).method.network
    assert not network.top_skip
    assert network.pool.__class__.__name__ == "BlurPool"
    said = bioreco(
        "denoise", "striped.tif", *QUICK[1:], "method=n2v2", "network.top_skip=true",
        "hydra.run.dir=other", "overwrite=true",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert restore(keep(Path("other"))).method.network.top_skip
