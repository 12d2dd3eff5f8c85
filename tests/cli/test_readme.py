"""Every command line of the README runs, in its order, on small images and for a few steps."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).parents[2]
SHORT = {
    "train": ["trainer.steps=2", "data.patch=16"],
    "denoise": ["trainer.steps=2", "data.patch=16", "overwrite=true"],
    "infer": ["overwrite=true"],
    "resume": ["trainer.steps=4"],
}


class Quick(NamedTuple):
    """What makes a kind of data small, and training on it short."""

    small: list[str]
    usual: list[str]


UNROLLED = ["trainer.steps=2", "network.unrolls=1", "network.channels=2", "baselines=[zero_filled]"]
KINDS = {
    "data=fmri": Quick(
        ["data.multiband=2", "data.groups=1", "data.frames=26", "data.size=24", "data.coils=6",
         "data.calibration_lines=16"],
        UNROLLED,
    ),
    "data=mri": Quick(["data.slices=2"], UNROLLED),
    "data=cryoem": Quick(
        ["data.box=16", "data.particles=64"],
        ["trainer.steps=2", "trainer.batch_size=8", "method.projections=4", "baselines=[]"],
    ),
    "data=projected_sprites": Quick(
        ["data.box=16", "data.particles=64"],
        ["trainer.steps=2", "trainer.batch_size=8", "baselines=[]"],
    ),
    "data=deconvolution": Quick(
        ["data.simulation.count=2", "data.simulation.size=48", "data.patch=16", "baselines=[]"],
        ["trainer.steps=2"],
    ),
    "data=odt": Quick(
        ["data.box=24", "data.tomograms=2", "data.tests=1", "data.microscope.views=13"],
        ["trainer.steps=2", "baselines=[]"],
    ),
}  # fmt: skip
MODULE = """
from bioreco.methods.noise2void import Noise2Void


class Mine(Noise2Void):
    def __init__(self, network, window: int = 3):
        super().__init__(network, radius=window // 2)
"""


def lines() -> list[str]:
    """Return the lines of the README that call bioreco, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    found = [line for block in blocks for line in block.splitlines()]
    return [line for line in found if line.startswith("bioreco ")]


def arguments(line: str) -> list[str]:
    """Put the run that is there in the place of DATE/TIME, and make the line short to run."""
    words = shlex.split(line, comments=True)[1:]
    for index, word in enumerate(words):
        found = re.fullmatch(r"(run=)?(outputs\S*)DATE/TIME(\S*)", word)
        if found:
            runs = sorted(Path().glob(f"{found[2]}*/*{found[3]}"))
            words[index] = f"{found[1] or ''}{runs[0]}"
    given = {word.partition("=")[0] for word in words}
    short = [word for word in SHORT.get(words[0], []) if word.partition("=")[0] not in given]
    if any(word.startswith("experiment=") for word in words):
        short += ["method=gaussian,n2v", "seed=0"]
    for kind, quick in KINDS.items():
        if words[0] in ("train", "simulate") and kind in words:
            learns = words[0] == "train" and any("ssdu" in w or "gan" in w for w in words)
            usual = quick.usual if learns else []
            own = any(word.startswith("data.paths") for word in words)
            small = [w for w in quick.small if not own and w.partition("=")[0] not in given]
            return _shorter([*words, *small]) + usual
    if words[0] == "train" and not any(word.startswith("data.paths") for word in words):
        short += ["data.size=32", "data.count=1"]
    return _shorter(words) + short


def _shorter(words: list[str]) -> list[str]:
    return [re.sub(r"trainer.steps=\d{2,}", "trainer.steps=3", word) for word in words]


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import mrcfile

    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    Path("raw").mkdir()
    for name in ("cells", "more", "clean", "raw/a", "raw/b"):
        image = noise.poisson(50, (48, 40)).astype(np.uint16)
        tifffile.imwrite(f"{name}.tif", image, imagej=True, metadata={"axes": "YX"})
    dim = {"movie": (4, 48, 40), "still": (24, 48, 40)}
    bright = 20 + 400 * noise.random((48, 40))
    for name, shape in dim.items():
        frames = noise.poisson(bright, shape).astype(np.uint16)
        tifffile.imwrite(f"{name}.tif", frames, imagej=True, metadata={"axes": "TYX"})
    for half in ("EVN", "ODD"):
        with mrcfile.new(f"tomo_{half}.mrc") as file:
            file.set_data(noise.poisson(bright).astype(np.float32))
    own = Path("mylab/method")
    own.mkdir(parents=True)
    (own.parent / "mylab.py").write_text(MODULE)
    network = "{_target_: torch.optim.Adam, _partial_: true, lr: 1.0e-3}"
    (own / "mine.yaml").write_text(
        f"# my own method\n_target_: mylab.Mine\nwindow: 5\noptim:\n  network: {network}\n"
    )
    yield tmp_path
    sys.modules.pop("mylab", None)


@pytest.mark.slow
def test_every_line_of_the_readme_runs(laboratory, bioreco):
    assert len(lines()) > 10
    for line in lines():
        words = arguments(line)
        said = bioreco(*words)
        assert said.status == 0, f"{shlex.join(words)}\n{said.out}{said.err}"
    assert len(list(Path("clean").iterdir())) == 2
