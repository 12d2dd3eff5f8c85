"""Standard deviations and samples from the command line, by a method from outside the package."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import lab
import numpy as np
import pytest
import tifffile

from bioreco.cli import outputs
from bioreco.data.formats import open_image

QUICK = ["data.patch=16", "inference.augment=false", "trainer.device=cpu"]
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


def fine(said):
    assert said.status == 0, said.err
    return said


def refused(said, text: str) -> None:
    assert said.status == 2
    assert said.err == f"{text}\n"
    assert not list(Path().glob("outputs/*/*"))


def denoise(bioreco, *line: str, spread: float = 5.0):
    given = lab.make("sure_lab", spread)
    return bioreco("denoise", *line, "method=sure", *QUICK, *given)


def test_a_standard_deviation_is_written_beside_the_result(bioreco):
    values = picture(1, 3, 2, 24, 20)
    tifffile.imwrite(
        "a.tif", values, imagej=True, resolution=(4.0, 4.0),
        metadata={"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0},
    )  # fmt: skip
    said = fine(denoise(bioreco, "a.tif", "output.dtype=same"))
    result, std = open_image("a_denoised.tif"), open_image("a_denoised_std.tif")
    assert (std.axes, std.shape) == (result.axes, result.shape)
    assert (std.spacing, std.units) == (result.spacing, result.units)
    assert (result.dtype, std.dtype) == (np.uint16, np.float32)
    np.testing.assert_allclose(std.read(), 5, rtol=1e-5)  # grey levels, in every channel
    assert f"Wrote {Path.cwd()}/a_denoised_std.tif" in said.out
    run = only_run("denoise")
    assert metrics(run)["std"] == [f"{Path.cwd()}/a_denoised_std.tif"]
    assert "samples" not in metrics(run)
    from PIL import Image

    with Image.open(run / "preview.png") as picture_:
        assert picture_.width > 3.9 * 340  # a panel more than input, result and difference


@pytest.mark.parametrize("tail", [".png", ".npy", ".mrc", ".nii.gz", ".h5:/x/raw", ".ome.zarr"])
def test_every_format_has_its_deviation(bioreco, tail):
    source = picture(24, 20, dtype="uint8")
    tifffile.imwrite("in.tif", source)
    from bioreco.data.formats import create

    kind = "uint8" if tail == ".png" else "float32"
    with create(Path(f"a{tail}"), open_image("in.tif"), dtype=np.dtype(kind), overwrite=False) as w:
        w.write((), source)
    fine(denoise(bioreco, f"a{tail}"))
    expected = {
        ".png": "a_denoised_std.tif", ".h5:/x/raw": "a_denoised.h5:/x/raw_std",
    }.get(tail, f"a_denoised_std{tail}")  # fmt: skip
    std = open_image(expected)
    assert (std.shape, std.dtype) == ((24, 20), np.float32)
    np.testing.assert_allclose(std.read(), 5, rtol=1e-5)
    assert not list(Path().rglob("*.part"))


def test_a_run_keeps_deviations_and_samples_in_folders_of_their_own(bioreco):
    Path("in").mkdir()
    saved("in/a.tif", 24, 20)
    saved("in/a_std.tif", 24, 20, seed=1)  # an image, whatever it is called
    given = ["data=files", "data.root=in", "output.samples=2", *QUICK, *lab.make("sure_lab")]
    fine(bioreco("train", "method=sure", *given))
    run = only_run("train")
    names = sorted(str(p.relative_to(run / "results")) for p in (run / "results").rglob("*.tif"))
    assert names == [
        "a.tif", "a_std.tif", "samples/a.tif", "samples/a_std.tif", "std/a.tif", "std/a_std.tif",
    ]  # fmt: skip
    assert len(metrics(run)["std"]) == len(metrics(run)["samples"]) == 2
    said = fine(bioreco("infer", f"run={run}", "in/a.tif", *INFER, *lab.make("sure_lab")))
    assert "a_denoised_std.tif" in said.out


@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX", "CYX"])
def test_samples_are_a_stack_and_tiles_leave_no_trace(bioreco, axes):
    shape = (50, 44) if axes == "YX" else (9 if axes == "ZYX" else 2, 50, 44)
    tifffile.imwrite("a.tif", picture(*shape), imagej=True, metadata={"axes": axes})
    more = ["output.samples=3"]
    fine(denoise(bioreco, "a.tif", "-o", "whole.tif", *more))
    fine(denoise(bioreco, "a.tif", "-o", "tiled.tif", *more, "inference.tile=18"))
    whole, tiled = (open_image(f"{name}_samples.tif") for name in ("whole", "tiled"))
    assert whole.axes == ("I" if "T" in axes else "T") + axes
    assert whole.shape == (3, *shape)
    one, two = whole.read(), tiled.read()
    reach = 1e-5 * np.ptp(one)
    assert np.abs(one - two).max() <= reach
    mean, std = open_image("whole.tif").read(), open_image("whole_std.tif").read()
    assert np.abs(mean - open_image("tiled.tif").read()).max() <= reach
    assert np.abs(std - open_image("tiled_std.tif").read()).max() <= reach
    noise = (one - mean) / std
    assert np.abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)
    flat = noise.reshape(3, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(3)).max() < 0.1  # each sample is another one


def test_memory_does_not_grow_with_the_samples(bioreco, monkeypatch):
    saved("a.tif", 256, 256)
    peaks = []
    drawn = outputs.draw

    def traced(*given):
        tracemalloc.start()
        drawn(*given)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    monkeypatch.setattr(outputs, "draw", traced)
    for count in (2, 2, 20):  # the first also pays for imports
        fine(denoise(bioreco, "a.tif", "-o", f"{count}.tif", f"output.samples={count}",
                     "overwrite=true"))  # fmt: skip
    assert open_image("20_samples.tif").shape == (20, 256, 256)
    one = 256 * 256 * 4
    assert peaks[2] < peaks[1] + one  # 18 more samples would be 18 of them


def test_pixels_that_are_missing_have_no_deviation(bioreco):
    values = picture(32, 32, dtype="float32")
    values[3, 4], values[10, 20] = -np.inf, np.nan
    tifffile.imwrite("a.tif", values)
    fine(denoise(bioreco, "a.tif"))
    std = open_image("a_denoised_std.tif").read()
    assert np.array_equal(np.isnan(std), ~np.isfinite(values))
    assert open_image("a_denoised.tif").read()[3, 4] == -np.inf


def test_a_deviation_is_rescaled_or_left_out_when_asked(bioreco):
    saved("a.tif", 24, 20)
    fine(denoise(bioreco, "a.tif", "output.std_scale=1.5", "output.samples=1"))
    np.testing.assert_allclose(open_image("a_denoised_std.tif").read(), 7.5, rtol=1e-5)
    with tifffile.TiffFile("a_denoised_std.tif") as tif:
        assert "std_scale=1.5" in tif.pages[0].software
    fine(denoise(bioreco, "a.tif", "output.std=false", "-o", "b.tif"))
    assert not Path("b_std.tif").exists()


def test_what_is_there_is_refused_before_any_training(bioreco, monkeypatch):
    from bioreco.engine import fit

    monkeypatch.setattr(fit, "Training", None)
    saved("a.tif", 24, 20)
    for name, more in (("std", []), ("samples", ["output.samples=2"])):
        precious = Path(f"a_denoised_{name}.tif")
        precious.write_bytes(b"precious")
        refused(
            denoise(bioreco, "a.tif", *more),
            f"bioreco denoise: {Path.cwd()}/{precious} exists already; say overwrite=true to"
            " replace it.",
        )
        assert precious.read_bytes() == b"precious"
        precious.unlink()
    assert not list(Path().glob("*_denoised*"))


def test_a_failure_leaves_neither_result_nor_deviation(bioreco, monkeypatch):
    saved("a.tif", 24, 20)

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "draw", stop)
    assert denoise(bioreco, "a.tif", "output.samples=2").status == 130
    assert not list(Path().glob("*_denoised*"))
    assert not list(Path().glob(".*.part"))


def test_two_results_of_one_name_are_refused(bioreco):
    from PIL import Image

    saved("a.tif", 24, 20, dtype="uint8")
    Image.fromarray(picture(24, 20, dtype="uint8")).save("a.png")
    refused(
        denoise(bioreco, "a.png", "a.tif", "output.dtype=same"),
        f"bioreco denoise: a.png and a.tif would both be written to {Path.cwd()}/"
        "a_denoised_std.tif; give them different names or denoise them one by one.",
    )


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (["output.std=true"], "output.std=true: Noise2Void has no standard deviation; "),
        (["output.samples=3"], "output.samples=3: Noise2Void knows one reconstruction only; "),
        (
            ["output.std_scale=2"],
            "output.std_scale=2: no standard deviation is written by Noise2Void",
        ),
        (["output.std=ture"], "output.std=ture: choose one of auto, true, false. Did you mean"),
        (["output.samples=-1"], "output.samples=-1: 0 or more"),
        (["output.samples=many"], "output.samples='many' is not a whole number."),
        (["output.std_scale=0"], "output.std_scale=0: a number above 0"),
    ],
)
def test_wrong_options_are_told_and_leave_nothing(bioreco, options, start):
    saved("a.tif", 32, 32)
    for command in (["denoise", "a.tif"], ["train", "data=files", "data.paths=[a.tif]"]):
        said = bioreco(*command, "method=n2v", *QUICK, *options)
        assert said.status == 2
        assert said.err.startswith(f"bioreco {command[0]}: {start}")
        assert len(said.err.splitlines()) == 1
    assert not list(Path().glob("outputs/*/*"))


def test_the_methods_that_can_are_named():
    from bioreco.methods.method import Method

    told = outputs._those_with("halo")  # any attribute of a class
    assert told.startswith("these do: ")
    assert {"n2s", "n2v"} <= set(told.removeprefix("these do: ").split(", "))
    assert not Method.uncertain


def test_a_run_with_a_truth_scores_its_deviation(bioreco):
    given = ["data.count=2", "data.size=64", "data.gain=0", "data.read=20", "method.spread=3",
             *QUICK, *lab.make("sure_lab")]  # fmt: skip
    fine(bioreco("train", "method=sure", *given))
    found = metrics(only_run("train"))
    test = found["test"]
    results = sorted((only_run("train") / "results").glob("*.tif"))
    assert 0 < test["coverage_90"] < 0.9  # 3 grey levels are too few
    assert test["std_scale"] > 1
    assert "coverage_90" not in found["baselines"]["input"]
    assert "1.645 std" in found["conventions"]["coverage"]
    assert found["conventions"]["std_scale"]
    assert len(results) == 2
    scaled = [*given, f"output.std_scale={test['std_scale']}"]
    Path("outputs").rename("before")
    fine(bioreco("train", "method=sure", *scaled))
    assert metrics(only_run("train"))["test"]["coverage_90"] == pytest.approx(0.9, abs=0.003)


def test_data_sets_whose_deviations_are_other_results_are_refused(bioreco):
    import h5py

    with h5py.File("a.h5", "w") as file:
        file["raw"], file["raw_std"] = picture(24, 20), picture(24, 20, seed=1)
    refused(
        denoise(bioreco, "a.h5:/raw", "a.h5:/raw_std"),
        f"bioreco denoise: a.h5 and a.h5 would both be written to {Path.cwd()}/"
        "a_denoised.h5:/raw_std; give them different names or denoise them one by one.",
    )
    assert not Path("a_denoised.h5").exists()
