"""k-space on the command line: simulate, train, resume, infer, evaluate, inspect."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
nibabel = pytest.importorskip("nibabel")

TASK = [
    "data=fmri", "data.multiband=2", "data.groups=1", "data.frames=26", "data.size=24",
    "data.coils=6", "data.calibration_lines=16", "data.repetition_time=1.5",
]  # fmt: skip
QUICK = [
    "trainer.steps=2", "trainer.device=cpu", "network.unrolls=1", "network.blocks=1",
    "network.channels=2", "network.cg_iterations=2",
]  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


def only_run(command: str) -> Path:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run


def metrics(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def test_train_resume_infer_evaluate(bioreco):
    fine(bioreco("train", "method=ssdu", *TASK, *QUICK, "baselines=[sense,tikhonov]"))
    run = only_run("train")
    found = metrics(run)
    assert (found["status"], found["steps"]) == ("finished", 2)
    assert (found["data"], found["forward"], found["network"]) == ("fmri", "sms_mri", "unrolled")
    assert set(found["baselines"]) == {"sense", "tikhonov", "sense_smoothed"}
    assert found["encoding"]["gfactor"] >= 0.99
    assert {"psnr", "tsnr", "beta_bias", "auc", "phase_error", "leakage"} <= found["test"].keys()
    assert found["test"].keys() == found["baselines"]["sense"].keys()
    assert found["test"].keys() <= {*found["conventions"], "psnr_255"}
    assert (run / "preview.png").stat().st_size > 10_000
    (magnitude,) = (p for p in (run / "results").glob("*.nii") if "phase" not in p.name)
    volume = nibabel.load(magnitude)
    assert volume.shape == (24, 24, 2, 26)
    assert volume.header.get_zooms()[3] == pytest.approx(1.5)
    assert (run / "results" / f"{magnitude.stem}_phase.nii").exists()

    before = magnitude.read_bytes()
    fine(bioreco("resume", str(run), "trainer.steps=3"))
    assert metrics(run)["steps"] == 3
    assert magnitude.read_bytes() != before

    fine(bioreco("simulate", *TASK, "seed=1", "output=scans"))
    (file,) = Path("scans").glob("*.h5")
    fine(bioreco("infer", f"run={run}", str(file), "device=cpu", "-o", "there"))
    (result, _) = sorted(Path("there").glob("*.nii"))
    assert nibabel.load(result).shape == (24, 24, 2, 26)
    again = bioreco("infer", f"run={run}", str(file), "device=cpu", "-o", "there")
    assert again.status == 2
    assert "exists already; say overwrite=true" in again.err

    said = fine(bioreco("evaluate", f"run={run}"))
    assert all(word in said.out for word in ("tsnr", "sense"))
    said = fine(bioreco("compare", str(run)))
    assert "tsnr" in said.out


def test_scans_and_tomograms_are_compared_with_no_other_runs(bioreco):
    for words in (["method=sense", *TASK], ["method=rytov", "data=odt"]):
        said = bioreco("train", *words, "output.runs=[there]")
        assert said.status == 2
        assert "output.runs is for deconvolved images and half sets" in said.err


def test_a_series_in_another_layout_gives_the_same_volumes(bioreco):
    """Frames last and coils first, in an .npz of plain arrays, as other programs leave them."""
    single = [word for word in TASK if "multiband" not in word] + ["data.multiband=1"]
    fine(bioreco("simulate", *single, "data.groups=2", "data.frames=3", "output=scans"))
    (file,) = Path("scans").glob("*.h5")
    with h5py.File(file) as found:
        np.savez(
            "other.npz",
            kspace=found["kspace"][:].transpose(2, 1, 3, 4, 0),
            mask=found["mask"][:],
            sensitivity_maps=found["sensitivity_maps"][:, 0].transpose(1, 0, 2, 3),
        )
    told = ["data=fmri", "data.maps=file", "data.prewhiten=none", "baselines=[]"]
    fine(bioreco("train", "method=sense", *told, f"data.paths=[{file}]", "hydra.run.dir=a"))
    axes = "data.axes=[coil,slice,y,x,frame]"
    fine(bioreco("train", "method=sense", *told, "data.paths=[other.npz]", axes, "hydra.run.dir=b"))
    (own, other) = (
        next(p for p in Path(run, "results").glob("*.nii") if "phase" not in p.name) for run in "ab"
    )
    first, second = (nibabel.load(path).get_fdata() for path in (own, other))
    assert first.shape == (24, 24, 2, 3)
    np.testing.assert_allclose(second, first, atol=1e-5 * np.abs(first).max())
    said = fine(bioreco("evaluate", str(other), f"reference={own}"))
    assert "psnr" in said.out


def test_the_same_command_twice_gives_the_same_bytes(bioreco):
    results = []
    for _ in range(2):
        fine(bioreco("train", "method=multimask_ssdu", *TASK, *QUICK, "baselines=[]"))
        run = max(Path().glob("outputs/*/*-train"), key=lambda path: path.stat().st_ctime_ns)
        results.append([path.read_bytes() for path in sorted((run / "results").iterdir())])
    assert results[0] == results[1]


def test_resuming_is_bitwise(bioreco):
    rows = []
    for steps in (["trainer.steps=4"], ["trainer.steps=2"]):
        told = [*QUICK, *steps, "trainer.log_every=1", "trainer.schedule=constant"]
        fine(bioreco("train", "method=ssdu", *TASK, *told, "baselines=[]", "trainer.ema=0"))
    first, second = sorted(Path().absolute().glob("outputs/*/*-train"))
    fine(bioreco("resume", str(second), "trainer.steps=4"))
    for run in (first, second):
        with (run / "metrics.csv").open(newline="") as file:
            rows.append([row["train/network/split"] for row in csv.DictReader(file)])
    assert rows[0] == rows[1]
    assert [p.read_bytes() for p in sorted((first / "results").iterdir())] == [
        p.read_bytes() for p in sorted((second / "results").iterdir())
    ]


def test_a_simulation_is_written_once(bioreco):
    fine(bioreco("simulate", *TASK, "output=scans"))
    (file,) = Path("scans").glob("*.h5")
    with h5py.File(file) as found:
        assert found["kspace"].shape == (26, 1, 6, 24, 24)
    said = bioreco("simulate", *TASK, "output=scans")
    assert said.status == 2
    assert (
        said.err == f"bioreco simulate: {file} exists already; say overwrite=true to replace it.\n"
    )
    said = fine(bioreco("inspect", str(file), "check=true"))
    assert "26 frames, 1 groups of 2 slices, 6 coils, 24 lines of 24 samples" in said.out
    assert "law adjoint" in said.out
    assert "BROKEN" not in said.out
    assert "bioreco train method=ssdu data=fmri" in said.out


def test_images_can_be_simulated_too(bioreco):
    fine(bioreco("simulate", "data=synthetic", "data.count=1", "data.size=32", "output=made"))
    assert {str(p.relative_to("made")) for p in Path("made").rglob("*.tif")} == {
        "synthetic_0.tif", "truth/synthetic_0.tif",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["method=n2v", "data=fmri"], "method=n2v does not go with forward=sms_mri"),
        (["method=ssdu", "data=synthetic"], "method=ssdu does not go with forward=identity"),
        (["method=ssdu", *TASK, "forward=mri"], "forward=mri is for one slice at a time"),
        (["method=ssdu", *TASK, "baselines=[sens]"], "baselines=sens: choose one of"),
        (["method=ssdu", "data=mri", "data.paths=[no.h5]"], "no.h5"),
    ],
)
def test_what_makes_no_sense_is_refused(bioreco, words, told):
    said = bioreco("train", *words, "trainer.device=cpu")
    assert said.status == 2
    assert told in said.err
    assert len(said.err.splitlines()) <= 3
    assert not list(Path().glob("outputs/*/*"))


def test_a_network_for_two_slices_refuses_three(bioreco):
    fine(bioreco("train", "method=ssdu", *TASK, *QUICK, "baselines=[]"))
    run = only_run("train")
    fine(bioreco("simulate", *TASK, "data.multiband=3", "output=scans"))
    (file,) = Path("scans").glob("*.h5")
    said = bioreco("infer", f"run={run}", str(file), "device=cpu")
    assert said.status == 2
    assert "excites 3 slices together, but the run learnt from 2" in said.err
    with_image = bioreco("infer", f"run={run}", "cells.tif")
    assert with_image.status == 2


def test_noise_alone_still_says_what_it_is(bioreco):
    said = fine(bioreco("inspect", str(_single_coil())))
    assert "a single coil" in said.out


def _single_coil() -> Path:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(32, 32)) + 1j * rng.normal(size=(32, 32))
    np.save("one.npy", values.astype(np.complex64))
    return Path("one.npy")
