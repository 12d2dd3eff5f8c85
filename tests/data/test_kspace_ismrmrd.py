"""ISMRMRD files, made here record by record as the standard lays them out."""

import numpy as np
import pytest
from kspaces import made

from bioreco.data.kspace.coils import covariance
from bioreco.data.kspace.fourier import to_image, to_kspace
from bioreco.data.kspace.scan import is_scan, open_scan
from bioreco.errors import UserError

h5py = pytest.importorskip("h5py")

INDEX = np.dtype(
    [(name, "<u2") for name in (
        "kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase",
        "repetition", "set", "segment",
    )]
    + [("user", "<u2", 8)]
)  # fmt: skip
HEAD = np.dtype(
    [
        ("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", 3),
        ("number_of_samples", "<u2"), ("available_channels", "<u2"), ("active_channels", "<u2"),
        ("channel_mask", "<u8", 16), ("discard_pre", "<u2"), ("discard_post", "<u2"),
        ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"), ("position", "<f4", 3), ("read_dir", "<f4", 3),
        ("phase_dir", "<f4", 3), ("slice_dir", "<f4", 3), ("patient_table_position", "<f4", 3),
        ("idx", INDEX), ("user_int", "<i4", 8), ("user_float", "<f4", 8),
    ]
)  # fmt: skip
RECORD = np.dtype(
    [
        ("head", HEAD),
        ("traj", h5py.vlen_dtype(np.float32)),
        ("data", h5py.vlen_dtype(np.float32)),
    ]
)
ENCODING = """<encoding><encodedSpace><matrixSize><x>32</x><y>24</y><z>1</z></matrixSize>
<fieldOfView_mm><x>320</x><y>240</y><z>4</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>16</x><y>24</y><z>1</z></matrixSize>
<fieldOfView_mm><x>160</x><y>240</y><z>4</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><maximum>23</maximum><center>{centre}</center>
</kspace_encoding_step_1></encodingLimits><trajectory>{trajectory}</trajectory>{more}</encoding>"""
MULTIBAND = """<parallelImaging><multiband><spacing><dZ>20</dZ></spacing><deltaKz>1</deltaKz>
<multiband_factor>2</multiband_factor><calibration>full3D</calibration>
<calibration_encoding>1</calibration_encoding></multiband></parallelImaging>"""


def encoding(centre=12, trajectory="cartesian", more=""):
    return ENCODING.format(centre=centre, trajectory=trajectory, more=more)


def record(values, *bits, line=0, slice=0, repetition=0, space=0, dwell=4.0, z=0.0, **head):
    """One readout (coils, samples) with its flags, which count from 1."""
    row = np.zeros(1, RECORD)[0]
    row["head"]["flags"] = sum(1 << (bit - 1) for bit in bits)
    row["head"]["number_of_samples"] = values.shape[1]
    row["head"]["active_channels"] = values.shape[0]
    row["head"]["center_sample"] = values.shape[1] // 2
    row["head"]["encoding_space_ref"] = space
    row["head"]["sample_time_us"] = dwell
    row["head"]["position"] = (5.0, -3.0, z)
    row["head"]["read_dir"], row["head"]["phase_dir"] = (0, 1, 0), (1, 0, 0)
    row["head"]["slice_dir"] = (0, 0, 1)
    row["head"]["idx"]["kspace_encode_step_1"] = line
    row["head"]["idx"]["slice"] = slice
    row["head"]["idx"]["repetition"] = repetition
    for key, value in head.items():
        if key in INDEX.names:
            row["head"]["idx"][key] = value
        else:
            row["head"][key] = value
    row["traj"] = np.zeros(0, np.float32)
    row["data"] = np.ascontiguousarray(values, np.complex64).view(np.float32).ravel()
    return row


def save(path, records, xml):
    head = '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><sequenceParameters><TR>1500</TR>'
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        text = f"{head}</sequenceParameters>{xml}</ismrmrdHeader>"
        group.create_dataset("xml", data=np.array([text.encode()], object),
                             dtype=h5py.string_dtype())  # fmt: skip
        data = group.create_dataset("data", (len(records),), RECORD, maxshape=(None,))
        for number, row in enumerate(records):
            data[number] = row
    return path


def lines_of(y, **options):
    """All readouts of k-space (coils, ky, kx)."""
    return [record(y[:, k], line=k, **options) for k in range(y.shape[1])]


