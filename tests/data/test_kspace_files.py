"""k-space in the formats of others: what is read, what is told, what is refused."""

import numpy as np
import pytest
from kspaces import coil_maps, made
from scipy import io

from bioreco.data.kspace.fourier import to_kspace
from bioreco.data.kspace.scan import is_scan, open_scan
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")

HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{view}</x><y>240</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>16</x><y>{y}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>160</x><y>240</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum>
<center>{centre}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"""


def header(**changes):
    return HEADER.format(**{"x": 32, "y": 24, "view": 320, "last": 19, "centre": 10, **changes})


def fastmri(path, *, xml=None, mask=None, values=None, **more):
    """A file as fastMRI's: readout along rows, lines along columns."""
    if values is None:
        y = made(frames=1, groups=3, size=(24, 32), sigma=0.01).y[0]
        y[:, :, :2], y[:, :, 22:] = 0, 0
        values = y.swapaxes(-1, -2)
    with h5py.File(path, "w") as file:
        file["kspace"] = values
        if xml is not None:
            file["ismrmrd_header"] = xml
        if mask is not None:
            file["mask"] = mask
        for key, value in more.items():
            file[key] = value
    return path, values


def told(error, said):
    assert str(error.value) == said


def test_fastmri_rows_become_x(tmp_path):
    mask = np.ones(24, np.float32)
    path, values = fastmri(tmp_path / "a.h5", xml=header(), mask=mask)
    assert is_scan(path)
    scan = open_scan(path)
    assert (scan.frames, scan.groups, scan.bands, scan.coils, scan.size) == (1, 3, 1, 4, (24, 32))
    np.testing.assert_array_equal(scan.kspace(0, 2), values[2].swapaxes(-1, -2))
    assert scan.base.oversampling == 2.0
    assert scan.geometry.spacing == (10.0, 10.0, 5.0)
    lines = scan.mask(0, 0)
    assert lines[2:22].all()
    assert not lines[:2].any()
    assert not lines[22:].any()
    assert (
        "lines at the edges that hold nothing: 2 before and 2 behind what was measured;"
        " zero-padding, like what isn't sampled, counts as not acquired"
    ) in scan.notes


def test_a_header_that_shows_another_order_is_believed(tmp_path):
    path, values = fastmri(
        tmp_path / "a.h5", xml=header(), values=made(groups=3, size=(24, 32)).y[0]
    )
    scan = open_scan(path, maps=None)
    assert scan.size == (24, 32)
    np.testing.assert_array_equal(scan.kspace(0, 1), values[1])
    assert "the header says that a readout has 32 samples: the last axis is x, not y" in scan.notes


def test_headers_that_conflict(tmp_path):
    path, _ = fastmri(tmp_path / "a.h5", xml=header(x=40))
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(
        error,
        "a.h5:/kspace is 3 x 4 x 32 x 24, but its header says 40 samples of a readout and 24 lines."
        " Say which axis is which, for example data.axes=[slice,coil,x,y].",
    )
    assert open_scan(path, axes="slice coil x y", maps=None).size == (24, 32)
    path, _ = fastmri(tmp_path / "b.h5", xml=header(y=30))
    note = "the header says 30 lines, k-space has 24; k-space is believed"
    assert note in open_scan(path, maps=None).notes
    path, _ = fastmri(tmp_path / "c.h5", xml=header(centre=6, last=11))
    note = "there are measurements where the header has zero-padding; they are believed"
    assert note in open_scan(path, maps=None).notes
    path, _ = fastmri(tmp_path / "d.h5", xml="<oops")
    with pytest.raises(UserError, match=r"d\.h5: its ISMRMRD header can't be read"):
        open_scan(path)
    path, _ = fastmri(tmp_path / "e.h5", xml="<ismrmrdHeader/>")
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "e.h5: its ISMRMRD header describes no encoding.")


def test_a_mask_over_the_last_axis_settles_the_order(tmp_path):
    path, values = fastmri(tmp_path / "a.h5", mask=np.arange(24) % 2)
    scan = open_scan(path, maps=None)
    assert scan.size == (24, 32)
    assert "the mask has 24 entries: the last axis is y" in scan.notes
    expected = values[0].swapaxes(-1, -2) * (np.arange(24) % 2)[:, None]
    np.testing.assert_array_equal(scan.kspace(0, 0), expected)
    assert any("lie outside the mask" in note for note in scan.notes)


