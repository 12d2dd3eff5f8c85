"""The script that shows the round trip of a folder."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import tifffile

SCRIPT = Path(__file__).parents[2] / "scripts" / "roundtrip.py"


def test_one_row_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py")
    stack = np.arange(600, dtype=np.uint16).reshape(3, 10, 20)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    np.save(tmp_path / "b.npy", stack[0])
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["k"] = stack.astype(complex)
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "d.txt").write_text("no image")
    monkeypatch.setattr("sys.argv", [str(SCRIPT), str(tmp_path), "--skip", "aside"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert caught.value.code == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "a.tif ZYX 3x10x20 uint16 tiff same"
    assert lines[1] == "b.npy YX 10x20 uint16 npy same"
    assert lines[2].startswith("c.h5:/k - refused: c.h5:/k holds complex numbers (complex128)")
    assert lines[-1] == "3 files: 2 same, 1 refused"
