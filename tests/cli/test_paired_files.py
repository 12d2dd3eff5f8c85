"""Pairs of files from the command line: halves of tomograms, frames of a series, references."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from bioreco.data.formats import open_image
from bioreco.data.synthetic import scene

QUICK = [
    "network.channels=2", "network.depth=1", "trainer.steps=2", "trainer.device=cpu",
    "data.patch=16", "inference.augment=false", "trainer.batch_size=2",
]  # fmt: skip
INFER = ["device=cpu", "inference.augment=false"]
VOLUME = (10, 40, 48)


def halves(*names: str, shape=VOLUME, seed: int = 0, noise=25, add=0, move=0):
    """Write noisy halves of a tomogram or an image, with voxels of 13.5 Angstrom."""
    import mrcfile

    rng = np.random.default_rng(seed)
    truth = 50 * scene(shape, rng).astype(np.float32)
    for k, name in enumerate(names):
        values = np.roll(truth, k * move, -2) + noise * rng.standard_normal(shape) + k * add
        Path(name).parent.mkdir(exist_ok=True)
        with mrcfile.new(name, values.astype(np.float32), overwrite=True) as file:
            file.voxel_size = 13.5
            if len(shape) == 3:
                file.set_volume()
    return truth


def only_run(command: str) -> Path:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run


def fine(said):
    assert said.status == 0, said.err
    return said


def refused(said, text: str):
    assert said.status == 2
    assert said.err.startswith(text)
    assert len(said.err.splitlines()) == 1
    assert not list(Path().glob("outputs/*/*"))
    assert not list(Path().rglob("*_denoised*"))


def read(name: str) -> np.ndarray:
    return open_image(name).read().astype(np.float64)


# Seen: error 25 of one half, 17.8 of their mean, 5.3 of the result.
def test_a_tomogram_is_denoised_with_its_halves_and_keeps_its_voxels(bioreco):
    truth = halves("tomo_EVN.mrc", "tomo_ODD.mrc")
    steps = ["trainer.steps=50", "network.channels=4", "data.patch=32", "trainer.ema=0.9"]
    said = fine(
        bioreco("denoise", "tomo_EVN.mrc", "data.pairs=[tomo_ODD.mrc]", "method=n2n",
                "-o", "clean.mrc", *QUICK, *steps)
    )  # fmt: skip
    assert "tomo_EVN.mrc is paired with tomo_ODD.mrc" in said.out
    result = open_image("clean.mrc")
    assert (result.axes, result.shape) == ("ZYX", VOLUME)
    assert dict(result.spacing) == pytest.approx({"Z": 13.5, "Y": 13.5, "X": 13.5})
    error, mean = (
        float(np.sqrt(np.mean((v - truth) ** 2)))
        for v in (read("clean.mrc"), (read("tomo_EVN.mrc") + read("tomo_ODD.mrc")) / 2)
    )
    assert error < 0.65 * mean
    state = torch.load(only_run("denoise") / "checkpoints/best.pt", weights_only=True)
    assert state["shape"]["dims"] == 3


def test_a_run_is_applied_to_pairs_or_aloud_to_one_alone(bioreco):
    halves("even/p.mrc", "odd/p.mrc", shape=(40, 48))
    halves("even/q.mrc", "odd/q.mrc", shape=(40, 48), seed=1)
    fine(bioreco("denoise", "even/p.mrc", "data.pairs=odd/p.mrc", "method=n2n", "-o", "p.mrc",
                 *QUICK))  # fmt: skip
    run = f"run={only_run('denoise')}"
    fine(bioreco("infer", run, "even/", "pairs=[odd/]", "-o", "both/", *INFER))
    assert np.array_equal(read("both/p_denoised.mrc"), read("p.mrc"))
    for half in ("even", "odd"):
        said = fine(bioreco("infer", run, f"{half}/q.mrc", "-o", f"{half}.mrc", *INFER))
        assert "Noise2Noise is applied to each image alone" in said.out
    mean = (read("even.mrc") + read("odd.mrc")) / 2
    np.testing.assert_allclose(read("both/q_denoised.mrc"), mean, atol=1e-3)
    more = ["trainer.device=cpu", "inference.augment=false", "-o", "again.mrc"]
    fine(bioreco("denoise", "even/q.mrc", run, "data.pairs=[odd/q.mrc]", *more))
    assert np.array_equal(read("again.mrc"), read("both/q_denoised.mrc"))
    said = bioreco("infer", run, "even/p.mrc", "pairs=[odd/q.mrc]", *INFER)
    assert (said.status, len(said.err.splitlines())) == (2, 1)
    assert "even/p.mrc has no partner among the pairs" in said.err
    said = bioreco("infer", run, "even/p.mrc", "pairs=[odd/p.mrc]", "-o", "odd/p.mrc",
                   "overwrite=true", *INFER)  # fmt: skip
    assert said.err == "bioreco infer: odd/p.mrc is an input, and inputs are never changed.\n"


def test_each_file_may_have_its_own_model(bioreco):
    for seed, name in enumerate("ab"):
        halves(f"{name}_1.mrc", f"{name}_2.mrc", shape=(40, 48), seed=seed)
    fine(bioreco("denoise", "a_1.mrc", "b_1.mrc", "data.pairs=[b_2.mrc,a_2.mrc]", "method=n2n",
                 "per_file=true", *QUICK))  # fmt: skip
    assert {"a_1_denoised.mrc", "b_1_denoised.mrc"} <= {path.name for path in Path().iterdir()}
    assert "a_1.mrc is paired with a_2.mrc" in (only_run("denoise") / "bioreco.log").read_text()


def test_frames_of_a_series_are_pairs(bioreco):
    rng = np.random.default_rng(0)
    truth = 100 * scene((40, 48), rng)
    values = (truth + 20 * rng.standard_normal((5, 40, 48))).astype(np.float32)
    tifffile.imwrite("t.tif", values, imagej=True, metadata={"axes": "TYX", "finterval": 0.5})
    said = fine(bioreco("denoise", "t.tif", "data.pairs=frames", "method=n2n", *QUICK))
    assert "t.tif: frame 0 is paired with 1" in said.out
    result = open_image("t_denoised.tif")
    assert (result.axes, result.shape, result.spacing["T"]) == ("TYX", values.shape, 0.5)
    assert len({frame.tobytes() for frame in result.read()}) == 5


@pytest.mark.parametrize("channels", ["independent", "joint"])
def test_channels_are_paired_too(bioreco, channels):
    rng = np.random.default_rng(0)
    truth = np.stack([100 * scene((40, 48), rng), 700 * scene((40, 48), rng)])
    for name in ("c_a.tif", "c_b.tif"):
        values = (truth + 10 * rng.standard_normal(truth.shape)).astype(np.float32)
        tifffile.imwrite(name, values, imagej=True, metadata={"axes": "CYX"})
    fine(bioreco("denoise", "c_a.tif", "data.pairs=[c_b.tif]", "method=n2n",
                 f"data.channels={channels}", *QUICK))  # fmt: skip
    found = open_image("c_a_denoised.tif").read().mean((1, 2))
    assert found[1] > 4 * found[0]


@pytest.mark.parametrize("method", ["n2n", "supervised"])
@pytest.mark.parametrize("slices", [1, 8])
def test_simulated_data_need_no_path(bioreco, method, slices):
    line = ["data.count=1", "data.size=48", f"data.slices={slices}", *QUICK]
    said = fine(bioreco("train", f"method={method}", "data=synthetic", *line))
    found = json.loads((only_run("train") / "metrics.json").read_text())
    assert {"psnr", "ssim"} <= found["test"].keys()
    transductive = method == "supervised"
    assert ("transductive" in said.out + said.err) == transductive
    assert found["conventions"].get("test", "").startswith("transductive") == transductive
    rows = (only_run("train") / "metrics.csv").read_text()
    assert ("val/noise_floor" in rows) == (method == "n2n")


def test_references_are_learnt_from_and_the_run_applied_to_others(bioreco):
    halves("a.mrc", "a_clean.mrc", shape=(40, 48))
    halves("b.mrc", shape=(40, 48), seed=1)
    said = fine(bioreco("denoise", "a.mrc", "data.reference=[a_clean.mrc]", "method=supervised",
                        *QUICK))  # fmt: skip
    assert "transductive" in said.err + said.out
    fine(bioreco("infer", f"run={only_run('denoise')}", "b.mrc", *INFER))
    assert open_image("b_denoised.mrc").shape == (40, 48)


def test_pairs_that_a_method_has_no_use_for_are_told(bioreco):
    halves("a_1.mrc", "a_2.mrc", shape=(40, 48))
    said = fine(bioreco("denoise", "a_1.mrc", "data.pairs=[a_2.mrc]", "method=n2v", *QUICK))
    assert "Noise2Void has no use for data.pairs." in said.out
    run = f"run={only_run('denoise')}"
    said = bioreco("infer", run, "a_1.mrc", "pairs=[a_2.mrc]", "-o", "x.mrc", *INFER)
    assert said.err == "bioreco infer: Noise2Void has no use for pairs: leave them out\n"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "this method learns from pairs of measurements: say data.pairs=[FILE,...] (there is"
             " none for a_1.mrc)"),
        (["data.pairs=[b_2.mrc]"], "a_1.mrc has no partner among the pairs: partners are called"),
        (["data.pairs=[a_1.mrc]"], "the pairs are the images themselves"),
        (["data.pairs=[a_0.mrc,a_2.mrc]"], "a_1.mrc could be paired with a_0.mrc or a_2.mrc"),
        (["data.pairs=[nowhere.mrc]"], "There is no file nowhere.mrc."),
        (["data.pairs=[c/a_1.mrc]"], "a_1.mrc is 40 x 48 (YX), its pair a_1.mrc 40 x 40 (YX)"),
        (["data.pairs=[d/a_2.mrc]"], "a_1.mrc and a_2.mrc differ in brightness: mean"),
        (["data.pairs=[e/a_2.mrc]"], "a_1.mrc and a_2.mrc are shifted by 4.1, -0.1 pixels (y, x)"),
        (["data.pairs=[f/a_2.mrc]"], "a_1.mrc and a_2.mrc hold the same pixels"),
        (["data.pairs=frames"], "a_1.mrc has axes YX and is no series of frames"),
        (["data.pairs=3"], "data.pairs=3 is not"),
        (["method=supervised"], "this method learns from clean references: say"
                                " data.reference=[FILE,...] (there is none for a_1.mrc)"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_pair_is_refused_and_leaves_nothing(bioreco, more, text):
    shape = (40, 48)
    halves("a_1.mrc", "a_2.mrc", "a_0.mrc", shape=shape, noise=3)
    halves("x.mrc", "b_2.mrc", shape=shape, seed=1)
    halves("x.mrc", "c/a_1.mrc", shape=(40, 40))
    halves("x.mrc", "d/a_2.mrc", shape=shape, noise=3, add=60)
    halves("x.mrc", "e/a_2.mrc", shape=shape, noise=3, move=4)
    Path("f").mkdir()
    Path("f/a_2.mrc").write_bytes(Path("a_1.mrc").read_bytes())
    said = bioreco("denoise", "a_1.mrc", "method=n2n", *more, *QUICK)
    refused(said, f"bioreco denoise: {text}")
