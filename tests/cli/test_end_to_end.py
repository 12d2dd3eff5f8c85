"""From files to denoised files, as a user would do it, with small networks and few steps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from bioreco.data.formats import open_image

QUICK = [
    "network.channels=2", "network.depth=1", "trainer.steps=2", "trainer.device=cpu",
    "data.patch=16", "inference.augment=false", "trainer.batch_size=2",
]  # fmt: skip
INFER = ["device=cpu", "inference.augment=false"]


def picture(*shape: int, seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 20, shape) + 60 * np.sin(np.arange(shape[-1]) / 3)
    return values.clip(0, 255).astype(dtype)


def saved(name: str, *shape: int, seed: int = 0, dtype: str = "uint16", **more) -> np.ndarray:
    values = picture(*shape, seed=seed, dtype=dtype)
    tifffile.imwrite(name, values, **more)
    return values


def only_run(command: str) -> Path:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def fine(said):
    assert said.status == 0, said.err
    return said


def refused(said, text: str):
    """Check the literal message; nothing may be left but what was there."""
    assert said.status == 2
    assert said.err == f"{text}\n"
    assert not list(Path().glob("outputs/*/*"))
    assert not list(Path().rglob("*_denoised*"))


SYNTHETIC = ["data.count=1", "data.size=48", *QUICK]


def test_train_resume_infer_evaluate(bioreco):
    fine(bioreco("train", *SYNTHETIC))
    run = only_run("train")
    assert {
        "bioreco.log", "checkpoints", "metrics.csv", "metrics.json", "preview.png", "results",
        "tensorboard", ".hydra",
    } == {path.name for path in run.iterdir()}  # fmt: skip
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"last.pt", "best.pt"}
    assert {p.name for p in (run / "results").iterdir()} == {"synthetic_0.tif"}
    found = metrics(run)
    assert found["status"] == "finished"
    assert (found["command"], found["method"], found["steps"]) == ("train", "n2v", 2)
    assert {"psnr", "ssim"} <= found["test"].keys() & found["baselines"]["input"].keys()
    assert [row["step"] for row in rows(run)] == ["2"]

    fine(bioreco("resume", str(run), "trainer.steps=4"))
    assert metrics(run)["steps"] == 4
    assert [row["step"] for row in rows(run)] == ["2", "4"]

    saved("new.tif", 40, 30)
    fine(bioreco("infer", f"run={run}", "new.tif", *INFER))
    assert open_image("new_denoised.tif").shape == (40, 30)
    inferred = metrics(only_run("infer"))
    assert (inferred["status"], inferred["steps"]) == ("finished", 4)
    assert (only_run("infer") / "preview.png").exists()

    said = fine(bioreco("evaluate", "new_denoised.tif", "reference=new.tif"))
    assert "psnr" in said.out.lower()
    assert "psnr" in fine(bioreco("evaluate", f"run={run}")).out.lower()


def test_stopped_and_resumed_is_straight_bit_for_bit(bioreco, monkeypatch):
    line = ["train", *SYNTHETIC, "trainer.steps=6", "trainer.checkpoint_every=1"]
    fine(bioreco(*line))
    straight = only_run("train")
    straight.parent.rename("straight")

    from bioreco.data.patches import Patches

    get, seen = Patches.__getitem__, []

    def interrupted(self, draw):
        seen.append(draw)
        if len(seen) == 7:  # in the fourth step
            raise KeyboardInterrupt
        return get(self, draw)

    with monkeypatch.context() as patched:
        patched.setattr(Patches, "__getitem__", interrupted)
        said = bioreco(*line)
    assert said.status == 130
    run = only_run("train")
    assert said.err.startswith("interrupted. Go on with: bioreco resume ")
    assert metrics(run)["status"] == "interrupted"
    fine(bioreco("resume", str(run)))
    other = Path("straight") / straight.name
    one, two = (torch.load(r / "checkpoints/best.pt", weights_only=True) for r in (run, other))
    assert all(torch.equal(v, two["method"][k]) for k, v in one["method"].items())
    for name in ("synthetic_0.tif",):
        a, b = (open_image(r / "results" / name).read() for r in (run, other))
        assert np.array_equal(a, b)


def test_a_sweep_makes_a_run_of_each_combination(bioreco):
    said = fine(bioreco("train", "-m", "method=n2v,n2s", *SYNTHETIC))
    assert "Launching 2 jobs" in said.out
    (sweep,) = Path().glob("outputs/sweeps/*/*")
    assert [metrics(sweep / n)["method"] for n in "01"] == ["n2v", "n2s"]
    assert {metrics(sweep / n)["status"] for n in "01"} == {"finished"}
    assert "n2s" in fine(bioreco("compare", str(sweep))).out


# --- denoise


@pytest.mark.parametrize("method", ["n2v", "n2s"])
def test_a_file_of_any_name_is_denoised_beside_itself(bioreco, method):
    name = "it's=odd, [1] ü.tif"
    values = picture(1, 3, 2, 24, 20)
    tifffile.imwrite(
        name, values, imagej=True, resolution=(4.0, 4.0),
        metadata={"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0},
    )  # fmt: skip
    said = fine(bioreco("denoise", name, f"method={method}", *QUICK))
    source, result = open_image(name), open_image("it's=odd, [1] ü_denoised.tif")
    assert (result.axes, result.shape) == (source.axes, source.shape)
    assert dict(result.spacing) == pytest.approx(dict(source.spacing))
    assert result.spacing["X"] == pytest.approx(0.25)
    assert dict(result.units) == dict(source.units)
    assert result.dtype == np.float32
    assert np.isfinite(result.read()).all()
    run = only_run("denoise")
    assert (run / "preview.png").stat().st_size > 1000
    assert metrics(run)["status"] == "finished"
    assert "Trained for 2 steps" in said.out
    assert "Wrote" in said.out
    assert "noise" in said.out
    assert np.array_equal(tifffile.imread(name).reshape(values.shape), values)


def test_the_same_seed_gives_the_same_bytes(bioreco):
    saved("a.tif", 32, 32)
    for seed, name in ((1, "one.tif"), (1, "two.tif"), (2, "three.tif")):
        fine(bioreco("denoise", "a.tif", "-o", name, f"seed={seed}", *QUICK))
    one, two, three = (Path(n).read_bytes() for n in ("one.tif", "two.tif", "three.tif"))
    assert one == two
    assert one != three


def test_an_existing_result_is_refused_before_any_training(bioreco, monkeypatch):
    from bioreco.engine import fit

    saved("a.tif", 32, 32)
    Path("a_denoised.tif").write_bytes(b"precious")
    monkeypatch.setattr(fit, "Training", None)
    said = bioreco("denoise", "a.tif", *QUICK)
    assert said.status == 2
    assert said.err == (
        f"bioreco denoise: {Path.cwd()}/a_denoised.tif exists already;"
        " say overwrite=true to replace it.\n"
    )
    assert Path("a_denoised.tif").read_bytes() == b"precious"
    assert not list(Path().glob("outputs/*/*"))
    monkeypatch.undo()


def test_an_existing_result_is_replaced_when_asked(bioreco):
    saved("a.tif", 32, 32)
    Path("a_denoised.tif").write_bytes(b"old")
    fine(bioreco("denoise", "a.tif", "overwrite=true", *QUICK))
    assert open_image("a_denoised.tif").shape == (32, 32)


@pytest.mark.parametrize("per_file", ["false", "true"])
def test_several_files_share_a_model_or_have_one_each(bioreco, per_file):
    for number in range(2):
        saved(f"{number}.tif", 24 + number, 30, seed=number)
    fine(bioreco("denoise", "0.tif", "1.tif", "-o", "out", f"per_file={per_file}", *QUICK))
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "0_denoised.tif", "1_denoised.tif",
    ]  # fmt: skip
    run = only_run("denoise")
    if per_file == "true":
        assert metrics(run)["steps"] == 4
        weights = [
            torch.load(run / "files" / n / "checkpoints/best.pt", weights_only=True)
            for n in ("000", "001")
        ]
        assert weights[0]["normalisation"] != weights[1]["normalisation"]
    else:
        assert metrics(run)["steps"] == 2
        assert (run / "checkpoints" / "best.pt").exists()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_the_type_of_the_input_can_be_kept(bioreco, dtype):
    saved("a.tif", 32, 32, dtype=dtype)
    fine(bioreco("denoise", "a.tif", "output.dtype=same", *QUICK))
    assert open_image("a_denoised.tif").dtype == dtype


def test_a_run_or_a_checkpoint_is_applied_without_training(bioreco, monkeypatch):
    saved("a.tif", 32, 32)
    saved("b.tif", 40, 24, seed=1)
    fine(bioreco("denoise", "a.tif", *QUICK))
    run = only_run("denoise")
    again = ["inference.augment=false", "trainer.device=cpu", "overwrite=true"]
    fine(bioreco("denoise", "a.tif", f"run={run}", "-o", "again.tif", *again))
    assert np.array_equal(open_image("again.tif").read(), open_image("a_denoised.tif").read())
    fine(bioreco("denoise", "b.tif", f"run={run}", "-o", "b1.tif", *again))
    best, last = (run / "checkpoints" / name for name in ("best.pt", "last.pt"))
    fine(bioreco("denoise", "b.tif", f"checkpoint={best}", "-o", "b2.tif", *again))
    fine(bioreco("denoise", "b.tif", f"checkpoint={last}", "-o", "b3.tif", *again))
    fine(bioreco("infer", f"run={run}", "b.tif", "-o", "b4.tif", *INFER))
    for other in ("b2", "b3", "b4"):
        assert np.array_equal(open_image("b1.tif").read(), open_image(f"{other}.tif").read())


def test_neither_a_run_nor_a_checkpoint_is_told(bioreco):
    saved("a.tif", 32, 32)
    Path("x.pt").write_bytes(b"no")
    Path("empty").mkdir()
    for option, text in (
        ("run=nowhere", "nowhere: there is no such run or checkpoint"),
        ("run=empty", "empty is not a run, or has not reached a checkpoint"),
        ("checkpoint=x.pt", "x.pt is not a checkpoint of bioreco, or is damaged"),
        ("checkpoint=y.pt", "y.pt: there is no such run or checkpoint"),
    ):
        said = bioreco("denoise", "a.tif", option)
        assert said.status == 2
        assert said.err.startswith(f"bioreco denoise: {text}")
        assert len(said.err.splitlines()) <= 3
    refused(
        bioreco("denoise", "a.tif", "run=a", "checkpoint=b"),
        "bioreco denoise: give run=RUN or checkpoint=FILE, not both",
    )


# --- kinds of images


@pytest.mark.parametrize("channels", ["independent", "joint"])
@pytest.mark.parametrize("kind", ["RGB", "two channels"])
def test_channels_are_denoised_apart_or_together(bioreco, kind, channels):
    if kind == "RGB":
        values = saved("a.tif", 24, 20, 3, dtype="uint8", photometric="rgb")
    else:
        values = picture(2, 24, 20)
        values[1] *= 7
        tifffile.imwrite("a.tif", values, imagej=True, metadata={"axes": "CYX"})
    fine(bioreco("denoise", "a.tif", f"data.channels={channels}", *QUICK))
    result = open_image("a_denoised.tif")
    assert (result.axes, result.shape) == (open_image("a.tif").axes, values.shape)
    run = only_run("denoise")
    state = torch.load(run / "checkpoints/best.pt", weights_only=True)
    count = 3 if kind == "RGB" else 2
    assert state["shape"]["inputs"] == (count if channels == "joint" else 1)
    assert len(state["normalisation"]["mean"]) == count
    if kind != "RGB":  # each channel comes back on its own scale
        found = result.read().mean((1, 2))
        assert found[1] > 2 * found[0]


@pytest.mark.parametrize(("slices", "dims"), [(8, 3), (3, 2)])
@pytest.mark.parametrize("method", ["n2v", "n2s"])
def test_a_stack_of_enough_slices_is_a_volume(bioreco, method, slices, dims):
    values = picture(slices, 18, 20)
    tifffile.imwrite("z.tif", values, imagej=True, metadata={"axes": "ZYX"})
    fine(bioreco("denoise", "z.tif", f"method={method}", *QUICK))
    result = open_image("z_denoised.tif")
    assert (result.axes, result.shape) == ("ZYX", values.shape)
    state = torch.load(only_run("denoise") / "checkpoints/best.pt", weights_only=True)
    assert state["shape"]["dims"] == dims


def test_time_points_are_images_of_their_own(bioreco):
    values = picture(9, 18, 20)
    tifffile.imwrite("t.tif", values, imagej=True, metadata={"axes": "TYX", "finterval": 0.5})
    fine(bioreco("denoise", "t.tif", *QUICK))
    result = open_image("t_denoised.tif")
    assert (result.axes, result.shape) == ("TYX", values.shape)
    assert result.spacing["T"] == 0.5
    state = torch.load(only_run("denoise") / "checkpoints/best.pt", weights_only=True)
    assert state["shape"]["dims"] == 2


def test_an_ambiguous_stack_is_explained_and_settled(bioreco):
    tifffile.imwrite("s.tif", picture(8, 18, 20), photometric="minisblack", metadata=None)
    said = fine(bioreco("denoise", "s.tif", "-o", "1.tif", *QUICK))
    assert "s.tif: 8 pages" in said.out
    said = fine(bioreco("denoise", "s.tif", "-o", "2.tif", "data.axes=ZYX", *QUICK))
    assert "8 pages" not in said.out


def test_a_data_set_in_a_file_is_denoised(bioreco):
    import h5py

    with h5py.File("a.h5", "w") as file:
        file["images/raw"] = picture(24, 20)
    fine(bioreco("denoise", "a.h5:/images/raw", *QUICK))
    assert open_image("a_denoised.h5:/images/raw").shape == (24, 20)


@pytest.mark.parametrize("tail", [".png", ".npy"])
def test_other_formats_go_through(bioreco, tail):
    from PIL import Image

    values = picture(24, 20, dtype="uint8")
    if tail == ".png":
        Image.fromarray(values).save("a.png")
    else:
        np.save("a.npy", values)
    fine(bioreco("denoise", f"a{tail}", *QUICK))
    assert open_image({".png": "a_denoised.tif"}.get(tail, "a_denoised.npy")).dtype == np.float32


def test_missing_pixels_stay_and_are_told(bioreco):
    values = picture(32, 32, dtype="float32")
    values[3, 4], values[10:14, 20] = np.inf, np.nan
    tifffile.imwrite("a.tif", values)
    said = fine(bioreco("denoise", "a.tif", *QUICK))
    assert (
        "a.tif: 5 pixels are NaN or infinite; they are as they were in the result."
        in (said.out.replace("\n", " ")) + said.err
    )
    result = open_image("a_denoised.tif").read()
    assert np.array_equal(np.isfinite(result), np.isfinite(values))
    assert result[3, 4] == np.inf


def test_a_saturated_image_comes_back_finite(bioreco):
    values = picture(32, 32, dtype="uint8")
    values[8:20, 8:20] = 255
    tifffile.imwrite("a.tif", values)
    fine(bioreco("denoise", "a.tif", *QUICK))
    assert np.isfinite(open_image("a_denoised.tif").read()).all()


# --- images there is nothing to learn from


@pytest.mark.parametrize("value", [7, 0, np.nan])
def test_a_constant_image_is_told(bioreco, value):
    tifffile.imwrite("a.tif", np.full((32, 32), value, dtype="float32"))
    said = bioreco("denoise", "a.tif", *QUICK)
    refused(
        said,
        "bioreco denoise: there is nothing to learn from: all pixels have the same value, or none"
        " is a number",
    )


@pytest.mark.parametrize(
    ("shape", "told"), [((8, 8), "8 x 8"), ((300, 1), "300 x 1"), ((1, 300), "1 x 300")]
)
def test_an_image_too_small_to_learn_from_is_told(bioreco, shape, told):
    saved("a.tif", *shape)
    refused(
        bioreco("denoise", "a.tif", *QUICK),
        f"bioreco denoise: a.tif is {told} pixels: at least 16 x 16 are needed to learn from",
    )


@pytest.mark.parametrize("shape", [(8, 8), (300, 1), (1, 300), (1, 1)])
def test_a_trained_run_is_applied_to_small_images(bioreco, shape):
    fine(bioreco("train", *SYNTHETIC))
    tifffile.imwrite("a.tif", picture(*shape, dtype="float32"))
    fine(bioreco("infer", f"run={only_run('train')}", "a.tif", *INFER))
    assert open_image("a_denoised.tif").shape == shape


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["data.patch=20"], "data.patch=20: a multiple of 16 pixels"),
        (
            ["network.depth=5"],
            "patches of 16 x 16 pixels don't fit the network, which needs multiples of 32: lower"
            " network.depth, or change data.patch",
        ),
        (["trainer.batch_size=0"], "trainer.batch_size=0: at least 1"),
        (
            ["method=n2v", "method.density=0.9"],
            "method.density=0.9: a fraction above 0, at most 0.5",
        ),
        (["network.norm=bach"], "network.norm=bach: choose one of none, batch, instance"),
        (["inference.tile=4"], "inference.tile=4: at least 16 pixels, or null"),
        (
            ["inference.tile=16"],
            "inference.tile=16: 20 pixels to either side are needed beyond a tile, so it takes at"
            " least 42 pixels",
        ),
        (
            ["output.dtype=sam"],
            "output.dtype=sam: choose one of float32, same. Did you mean 'same'?",
        ),
        (
            ["data.dims=3"],
            "data.dims=3: a.tif has axes YX and no Z. Say data.axes= if the file is"
            " wrong about that.",
        ),
        (
            ["trainer.precision=bf16-mixd"],
            "precision=bf16-mixd: choose one of 32-true, bf16-mixed, 16-mixed."
            " Did you mean 'bf16-mixed'?",
        ),
        (
            ["trainer.precision=16-mixed"],
            "precision=16-mixed needs a GPU; on a CPU use 32-true",
        ),
        (
            ["trainer.schedule=linear"],
            "trainer.schedule=linear: choose one of cosine, late_cosine, constant.",
        ),
        (["data.patch=1.5"], "data.patch=1.5 is not a whole number."),
        (["trainer.device=tpu"], "device=tpu: choose auto, cpu, cuda or cuda:N"),
    ],
    ids=lambda v: v[0] if isinstance(v, list) else "",
)
def test_wrong_options_are_told_and_leave_nothing(bioreco, options, text):
    saved("a.tif", 32, 32)
    refused(bioreco("denoise", "a.tif", *QUICK, *options), f"bioreco denoise: {text}")


def test_images_of_another_kind_than_the_run_are_told(bioreco):
    fine(bioreco("train", *SYNTHETIC))
    run = only_run("train")
    tifffile.imwrite("c.tif", picture(2, 24, 20), imagej=True, metadata={"axes": "CYX"})
    said = bioreco("infer", f"run={run}", "c.tif", *INFER)
    assert (said.status, said.err) == (
        2,
        "bioreco infer: c.tif has 2 channels, but the run was trained on images with 1\n",
    )
    said = bioreco("infer", f"run={run}", "c.tif", *INFER, "precision=fp32")
    assert (said.status, said.err) == (
        2,
        "bioreco infer: precision=fp32: choose one of 32-true, bf16-mixed, 16-mixed.\n",
    )
    saved("bright.tif", 24, 20)
    tifffile.imwrite("bright.tif", tifffile.imread("bright.tif") * 100)
    said = fine(bioreco("infer", f"run={run}", "bright.tif", *INFER))
    assert "bright.tif is unlike what this run was trained on" in said.out + said.err


# --- a method from outside the package

MINE = """
from bioreco.methods.noise2void import Noise2Void

