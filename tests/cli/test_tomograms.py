"""Tomograms on the command line: simulate, inspect, train, resume, infer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from bioreco.data.formats import open_image

SMALL = [
    "data=odt", "data.box=24", "data.tomograms=2", "data.tests=1", "data.microscope.views=13",
]  # fmt: skip
QUICK = [
    "trainer.steps=2", "trainer.device=cpu", "network.channels=2", "network.depth=1",
    "method.critic.channels=2", "method.directions.views=6", "method.iterations=3",
]  # fmt: skip


def fine(said):
    assert said.status == 0, said.err
    return said


def only_run(command: str) -> Path:
    (run,) = Path().absolute().glob(f"outputs/*/*-{command}")
    return run


def test_simulate_inspect_train_infer(bioreco):
    fine(bioreco("simulate", *SMALL, "output=cells"))
    assert sorted(path.name for path in Path("cells").iterdir()) == [
        "cell_0_0.h5", "cell_0_1.h5", "cell_0_2.h5",
    ]  # fmt: skip
    again = bioreco("simulate", *SMALL, "output=cells")
    assert again.status == 2
    assert "overwrite=true" in again.err
    said = fine(bioreco("inspect", "cells/cell_0_0.h5")).out
    assert "tomogram: 13 views of Y 48 x X 48 pixels, the light was tilted" in said
    assert "light: 532 nm, pixels of 110 nm, medium 1.337, NA 1.2" in said
    assert "missing: frequencies within 28 degrees of the axis of light" in said
    assert "truth: refractive index" in said
    fine(bioreco("train", "method=projectiongan", *SMALL, *QUICK))
    run = only_run("train")
    values = json.loads((run / "metrics.json").read_text())
    assert values["status"] == "finished"
    assert set(values["baselines"]) == {"rytov", "gerchberg_papoulis", "odt_tv"}
    for scores in (values["test"], *values["baselines"].values()):
        assert {"psnr", "ssim_xy", "ssim_xz", "in_cone_correlation", "index_bias"} <= set(scores)
    meter = {"data_residual", "residual_over_sigma", "cycle_residual", "empty_output", "axes_doubt"}
    assert meter <= set(values["test"]) & set(values["conventions"])
    assert "residual_over_sigma" in values["baselines"]["rytov"]
    assert tifffile.imread(run / "results" / "doubt" / "cell_0_2.tif").shape == (24, 24, 24)
    assert "within the missing cone" in values["conventions"]["in_cone_correlation"]
    assert (run / "preview.png").is_file()
    with tifffile.TiffFile(run / "results" / "cell_0_2.tif") as file:
        index = file.asarray()
        described = str(file.imagej_metadata or file.ome_metadata)
    assert index.shape == (24, 24, 24)
    assert 1.336 < index.min() < 1.338 < index.max() < 1.6
    assert "0.11" in described
    fine(bioreco("infer", f"run={run}", "cells/cell_0_2.h5", "-o", "new", "output.doubt=false"))
    assert not list(Path("new").glob("*doubt*"))
    found = tifffile.imread("new/cell_0_2.tif")
    assert np.abs(found - index).mean() < 2e-3
    fine(bioreco("infer", f"run={run}", "cells/cell_0_2.h5", "-o", "index.mrc"))
    volume = open_image("index.mrc")
    assert (volume.format, volume.axes) == ("mrc", "ZYX")
    assert np.array_equal(volume.read(), found)
    assert volume.spacing["Z"] == pytest.approx(1100)
    assert volume.units["Z"] == "angstrom"
    assert Path("index_doubt.tif").is_file()
    both = bioreco("infer", f"run={run}", "cells/cell_0_1.h5", "cells/cell_0_2.h5", "-o", "a.mrc")
    assert both.status == 2
    assert "one file for 2 tomograms" in both.err


def test_a_resumed_run_ends_as_one_in_one_go(bioreco):
    task = ["method=projectiongan", *SMALL, *QUICK, "baselines=[]"]
    fine(bioreco("train", *task, "hydra.run.dir=whole"))
    fine(
        bioreco(
            "train", *task, "trainer.steps=1", "hydra.run.dir=parts", "trainer.schedule=constant"
        )
    )
    fine(bioreco("train", *task, "trainer.schedule=constant", "hydra.run.dir=one"))
    fine(bioreco("resume", "parts", "trainer.steps=2"))
    one, parts = (tifffile.imread(f"{name}/results/cell_0_2.tif") for name in ("one", "parts"))
    assert np.array_equal(one, parts)


@pytest.mark.parametrize("method", ["rytov", "gerchberg_papoulis", "odt_tv"])
def test_files_of_the_users_go_in(bioreco, method):
    fine(bioreco("simulate", *SMALL, "output=cells"))
    few = [] if method == "rytov" else ["method.iterations=2"]
    fine(bioreco("train", f"method={method}", "data.root=cells", *few, "baselines=[]"))
    run = only_run("train")
    assert len(list((run / "results").iterdir())) == 3
    assert "in_cone_correlation" in json.loads((run / "metrics.json").read_text())["test"]


def test_what_can_not_be_is_told_at_once(bioreco):
    for words, told in (
        (["method=projectiongan", "data=mri"], "forward=odt"),
        (["method=rytov", *SMALL, "baselines=[rytow]"], "rytov"),
        (["method=rytov", "data.paths=[nothing.h5]"], "There is no file"),
    ):
        said = bioreco("train", *words)
        assert said.status == 2
        assert told in said.err
