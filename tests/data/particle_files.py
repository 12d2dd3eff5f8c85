"""STAR files and stacks of every age, written by hand for the tests of particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

mrcfile = pytest.importorskip("mrcfile")

OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
2 second 200.0 1.4 0.07 1.5 32 2
1 first 300.0 2.7 0.1 1.5 32 2

"""
PARTICLES = """
# version 30001

data_particles

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnOpticsGroup #3
_rlnDefocusU #4
_rlnDefocusV #5
_rlnDefocusAngle #6
_rlnPhaseShift #7
_rlnCtfBfactor #8
_rlnAngleRot #9
_rlnAngleTilt #10
_rlnAnglePsi #11
_rlnOriginXAngst #12
_rlnOriginYAngst #13
_rlnRandomSubset #14
000003@Extract/a.mrcs m1.mrc 1 10000 9800 45 0 0 10 20 30 1.5 -3 1
000001@Extract/b.mrcs m2.mrc 2 20000 19000 90 90 50 40 50 60 0 0 2
"""
OLD = """# RELION 3.0
data_images

loop_
_rlnVoltage #1
_rlnDefocusU #2
_rlnDefocusV #3
_rlnDefocusAngle #4
_rlnSphericalAberration #5
_rlnDetectorPixelSize #6
_rlnMagnification #7
_rlnAmplitudeContrast #8
_rlnImageName #9
_rlnOriginX #10
_rlnOriginY #11
_rlnGroupNumber #12
 300.0 10000 9800 45 2.7 5.0 33333.333 0.1 000003@Extract/a.mrcs 1.0 -2.0 1
 300.0 20000 19000 90 2.7 5.0 33333.333 0.1 000001@Extract/b.mrcs 0 0 2
"""


def stacks(folder: Path, *, counts: tuple[int, int] = (3, 2), box: int = 32) -> Path:
    """Write Extract/a.mrcs and Extract/b.mrcs; image k of each is noise about 10 k."""
    (folder / "Extract").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    for name, count in zip("ab", counts, strict=True):
        values = rng.standard_normal((count, box, box)) + 10 * np.arange(count)[:, None, None]
        with mrcfile.new(folder / "Extract" / f"{name}.mrcs", values.astype("f4")) as file:
            file.voxel_size = 1.5
    return folder


def star(folder: Path, text: str, name: str = "particles.star") -> Path:
    """Write a STAR file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