calls = []

class Mine(Noise2Void):
    def __init__(self, network, *, strength: float):
        super().__init__(network, density=strength)
        calls.append(strength)
"""
YAML = """# a method of my own
_target_: {name}.Mine
strength: 0.1
optim:
  network: {{_target_: torch.optim.Adam, _partial_: true, lr: 1.0e-3}}
"""


def test_a_method_of_ones_own_is_trained_resumed_and_applied(bioreco):
    lab = Path("lab")
    (lab / "method").mkdir(parents=True)
    (lab / "my_own_lab.py").write_text(MINE)
    (lab / "method" / "mine.yaml").write_text(YAML.format(name="my_own_lab"))
    line = ["train", "--config-dir", "lab", "method=mine", *SYNTHETIC]
    said = bioreco(*line)
    assert said.status == 2
    assert "If you trust its code, add trust=[my_own_lab]" in said.err
    assert not list(Path().glob("outputs/*/*"))
    fine(bioreco(*line, "method.strength=0.2", "trust=[my_own_lab]"))
    run = only_run("train")
    assert metrics(run)["method"] == "mine"
    fine(bioreco("resume", str(run), "trainer.steps=3"))
    saved("new.tif", 24, 20)
    said = bioreco("infer", f"run={run}", "new.tif", *INFER)
    assert said.status == 2
    assert "If you trust its code, add trust=[my_own_lab]" in said.err
    fine(
        bioreco(
            "infer", f"run={run}", "new.tif", "--config-dir", "lab", "trust=[my_own_lab]", *INFER
        )
    )
    assert open_image("new_denoised.tif").shape == (24, 20)


def test_files_of_other_channels_need_a_model_each(bioreco):
    saved("one.tif", 48, 40)
    saved("rgb.tif", 48, 40, 3, dtype="uint8", photometric="rgb")
    assert bioreco("denoise", "one.tif", "rgb.tif", *QUICK).status == 2
    fine(bioreco("denoise", "one.tif", "rgb.tif", "per_file=true", *QUICK))
    assert open_image("one_denoised.tif").shape == (48, 40)
    assert open_image("rgb_denoised.tif").shape == (48, 40, 3)
    assert metrics(only_run("denoise"))["steps"] == 4