def test_frames_and_slices_are_put_together(tmp_path):
    y = made(frames=2, groups=3, size=(24, 32), sigma=0.01).y
    heights = {0: 0.0, 1: 20.0, 2: 10.0}
    records = [record(np.ones((4, 32)), 24)]
    for f in range(2):
        for g in range(3):
            records += lines_of(y[f, g], slice=g, repetition=f, z=heights[g])
    path = save(tmp_path / "a.mrd.h5", records, encoding())
    assert is_scan(path)
    scan = open_scan(path, maps=None)
    assert (scan.frames, scan.groups, scan.bands, scan.coils, scan.size) == (2, 3, 1, 4, (24, 32))
    for f in range(2):
        for g in range(3):
            np.testing.assert_array_equal(scan.kspace(f, g), y[f, g])
    assert scan.oversampling == 2.0
    assert scan.geometry.repetition_time == 1.5
    assert scan.geometry.slices.ravel().tolist() == [0, 2, 1]
    # the centre of slice 2 (height 10) is where the readout says, left and posterior turned round
    centre = scan.geometry.affine @ [16, 12, 1, 1]
    np.testing.assert_allclose(centre, [-5, 3, 10, 1], atol=1e-5)
    step = scan.geometry.affine @ [17, 12, 1, 1] - centre  # along the readout, which is y here
    np.testing.assert_allclose(step, [0, -10, 0, 0], atol=1e-5)
    assert "readouts of noise, navigators and the like, not of the image: 1" in scan.notes


def test_noise_is_scaled_to_the_bandwidth(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 4000)) + 1j * rng.normal(size=(4, 4000))
    y = made(frames=1, groups=1, size=(24, 32)).y[0, 0]
    records = [record(noise, 19, dwell=2.0), *lines_of(y, dwell=8.0)]
    scan = open_scan(save(tmp_path / "a.h5", records, encoding()), maps=None)
    assert scan.noise().shape == (4, 4000)
    np.testing.assert_allclose(covariance(scan.noise()), 0.5 * np.eye(4), atol=0.05)


def test_reversed_lines_missing_lines_averages_and_partial_echoes(tmp_path):
    y = made(frames=1, groups=1, size=(24, 32)).y[0, 0]
    records = []
    for k in range(24):
        if k == 5:
            continue
        line = y[:, k, ::-1] if k % 2 else y[:, k]
        bits = (22,) if k % 2 else ()
        records.append(record(line, *bits, line=k, center_sample=15 if k % 2 else 16))
    records.append(record(3 * y[:, 8], line=8))
    scan = open_scan(save(tmp_path / "a.h5", records, encoding()), maps=None)
    expected = y.copy()
    expected[:, 5] = 0
    expected[:, 8] *= 2
    np.testing.assert_allclose(scan.kspace(0, 0), expected, atol=1e-6)
    assert not scan.mask(0, 0)[5].any()
    assert "12 of 23 readouts are reversed: they are turned around" not in scan.notes
    assert any("readouts are reversed" in note for note in scan.notes)
    assert "no phase-correction lines: a ghost of half the field of view may be left" in scan.notes
    part = [record(y[:, k, 8:], line=k, center_sample=8) for k in range(24)]
    scan = open_scan(save(tmp_path / "b.h5", part, encoding()), maps=None)
    np.testing.assert_array_equal(scan.kspace(0, 0)[..., 8:], y[..., 8:])
    assert (scan.kspace(0, 0)[..., :8] == 0).all()
    assert "samples of each readout that are 0: 8; they count as not acquired" in scan.notes


def test_phase_correction_lines_align_reversed_readouts(tmp_path):
    y = made(frames=1, groups=1, size=(24, 32)).y[0, 0]
    late = np.exp(2j * np.pi * 0.6 * (np.arange(32) - 16) / 32 + 0.4j).astype(np.complex64)

    def back(line):
        return to_kspace(to_image(line, (-1,)) * late, (-1,))[:, ::-1]

    records = [record(y[:, 12], 24), record(back(y[:, 12]), 24, 22, center_sample=15)]
    for k in range(24):
        records.append(
            record(back(y[:, k]), 22, line=k, center_sample=15) if k % 2 else
            record(y[:, k], line=k)
        )  # fmt: skip
    scan = open_scan(save(tmp_path / "a.h5", records, encoding(trajectory="epi")), maps=None)
    np.testing.assert_allclose(scan.kspace(0, 0), y, atol=1e-3 * np.abs(y).max())


