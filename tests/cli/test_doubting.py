"""Maps of doubt: what was planted into a result shows, what was measured doesn't."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from bioreco.cli import doubting
from bioreco.data.normalisation import Normalisation
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime
from bioreco.methods.ot_cyclegan import OTCycleGAN
from bioreco.networks.critic import Critic
from bioreco.networks.planar import Planar
from bioreco.networks.unet import UNet
from bioreco.operators.blur import Blur

SMALL = ["data.simulation.count=2", "data.simulation.size=48", "data.patch=16",
         "network.channels=2", "network.depth=1", "trainer.steps=2", "trainer.device=cpu",
         "baselines=[]"]  # fmt: skip


def predictor(network, dims: int = 2) -> Predictor:
    model = Blur(dims, None, None, psf="gaussian", sigma=1.5)

    def critic(inputs: int) -> Critic:
        return Critic(inputs=inputs, channels=2, blocks=2, hidden=4)

    method = OTCycleGAN(network, model, dims, 1, critic)
    scale = Normalisation(np.zeros(1, np.float32), np.ones(1, np.float32))
    options = {"inference": Inference(), "allowed": "turn", "joint": False}
    return Predictor(method, scale, Runtime("cpu", "32-true"), **options)


def test_what_is_planted_into_a_result_shows_in_the_residual():
    torch.manual_seed(0)
    made = predictor(UNet(1, 1, 2, channels=2, depth=1))
    rng = np.random.default_rng(0)
    truth = np.zeros((1, 64, 64), np.float32)
    truth[0, 20, 20] = 300
    H = made.method.forward_model.operator()
    clean = H(torch.from_numpy(truth)[:, None])[:, 0].numpy()
    y = clean + rng.standard_normal(clean.shape).astype(np.float32)
    planted = truth.copy()
    planted[0, 44, 40] += 60

    def one(level):
        return np.ones_like(level)

    honest = doubting.maps(made, y, truth, one)["residual"]
    false = doubting.maps(made, y, planted, one)["residual"]
    assert honest.std() == pytest.approx(1, abs=0.15)
    assert abs(honest).max() < 5
    assert np.unravel_index(false.argmax(), false.shape) == (0, 44, 40)
    assert false.max() > 8
    lost = doubting.maps(made, y, np.zeros_like(truth), one)["residual"]
    assert lost.min() < -8


def test_axes_disagree_where_networks_differ():
    torch.manual_seed(0)
    y = np.random.default_rng(0).standard_normal((1, 8, 16, 16)).astype(np.float32)
    alike = Planar(1, 1, 3, planes=("xy",), channels=2, depth=1)
    assert doubting.maps(predictor(alike, 3), y, y, None)["axes"].max() == 0
    three = Planar(1, 1, 3, channels=2, depth=1)
    found = doubting.maps(predictor(three, 3), y, y, None)["axes"]
    views = torch.stack(three.views(torch.from_numpy(y)[None])).std(0, correction=0)
    assert np.allclose(found, views[0].detach().numpy(), atol=1e-5)


def test_runs_write_maps_and_compare_with_others(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bioreco("train", "method=ot_cyclegan", *SMALL).status == 0
    (first,) = Path().absolute().glob("outputs/*/*-train")
    said = bioreco("train", "method=ot_cyclegan", *SMALL, "seed=1", f"output.runs=[{first}]")
    assert said.status == 0, said.err
    (run,) = set(Path().absolute().glob("outputs/*/*-train")) - {first}
    found = json.loads((run / "metrics.json").read_text())
    assert {"doubted", "cycle_doubt", "axes_doubt", "runs_doubt"} <= found["test"].keys()
    assert found["test"]["runs_doubt"] > 0
    assert found["conventions"].keys() >= {"doubted", "runs_doubt"}
    maps = [tifffile.imread(path) for path in sorted((run / "results" / "doubt").iterdir())]
    assert [one.shape for one in maps] == [(4, 48, 48)] * 2
    assert tifffile.imread(next((first / "results" / "doubt").iterdir())).shape == (3, 48, 48)
    result = next((run / "results").glob("*.tif"))
    said = bioreco("infer", f"run={run}", str(result), "-o", "again.tif", "output.doubt=true")
    assert said.status == 0, said.err
    assert tifffile.imread("again_doubt.tif").shape == (3, 48, 48)


def test_a_wrong_word_is_told(bioreco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = bioreco("train", "method=ot_cyclegan", *SMALL, "output.doubt=maybe")
    assert said.status == 2
    assert "output.doubt=maybe: choose one of auto, true, false." in said.err
    said = bioreco("train", "method=ot_cyclegan", *SMALL, "output.runs=[nowhere]")
    assert said.status == 2
    assert "nowhere: there is no such run or checkpoint" in said.err
