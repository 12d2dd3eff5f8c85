"""Particles on the command line: simulate, train, resume; refuse what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bioreco.cli.particles.ending import many
from bioreco.engine.runtime import Runtime

mrcfile = pytest.importorskip("mrcfile")

DATA = ["data=cryoem", "data.box=16", "data.particles=64", "data.snr=10"]
QUICK = [
    "trainer.steps=2", "trainer.batch_size=8", "trainer.device=cpu", "method.critic_steps=2",
    "method.projections=4", "method.critic.channels=2",
]  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


def only_run() -> Path:
    (run,) = Path().absolute().glob("outputs/*/*-train")
    return run


def test_train_and_resume(bioreco):
    fine(bioreco("train", "method=cryogan", *DATA, *QUICK, "baselines=[sphere,known_poses]"))
    run = only_run()
    found = json.loads((run / "metrics.json").read_text())
    assert (found["status"], found["steps"], found["forward"]) == ("finished", 2, "cryoem")
    assert found["test"].keys() == {"fsc_0.5_angstrom", "fsc_0.5_nyquist"}
    assert found["baselines"].keys() == {"sphere", "known_poses"}
    best = found["baselines"]["known_poses"]["fsc_0.5_nyquist"]
    assert best > found["baselines"]["sphere"]["fsc_0.5_nyquist"]
    assert found["test"].keys() == found["conventions"].keys()
    with mrcfile.open(run / "results" / "volume.mrc") as file:
        assert file.data.shape == (16, 16, 16)
        assert float(file.voxel_size.x) == pytest.approx(5.0)
        assert file.is_volume()
        before = np.array(file.data)
    assert (run / "preview.png").exists()
    assert (run / "fsc.png").exists()

    fine(bioreco("resume", str(run), "trainer.steps=3"))
    with mrcfile.open(run / "results" / "volume.mrc") as file:
        assert not np.array_equal(before, file.data)
    said = bioreco("infer", f"run={run}", "other.star")
    assert said.status == 2
    assert "nothing that other particles could be put through" in said.err


def test_stopped_and_resumed_is_bitwise_the_same(bioreco):
    told = ["trainer.schedule=constant", "trainer.ema=0", "baselines=[]"]
    told += ["method.view.lowpass=[1.0,1.0]"]  # else it follows the share of the training done
    fine(bioreco("train", "method=cryogan", *DATA, *QUICK, *told, "trainer.steps=3"))
    fine(bioreco("train", "method=cryogan", *DATA, *QUICK, *told, "trainer.steps=2"))
    first, second = sorted(Path().absolute().glob("outputs/*/*-train"))
    fine(bioreco("resume", str(second), "trainer.steps=3"))
    volumes = []
    for run in (first, second):
        with mrcfile.open(run / "results" / "volume.mrc") as file:
            volumes.append(np.array(file.data))
    assert np.array_equal(*volumes)


def test_a_simulation_is_read_back(bioreco):
    fine(bioreco("simulate", *DATA, "output=made"))
    made = {path.name for path in Path("made").iterdir()}
    assert {"particles.star", "particles.mrcs", "truth.mrc"} <= made
    again = bioreco("simulate", *DATA, "output=made")
    assert again.status == 2
    measured = ["data=cryoem", "data.paths=[made/particles.star]", "data.volume=made/truth.mrc"]
    fine(bioreco("train", "method=cryogan", *measured, *QUICK, "baselines=[known_poses]"))
    found = json.loads((only_run() / "metrics.json").read_text())
    assert found["baselines"]["known_poses"]["fsc_0.5_nyquist"] > 0.3


def test_two_halves_are_compared(bioreco):
    fine(bioreco("simulate", *DATA, "output=made"))
    halves = ["method=cryogan", "data=cryoem", "data.paths=[made/particles.star]", *QUICK]
    halves += ["data.contrast=white", "baselines=[]"]
    fine(bioreco("train", *halves, "data.particles=half1", "hydra.run.dir=one"))
    other = ["data.particles=half2", "output.runs=[one]", "hydra.run.dir=two"]
    fine(bioreco("train", *halves, *other))
    found = json.loads(Path("two/metrics.json").read_text())
    assert 0 < found["halves"]["halves_fsc_0.143_nyquist"] <= 1
    assert found["halves"].keys() <= found["conventions"].keys()
    with mrcfile.open("two/results/mean_of_halves.mrc") as file:
        assert file.data.shape == (16, 16, 16)
    for words, told in (
        (["data.particles=half1"], "the other half of these particles is data.particles=half2"),
        (["data.particles=32"], "the run on the other half of the particles"),
        (["data.particles=half2", "data.contrast=auto"], "one has data.contrast=white"),
        (["data.particles=half3"], "a number, half1 or half2"),
    ):
        said = bioreco("train", *halves, "output.runs=[one]", *words)
        assert (said.status, told in said.err) == (2, True), said.err


def test_a_particle_that_moves(bioreco):
    moving = [word for word in DATA if not word.startswith("data.snr")]
    moving += ["data.volume=hinge:60", "trainer.steps=4"]
    fine(bioreco("train", "method=multi_cryogan", *moving, *QUICK[1:]))
    run = only_run()
    found = json.loads((run / "metrics.json").read_text())
    assert found["test"].keys() == found["conventions"].keys()
    assert {"fsc_0.5_nyquist", "motion_correlation", "motion_reach"} <= found["test"].keys()
    assert found["baselines"]["rigid"]["fsc_0.5_nyquist"] > 0.5
    with mrcfile.open(run / "results" / "volume_5.mrc") as file:
        assert file.data.shape == (16, 16, 16)
        assert np.isfinite(file.data).all()
    assert (run / "preview.png").exists()
    fine(bioreco("simulate", *moving[:4], "output=moving"))
    assert (Path("moving") / "truth_5.mrc").exists()
    said = bioreco("infer", f"run={run}", "other.star")
    assert (said.status, "learnt volumes" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["method=cryogan", "data=fmri"], "method=cryogan does not go with forward=sms_mri"),
        (["method=n2v", "data=cryoem"], "method=n2v does not go with forward=cryoem"),
        (["method=cryogan", *DATA, "baselines=[spher]"], "baselines=spher: choose one of sphere"),
        (["method=cryogan", *DATA, *QUICK, "trainer.batch_size=9"], "trainer.batch_size=9"),
        (
            ["method=multi_cryogan", *DATA, "baselines=[rigid]"],
            "there are none: say data.volume",
        ),
        (["method=cryogan", *DATA, "data.volume=hinge:x"], "degrees are a number, as in hinge:60"),
        (["method=cryogan", *DATA, "data.volume=hinge:0"], "above 0, at most 180 degrees"),
    ],
)
def test_what_makes_no_sense_is_refused(bioreco, words, told):
    said = bioreco("train", *words)
    assert said.status == 2
    assert told in said.err


@pytest.mark.parametrize(("box", "count"), [(16, 3000), (128, 2048)])
def test_a_method_looks_at_many_particles_where_they_are_small(box, count):
    class Particles:
        def __len__(self) -> int:
            return 3000

        def __getitem__(self, draw: tuple[int, int]) -> dict[str, np.ndarray]:
            return {"y": np.zeros((1, box, box), np.float32), "seed": np.array(draw[0])}

    found = many(Particles(), Runtime("cpu"))["seed"]
    assert len(found.unique()) == count
    assert (int(found.min()), int(found.max())) == (0, 2999)
