"""Checkpoints are whole or absent, and nothing in them is run."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from bioreco.engine import checkpoint
from bioreco.errors import UserError

STATE = {"method": {"w": torch.arange(3.0)}, "step": 7, "config": {"a": [1, None, "x"]}}


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "deep" / "last.pt"
    checkpoint.save(path, STATE)
    found = checkpoint.load(path)
    assert torch.equal(found.pop("method")["w"], STATE["method"]["w"])
    assert found.pop("version")
    assert found == {"step": 7, "config": STATE["config"]}
    assert [p.name for p in path.parent.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "last.pt"
    checkpoint.save(path, STATE)
    before = path.read_bytes()

    def half(state, file):
        file.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(type(error)):
        checkpoint.save(path, {**STATE, "step": 8})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_missing_one_is_told(tmp_path):
    with pytest.raises(UserError) as said:
        checkpoint.load(tmp_path / "last.pt")
    assert str(said.value) == f"{tmp_path}/last.pt: there is no such checkpoint"


@pytest.mark.parametrize("kind", ["cut", "flipped", "text", "empty", "pickle"])
def test_a_damaged_one_is_told(tmp_path, kind):
    path = tmp_path / "last.pt"
    checkpoint.save(path, STATE)
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:30] + bytes(b ^ 255 for b in whole[30:90]) + whole[90:],
            "text": b"not a checkpoint at all",
            "empty": b"",
            "pickle": pickle.dumps([1, 2]),
        }[kind]
    )
    with pytest.raises(UserError) as said:
        checkpoint.load(path)
    assert str(said.value).startswith(f"{path} is not a checkpoint of bioreco")


@pytest.mark.parametrize(
    "content", [{"step": 1}, [1, 2], torch.zeros(2)], ids=["dict", "list", "tensor"]
)
def test_another_programs_checkpoint_is_told(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(UserError) as said:
        checkpoint.load(path)
    assert str(said.value) == f"{path} is not a checkpoint of bioreco"


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("plain", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path, plain):
    path, mark = tmp_path / "evil.pt", tmp_path / "ran"
    content = {**STATE, "config": Evil(str(mark))}
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(UserError) as said:
        checkpoint.load(path)
    assert str(said.value) == f"{path} is not a checkpoint of bioreco, or is damaged"
    assert not mark.exists()