def test_missing_lines_are_found_in_the_data(tmp_path):
    y = made(frames=1, groups=1, size=(24, 32), sigma=0.01).y[0]
    y[..., 1::2, :] = 0
    np.save(tmp_path / "a.npy", y)
    scan = open_scan(tmp_path / "a.npy", maps=None)
    assert scan.mask(0, 0)[::2].all()
    assert not scan.mask(0, 0)[1::2].any()
    assert "no mask in the file: the lines that hold data are it (50 % of k-space)" in scan.notes
    rng = np.random.default_rng(0)
    points = rng.random((24, 32)) < 0.3
    np.save(
        tmp_path / "b.npy", y[0, :, :] * 0 + points * made(groups=1, size=(24, 32), sigma=1).y[0, 0]
    )
    np.testing.assert_array_equal(open_scan(tmp_path / "b.npy", maps=None).mask(0, 0), points)


def bad(tmp_path, change, **options):
    y = made(frames=1, groups=1, size=(24, 32), sigma=0.01).y[0]
    np.save(tmp_path / "a.npy", change(y))
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "a.npy", **options)
    return str(error.value)


def test_values_that_are_no_kspace(tmp_path):
    def hole(y):
        y[0, 1, 2, 3] = np.inf
        return y

    assert bad(tmp_path, hole) == (
        "a.npy, frame 0, slice 0: 1 of 3072 values are NaN or infinite, the first at (1, 2, 3)."
        " Set them to 0 to have them treated as not acquired."
    )
    assert bad(tmp_path, lambda y: y * 0) == (
        "a.npy: nothing was measured, k-space is 0 everywhere."
    )
    assert bad(tmp_path, lambda y: y.real).startswith(
        "a.npy holds values of type float32; k-space is complex."
    )
    assert bad(tmp_path, lambda y: y[0, 0, 0]) == "a.npy holds no k-space: its shape is 32."
    assert bad(tmp_path, lambda y: np.fft.ifftshift(y, (-2, -1))) == (
        "a.npy: the centre of k-space is in its corner, at (0, 0); it has to be in the middle."
        " Apply numpy.fft.fftshift along y and x."
    )


def test_axes_that_cannot_be_right(tmp_path):
    assert bad(tmp_path, lambda y: np.moveaxis(y, 1, -1)) == (
        "a.npy is 1 x 24 x 32 x 4: read as slice coil y x it would have 24 coils."
        " Say what the axes are, for example data.axes=[slice,y,x,coil]."
    )
    assert bad(tmp_path, lambda y: y[None, None, None]) == (
        "a.npy is 1 x 1 x 1 x 1 x 4 x 24 x 32, and nothing says what its axes are;"
        " say so with data.axes, for example data.axes=[frame,slice,coil,y,x]."
    )
    assert bad(tmp_path, lambda y: y, axes=["slice", "coils", "y", "x"]) == (
        "axes=slice coils y x: 'coils' is no axis of k-space; choose from frame, slice, band,"
        " coil, y, x. Did you mean 'coil'?"
    )
    assert bad(tmp_path, lambda y: y, axes=["coil", "y", "x"]) == (
        "axes=coil y x doesn't fit: a.npy is 1 x 4 x 24 x 32, which takes 4 different words from"
        " frame, slice, band, coil, y, x, y and x among them."
    )
    y = made(frames=1, groups=2, size=(24, 32)).y[0]
    np.save(tmp_path / "b.npy", np.moveaxis(y, 1, -1))
    scan = open_scan(tmp_path / "b.npy", axes=["slice", "y", "x", "coil"], maps=None)
    np.testing.assert_array_equal(scan.kspace(0, 1), y[1])
    scan = open_scan(tmp_path / "b.npy", axes="time ky kx coil", maps=None)
    assert (scan.frames, scan.groups) == (2, 1)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (
            np.full(24, 0.5),
            "a.h5: the mask holds 0.5; a mask is 1 where k-space was measured and 0 elsewhere.",
        ),
        (np.zeros(24), "a.h5: nothing was measured, the mask is 0 everywhere."),
        (
            np.ones(20),
            "a.h5: its mask is 20, but k-space is 24 x 32 (y x); a mask over lines has 24 entries.",
        ),
        (
            np.ones((32, 23)),
            "a.h5: its mask is 32 x 23, but k-space is 24 x 32 (y x);"
            " a mask over lines has 24 entries.",
        ),
    ],
)
def test_masks_that_cannot_be_right(tmp_path, mask, said):
    path, _ = fastmri(tmp_path / "a.h5", xml=header(), mask=mask)
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, said)


