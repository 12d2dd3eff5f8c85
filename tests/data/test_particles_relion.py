"""Particles from STAR files of every age, and what is refused, with file and line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from particle_files import OLD, OPTICS, PARTICLES, mrcfile, stacks, star

from bioreco.data.particles.optics import Given
from bioreco.data.particles.relion import read_particles
from bioreco.data.particles.values import CTF, NO_CTF
from bioreco.errors import UserError

NEW = OPTICS + PARTICLES


def read(path, *, root=None, **given):
    return read_particles(path, root=root, given=Given(**given))


def test_two_optics_groups_in_any_order(tmp_path):
    particles = read(star(stacks(tmp_path), NEW))
    assert (len(particles), particles.box, particles.pixel_size) == (2, 32, 1.5)
    first, second = (dict(zip(CTF, row, strict=True)) for row in particles.ctf)
    assert (first["voltage"], first["spherical_aberration"]) == (300, pytest.approx(2.7))
    assert (second["voltage"], second["amplitude_contrast"]) == (200, pytest.approx(0.07))
    assert (first["defocus_u"], first["defocus_v"]) == (10000, 9800)
    assert first["defocus_angle"] == pytest.approx(np.pi / 4)
    assert (second["phase_shift"], second["b_factor"]) == (pytest.approx(np.pi / 2), 50)
    assert particles.optics.tolist() == [1, 0]
    assert particles.halves.tolist() == [1, 2]
    np.testing.assert_allclose(particles.origins, [[1.5, -3], [0, 0]])
    assert [particles.micrograph_names[k] for k in particles.micrographs] == ["m1.mrc", "m2.mrc"]
    assert particles.read(0).mean() == pytest.approx(20, abs=0.2)
    assert particles.where(0) == "particles.star, line 38 (3@a.mrcs)"


def test_poses_are_passive_matrices(tmp_path):
    pose = read(star(stacks(tmp_path), NEW)).poses[0]
    rot, tilt, psi = np.deg2rad([10, 20, 30])

    def z(a):
        return np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])

    y = np.array([[np.cos(tilt), 0, -np.sin(tilt)], [0, 1, 0], [np.sin(tilt), 0, np.cos(tilt)]])
    np.testing.assert_allclose(pose, z(psi) @ y @ z(rot), atol=1e-6)


def test_relion_3_0_without_optics(tmp_path):
    particles = read(star(stacks(tmp_path), OLD))
    assert particles.pixel_size == pytest.approx(1.5)
    np.testing.assert_allclose(particles.origins, [[1.5, -3], [0, 0]], rtol=1e-5)
    assert particles.ctf[0, :4].tolist() == pytest.approx([10000, 9800, np.pi / 4, 300])
    assert particles.poses is None
    assert particles.halves is None


def test_relion_5_writes_the_same_tables(tmp_path):
    particles = read(star(stacks(tmp_path), NEW.replace("30001", "50001")))
    assert len(particles) == 2


def test_stacks_are_found_from_above_the_star_file_and_by_the_root(tmp_path):
    stacks(tmp_path)
    below = star(tmp_path, NEW, "Refine/job1/run_data.star")
    assert len(read(below)) == 2
    stacks(tmp_path / "elsewhere")
    assert len(read(below, root=str(tmp_path / "elsewhere" / "Extract"))) == 2
    with pytest.raises(UserError, match=r"data.root=/not/there: there is no such folder"):
        read(below, root="/not/there")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "_rlnDefocusU #4\n_rlnDefocusV #5",
            "_rlnA #4\n_rlnB #5",
            "particles.star has no column rlnDefocusU, rlnDefocusV, so the CTF is unknown.\n"
            "Say data.ctf=[U,V,ANGLE]",
        ),
        (
            "_rlnVoltage",
            "_rlnVolts",
            "no column rlnVoltage; say data.microscope.voltage=NUMBER (kilovolt).",
        ),
        ("1 10000", "3 10000", "line 38: optics group 3, but data_optics holds 2, 1."),
        ("300.0", "300000", "line 38: rlnVoltage is 300000; it is in kilovolt, 30 to 1500."),
        ("10000 9800", "1.0 0.98", "rlnDefocusU is 1.1; it is in Angstrom, where 1 micrometre"),
        ("10000", "nan", "line 38: rlnDefocusU is 'nan', not a number."),
        ("0.1 1.5 32", "0.1 1.8 32", "have pixel sizes from 1.5 to 1.8 Angstrom"),
        ("1.5 32 2", "1.5 64 2", "rlnImageSize is 64, but the images of the stack are 32 x 32"),
        ("000003@", "000009@", "line 38: image 9 of a.mrcs, which holds 1 to 3."),
        ("000003@", "000000@", "line 38: image 0 of a.mrcs, which holds 1 to 3."),
        ("000003@", "", "line 38: a.mrcs holds 3 images; say which: 000001@a.mrcs"),
        ("000003@", "x@", "'x@Extract/a.mrcs' is not an image of a stack"),
        ("a.mrcs", "c.mrcs", "line 38: there is no stack Extract/c.mrcs under"),
        ("_rlnRandomSubset", "_rlnCtfImage", "particles.star holds sub-tomograms (rlnCtfImage)"),
        ("-3 1", "-3 7", "line 38: rlnRandomSubset is 7; it is 1 or 2."),
        ("_rlnImageName", "_rlnImage", "particles.star has no column rlnImageName"),
        ("data_particles", "data_fsc", ""),
        ("_rlnImagePixelSize", "_rlnX", "particles.star has no rlnImagePixelSize. Say data.pixel_"),
        (
            "_rlnImagePixelSize",
            "_rlnDetectorPixelSize",
            "has no rlnImagePixelSize. rlnDetectorPixelSize is in micrometres and needs",
        ),
        (
            "_rlnImagePixelSize",
            "_rlnMicrographOriginalPixelSize",
            "rlnMicrographOriginalPixelSize is that of the micrographs; say data.pixel_size",
        ),
        ("_rlnOpticsGroupName", "_rlnCtfDataArePhaseFlipped", "optics"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, old, new, told):
    text = NEW.replace(old, new)
    if old == "10000 9800":
        text = text.replace("20000 19000", "2 1.9").replace("1.0 0.98", "1.1 0.98")
    if "PhaseFlipped" in new:
        text = text.replace("second", "1").replace("first", "0")
        told = "the images are phase-flipped (rlnCtfDataArePhaseFlipped); extract them without"
    path = star(stacks(tmp_path), text)
    if not told:
        assert len(read(path)) == 2  # another name for the one table of images
        return
    with pytest.raises(UserError, match=re.escape(told)):
        read(path)


def test_a_pixel_size_under_the_wrong_label(tmp_path):
    text = OLD.replace("_rlnGroupNumber", "_rlnImagePixelSize")
    told = (
        "particles.star, line 17: the pixel size is 1 by rlnImagePixelSize, but 1.5 by"
        " rlnDetectorPixelSize (micrometres) over rlnMagnification; one of them is wrong."
    )
    with pytest.raises(UserError, match=re.escape(told)):
        read(star(stacks(tmp_path), text))
    with pytest.raises(UserError, match=r"1.5 by rlnImagePixelSize, but 3 by data.pixel_size"):
        read(star(tmp_path, NEW), pixel_size=3.0)


def test_stacks_of_mixed_size_and_cut_short(tmp_path):
    path = star(stacks(tmp_path), NEW)
    with mrcfile.new(tmp_path / "Extract/b.mrcs", np.zeros((2, 40, 40), "f4"), overwrite=True):
        pass
    told = r"line 39: the images of b.mrcs are 40 x 40 pixels, those of a.mrcs 32 x 32: one set"
    with pytest.raises(UserError, match=told):
        read(path)
    whole = (tmp_path / "Extract/a.mrcs").read_bytes()
    (tmp_path / "Extract/a.mrcs").write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"line 38: a.mrcs is cut short: it ends at byte"):
        read(path)


def test_no_particles(tmp_path):
    empty = "\n".join(line for line in NEW.splitlines() if "@" not in line)
    told = r"particles.star holds no particles: its table data_particles is empty."
    with pytest.raises(UserError, match=told):
        read(star(tmp_path, empty))
    with pytest.raises(UserError, match=r"has no table of particles \(data_particles\): it holds"):
        read(star(tmp_path, OPTICS))
    twice = PARTICLES.replace("data_particles", "data_a") + PARTICLES.replace("particles", "b")
    with pytest.raises(UserError, match=r"several tables of images \(data_a, data_b\); keep one"):
        read(star(tmp_path, OPTICS + twice))


def test_what_the_file_lacks_can_be_said(tmp_path):
    text = NEW.replace("_rlnVoltage", "_rlnX").replace("_rlnDefocusU", "_rlnY")
    particles = read(star(stacks(tmp_path), text), voltage=200.0, ctf=[12000, 11000, 90])
    assert particles.ctf[0, :4].tolist() == pytest.approx([12000, 11000, np.pi / 2, 200])
    with pytest.raises(UserError, match=r"data.microscope.voltage=200, but rlnVoltage of .* 300"):
        read(star(tmp_path, NEW), voltage=200.0)
    without = read(star(tmp_path, text), ctf="none")
    assert without.ctf[0, :8].tolist() == list(NO_CTF)


def test_a_stack_alone_needs_its_ctf_to_be_said(tmp_path):
    path = stacks(tmp_path) / "Extract/a.mrcs"
    with pytest.raises(UserError, match=r"a.mrcs is a stack without the CTF of its images: give"):
        read(path)
    particles = read(path, ctf=[12000, 11000, 90])
    assert particles.ctf[2].tolist() == pytest.approx(
        [12000, 11000, np.pi / 2, 300, 2.7, 0.1, 0, 0, 1.5]
    )
    assert particles.where(2) == "a.mrcs, image 3"
    with pytest.raises(UserError, match=r"data.ctf=\[1.0\]: auto, none, or \[U,V,ANGLE\]"):
        read(path, ctf=[1.0])
    with mrcfile.mmap(path, "r+") as file:
        file.voxel_size = 0
    with pytest.raises(UserError, match=r"a.mrcs doesn't say its pixel size; say data.pixel_size="):
        read(path, ctf="none")
    assert read(path, ctf="none", pixel_size=2.0).pixel_size == 2


def test_what_is_not_modelled_and_what_headers_say_is_noted(tmp_path):
    text = NEW.replace("_rlnOpticsGroupName", "_rlnBeamTiltX")
    text = text.replace("second", "0.1").replace("first", "0.2").replace("1.5 32", "1.6 32")
    notes = read(star(stacks(tmp_path), text)).notes
    assert notes[0] == "not modelled, though the file has it: beam tilt"
    assert "the header of the stack says 1.5 Angstrom per pixel, the STAR file 1.6" in notes[1]
