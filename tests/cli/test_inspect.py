from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

RNG = np.random.default_rng(0)
CELLS = np.clip(300 * np.sin(np.linspace(0, 9, 200))[:, None] * np.ones(220), 0, None)


def stack(path, values, axes, **more):
    tifffile.imwrite(path, values, imagej=True, metadata={"axes": axes, **more})


def test_a_plain_image(bioreco, tmp_path):
    tifffile.imwrite("a.tif", RNG.poisson(CELLS + 100).astype(np.uint16))
    said = bioreco("inspect", "a.tif")
    assert said.status == 0, said.err
    assert "a.tif\n  tiff, Y 200 x X 220, uint16, 88 kB\n" in said.out
    assert "pixel size: not in the file" in said.out
    assert "values: " in said.out
    assert "Shot noise" in said.out
    assert "Neighbouring pixels have independent noise" in said.out
    assert "try: bioreco denoise a.tif" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_pixel_size_time_and_channels(bioreco):
    values = RNG.normal(100, 5, size=(2, 5, 2, 64, 64)).astype(np.float32)
    stack("a.tif", values, "TZCYX", spacing=0.5, unit="um", finterval=2.0)
    said = bioreco("inspect", "a.tif")
    assert "Z 0.5 um" in said.out
    assert "time between frames: 2 s" in said.out
    assert "channel 0: Noise: 5" in said.out
    assert "channel 1: Noise: " in said.out
    assert "% of the pixels)" in said.out
    assert "5 slices are few" in said.out


def test_shared_noise_is_told(bioreco):
    noise = RNG.normal(size=(256, 257))
    tifffile.imwrite("a.tif", (noise[:, 1:] + noise[:, :-1]).astype(np.float32))
    said = bioreco("inspect", "a.tif")
    assert "Neighbouring pixels along X (0.5" in said.out


def test_ambiguous_pages_are_explained_and_settled(bioreco):
    pages = RNG.normal(size=(5, 40, 40)).astype(np.float32)
    tifffile.imwrite("a.tif", pages, metadata=None, photometric="minisblack")
    assert "note: 5 pages of unknown meaning" in bioreco("inspect", "a.tif").out
    settled = bioreco("inspect", "a.tif", "axes=ZYX").out
    assert "note" not in settled
    assert "Z 5 x Y 40 x X 40" in settled


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.full((30, 30), 7, np.uint8), "All pixels are 7: there is nothing to denoise."),
        (np.full((30, 30), np.nan, np.float32), "values: none is a number"),
        (np.zeros((1, 1), np.uint8), "All pixels are 0"),
        (np.where(np.eye(50) > 0, np.nan, 1.5).astype(np.float32), "50 not a number"),
        (RNG.integers(0, 255, (30, 40, 3)).astype(np.uint8), "red: "),
    ],
)
def test_odd_images(bioreco, values, text):
    tifffile.imwrite("a.tif", values, photometric="rgb" if values.ndim == 3 else "minisblack")
    said = bioreco("inspect", "a.tif")
    assert said.status == 0, said.err
    assert text in said.out


def test_several_files_and_a_broken_one(bioreco, tmp_path):
    for name in ("a b.tif", "it's.tif"):
        tifffile.imwrite(name, RNG.normal(size=(30, 30)).astype(np.float32))
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing more")
    said = bioreco("inspect", "a b.tif", "broken.tif", "it's.tif")
    assert said.status == 2
    assert said.out.count("Noise: ") == 2
    assert "1 of 3 files can't be read" in said.err


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["inspect"], "needs at least one FILE"),
        (["inspect", "nothere.tif"], "There is no file nothere.tif"),
        (["inspect", "a.tif", "axes=TYX"], "axes=TYX doesn't fit"),
    ],
)
def test_wrong_requests(bioreco, line, text):
    tifffile.imwrite("a.tif", np.eye(20, dtype=np.float32))
    said = bioreco(*line)
    assert said.status == 2
    assert text in said.err
    assert said.out == ""


def test_torch_is_not_needed(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from bioreco.cli.main import main; main(['inspect', 'a.tif'])"
    )
    tifffile.imwrite(tmp_path / "a.tif", np.eye(40, dtype=np.float32))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Y 40 x X 40" in done.stdout


def test_particles_of_a_star_file(bioreco):
    mrcfile = pytest.importorskip("mrcfile")
    small = ["data=cryoem", "data.box=32", "data.particles=60", "data.snr=10"]
    assert bioreco("simulate", *small, "output=p").status == 0
    said = bioreco("inspect", "p/particles.star")
    assert said.status == 0, said.err
    assert "particles: 60 of Y 32 x X 32 pixels of 5 Angstrom" in said.out
    assert "300 kV, spherical aberration 2.7 mm, amplitude contrast 0.07 to 0.1, 2 opt" in said.out
    assert "defocus: 1" in said.out
    assert "contrast: particles are white" in said.out
    assert "poses: in the file; no method needs them" in said.out
    assert "half sets: in the file" in said.out
    assert (
        "next: bioreco train method=cryogan data=cryoem data.paths=[p/particles.star]" in said.out
    )
    checked = bioreco("inspect", "p/particles.star", "check=true")
    assert checked.status == 2
    assert "p/particles.star is a table of particles; check=true is for k-space" in checked.err
    with mrcfile.open("p/particles.mrcs", mode="r+") as file:
        file.data[:] = RNG.normal(size=file.data.shape)
    noise = bioreco("inspect", "p/particles.star")
    assert "contrast: not clear, " in noise.out
    assert "say data.contrast=white or data.contrast=black" in noise.out
    Path("p/particles.star").write_text("data_optics\n\nloop_\n_rlnOpticsGroup #1\n1\n")
    refused = bioreco("inspect", "p/particles.star")
    assert refused.status == 2
    assert "particles.star has no table of particles (data_particles)" in refused.err