def test_other_things_that_hdf5_files_hold(tmp_path):
    path, _ = fastmri(tmp_path / "a.h5", xml=header(), noise=np.ones((3, 50), np.complex64))
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "a.h5: its noise scan is 3 x 50; it should be 4 coils x samples.")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["image"] = np.ones((4, 4))
    assert not is_scan(tmp_path / "b.h5")
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "b.h5")
    told(
        error,
        "b.h5 isn't k-space that can be read: fastMRI or ISMRMRD HDF5, BART .cfl,"
        " or complex arrays in .npy, .npz or .mat.",
    )
    (tmp_path / "c.h5").write_bytes(path.read_bytes()[:3000])
    assert not is_scan(tmp_path / "c.h5")
    with pytest.raises(UserError):
        open_scan(tmp_path / "c.h5")
    with pytest.raises(UserError, match="There is no file"):
        open_scan(tmp_path / "d.h5")
    (tmp_path / "e.npy").touch()
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "e.npy")
    told(error, "e.npy is empty (0 bytes).")


def test_reversed_lines_are_turned_and_aligned(tmp_path):
    """A readout from the far end whose echo comes late: turning and navigators undo both."""
    y = made(frames=1, groups=1, size=(24, 32)).y[0, 0]
    late = np.exp(2j * np.pi * 0.8 * (np.arange(32) - 16) / 32) * np.exp(0.3j)

    def backwards(lines):
        image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(lines, -1)), -1)
        lines = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image * late, -1)), -1)
        return lines[..., (32 - np.arange(32)) % 32]

    seen, odd = y.copy(), np.arange(24) % 2 == 1
    seen[:, odd] = backwards(y[:, odd])
    centre = y[:, 12]
    navigators = np.stack([centre, backwards(centre), centre])
    path, _ = fastmri(
        tmp_path / "a.h5", values=seen[None], line_reflected=odd, navigators=navigators
    )
    scan = open_scan(path, maps=None)
    np.testing.assert_allclose(scan.kspace(0, 0), y, atol=1e-3 * np.abs(y).max())
    assert any(
        note == "12 of 24 readouts are reversed: they are turned around; navigators show them"
        " -0.80 samples apart from the others, which is corrected"
        for note in scan.notes
    )
    path, _ = fastmri(tmp_path / "b.h5", values=seen[None], line_reflected=odd[:20])
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "b.h5: its list of reversed lines has 20 entries, but there are 24 lines.")
    path, _ = fastmri(tmp_path / "c.h5", values=seen[None], line_reflected=odd)
    assert (
        "12 of 24 readouts are reversed: they are turned around; no navigators: a ghost of half"
        " the field of view may be left" in open_scan(path, maps=None).notes
    )


def write_cfl(path, values, dims):
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, dims)) + "\n")
    values.astype("<c8").ravel(order="F").tofile(path.with_suffix(".cfl"))


def test_bart_pairs(tmp_path):
    y = made(frames=3, groups=2, size=(24, 32)).y  # frame slice coil y x
    dims = [32, 24, 1, 4, 1, 1, 1, 1, 1, 1, 3, 1, 1, 2, 1, 1]
    stored = y.transpose(4, 3, 2, 0, 1).reshape(dims, order="A")
    stored = np.moveaxis(y, (0, 1, 2, 3, 4), (3, 4, 2, 1, 0))
    write_cfl(tmp_path / "k", stored, dims)
    for name in ("k.cfl", "k.hdr"):
        assert is_scan(tmp_path / name)
        scan = open_scan(tmp_path / name, maps=None)
        assert (scan.frames, scan.groups, scan.coils, scan.size) == (3, 2, 4, (24, 32))
        np.testing.assert_array_equal(scan.kspace(2, 1), y[2, 1])
    write_cfl(tmp_path / "p", y[0, 0].transpose(1, 2, 0)[None], [1, 24, 32, 4])
    scan = open_scan(tmp_path / "p.cfl", maps=None)
    np.testing.assert_array_equal(scan.kspace(0, 0), y[0, 0])
    assert "no readout (dimension 0 is 1): the two phase encodings are y and x" in scan.notes
    write_cfl(tmp_path / "v", np.ones((8, 8, 8, 2)), [8, 8, 8, 2])
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "v.cfl")
    told(
        error,
        "v.cfl: dimension 2 of BART's has length 8; bioreco reads 0 (x), 1 (y), 3 (coil), 10"
        " (frame), 13 (slice). Fourier transform dimension 2 of a 3D scan into slices"
        " (dimension 13).",
    )
    (tmp_path / "v.cfl").write_bytes(b"\0" * 100)
    (tmp_path / "v.hdr").write_text("# Dimensions\n8 8 1 2\n")
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "v.cfl")
    told(error, "v.cfl is cut short: it ends at byte 100, its pixels at byte 1024.")
    (tmp_path / "v.hdr").unlink()
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "v.cfl")
    told(error, "v.cfl: BART files come in pairs; there is no v.hdr.")