def test_parallel_calibration_lines_and_a_centre_off_the_middle(tmp_path):
    y = made(frames=1, groups=1, size=(24, 32)).y[0, 0]
    records = [record(y[:, k], line=k - 2) for k in range(2, 24, 2)]
    records += [record(y[:, k], 20, line=k - 2) for k in range(4, 20)]
    scan = open_scan(save(tmp_path / "a.h5", records, encoding(centre=10)), maps=None)
    assert np.flatnonzero(scan.mask(0, 0).any(1)).tolist() == list(range(2, 24, 2))
    np.testing.assert_array_equal(scan.kspace(0, 0)[:, 2], y[:, 2])
    np.testing.assert_array_equal(scan.calibration(0)[0], y[:, 4:20])


def test_multiband_as_the_header_says(tmp_path):
    y = made(frames=1, groups=2, size=(24, 32)).y[0]
    alone = made(frames=1, groups=4, size=(24, 32), seed=1).y[0]
    records = []
    for g in range(2):
        records += lines_of(y[g], slice=g, z=10.0 * g)
    for s in range(4):
        lines = [record(alone[s][:, k], line=k, slice=s, space=1, z=10.0 * s) for k in range(6, 18)]
        records += lines
    xml = encoding(more=MULTIBAND) + encoding()
    path = save(tmp_path / "a.h5", records, xml)
    scan = open_scan(path, maps=None)
    assert (scan.groups, scan.bands, scan.caipi) == (2, 2, (0.0, 0.0))
    for g in range(2):
        for s in range(2):
            np.testing.assert_array_equal(scan.calibration(g)[s], alone[g + 2 * s][:, 6:18])
    assert scan.geometry.slices.tolist() == [[0, 2], [1, 3]]
    assert (
        "2 slices at once, as the header says; it doesn't say their CAIPI shifts, which are taken"
        " as 0: say data.caipi=[...], in pixels along y"
    ) in scan.notes
    assert open_scan(path, maps=None, caipi=[0.0, 8.0]).caipi == (0.0, 8.0)
    with pytest.raises(UserError) as error:
        open_scan(path, maps=None, caipi=[0.0, 8.0, 16.0])
    assert str(error.value) == "data.caipi has 3 shifts, but a.h5 has 2 bands."
    path = save(tmp_path / "b.h5", records[:-12], xml)
    with pytest.raises(UserError) as error:
        open_scan(path, maps=None)
    assert str(error.value) == (
        "b.h5: its header says 2 bands of 2 groups, but calibration lines are of 3 slices, not 4."
    )
    path = save(tmp_path / "c.h5", records[:48], xml)
    note = "multiband without single-band calibration lines: coil maps have to be given"
    assert note in open_scan(path, maps=None).notes


@pytest.mark.parametrize(
    ("records", "xml", "said"),
    [
        (
            [record(np.ones((2, 32)), 19)],
            encoding(),
            "a.h5: none of its 1 readouts is of an image.",
        ),
        (
            [record(np.ones((2, 40)))],
            encoding(),
            "a.h5: its readouts have 40 samples, but its header says 32.",
        ),
        (
            [record(np.ones((2, 32))), record(np.ones((3, 32)))],
            encoding(),
            "a.h5: its readouts are of 2 to 3 coils.",
        ),
        (
            [record(np.ones((2, 32)), line=30)],
            encoding(),
            "a.h5: its lines are 30 to 30 with the centre at 12, but its header says that there"
            " are 24.",
        ),
        (
            [record(np.ones((2, 32))), record(np.ones((2, 32)), kspace_encode_step_2=3)],
            encoding(),
            "a.h5 is a 3D scan (4 partitions); bioreco reads slices."
            " Fourier transform the partitions before.",
        ),
        (
            [record(np.ones((2, 32)))],
            encoding(trajectory="spiral"),
            "a.h5: its trajectory is spiral; bioreco reads Cartesian k-space.",
        ),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, records, xml, said):
    path = save(tmp_path / "a.h5", records, xml)
    with pytest.raises(UserError) as error:
        open_scan(path)
    assert str(error.value) == said