def test_numpy_archives_and_matlab(tmp_path):
    y, maps = made(frames=1, groups=1, size=(24, 32)).y[0, 0], coil_maps(4, (24, 32))
    mask = np.zeros((24, 32))
    mask[::2] = 1
    np.savez(tmp_path / "a.npz", ksp=y, mask=mask, maps=maps)
    assert is_scan(tmp_path / "a.npz")
    scan = open_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(scan.kspace(0, 0), y * mask)
    np.testing.assert_allclose(scan.maps(0)[0], maps, atol=1e-6)
    np.savez(tmp_path / "b.npz", one=y, two=y)
    with pytest.raises(UserError) as error:
        open_scan(tmp_path / "b.npz")
    told(
        error,
        "b.npz: call the array of k-space 'kspace'. There are: one (4 x 24 x 32 complex64),"
        " two (4 x 24 x 32 complex64).",
    )
    np.savez(tmp_path / "c.npz", image=np.ones(3))
    assert not is_scan(tmp_path / "c.npz")
    io.savemat(tmp_path / "d.mat", {"data": y.transpose(1, 2, 0)})
    scan = open_scan(tmp_path / "d.mat", maps=None)
    np.testing.assert_array_equal(scan.kspace(0, 0), y)
    io.savemat(tmp_path / "e.mat", {"data": y[0]})
    scan = open_scan(tmp_path / "e.mat", maps=None)
    assert (scan.coils, scan.size) == (1, (24, 32))
    assert (
        "a single coil: its map is 1 in the object, and undersampling can't be undone" in scan.notes
    )


def test_masks_and_maps_of_other_slices_or_coils(tmp_path):
    maps = coil_maps(4, (24, 32)).swapaxes(-1, -2)
    path, _ = fastmri(tmp_path / "a.h5", xml=header(), sensitivity_maps=np.stack([maps, maps]))
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "a.h5: its coil maps are of 2 slices, but k-space has 3.")
    path, _ = fastmri(tmp_path / "b.h5", xml=header(), sensitivity_maps=maps[:3])
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "b.h5: its coil maps are of 3 coils, but k-space has 4.")
    path, _ = fastmri(tmp_path / "c.h5", xml=header(), mask=np.ones((2, 32, 24)))
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "c.h5: its mask is of 2 frames, but k-space has 1.")
    masks = np.ones((3, 32, 24))
    masks[2, :, 9] = 0
    path, _ = fastmri(tmp_path / "d.h5", xml=header(), mask=masks)
    scan = open_scan(path, maps=None)
    assert scan.mask(0, 1)[9].all()
    assert not scan.mask(0, 2)[9].any()
    path, _ = fastmri(tmp_path / "e.h5", xml=header(), sensitivity_maps=maps)
    np.testing.assert_allclose(open_scan(path).maps(2)[0], maps.swapaxes(-1, -2), atol=1e-5)
    path, _ = fastmri(tmp_path / "f.h5", xml=header(), sensitivity_maps=maps[:, :20])
    with pytest.raises(UserError) as error:
        open_scan(path)
    told(error, "f.h5: its coil maps are 24 x 20, but k-space is 24 x 32 (y x).")


def test_a_readout_that_looks_oversampled_is_told(tmp_path):
    y = made(frames=1, groups=1, size=(24, 32)).x[0, 0, 0]
    wide = np.zeros((24, 64), np.complex64)
    wide[:, 16:48] = y
    np.save(tmp_path / "a.npy", to_kspace(wide)[None])
    note = (
        "the outer half of the image along x holds 0 % of its energy: if the readout is"
        " oversampled, and the header doesn't say so, say data.oversampling=2"
    )
    found = [n for n in open_scan(tmp_path / "a.npy", maps=None).notes if "outer half" in n]
    assert len(found) == 1
    assert found[0].partition("holds")[0] == note.partition("holds")[0]
    assert found[0].partition("%")[2] == note.partition("%")[2]
    np.save(tmp_path / "b.npy", to_kspace(y)[None])
    assert not [n for n in open_scan(tmp_path / "b.npy", maps=None).notes if "outer half" in n]
