"""Noise models come back from their files, and other files are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bioreco.errors import UserError
from bioreco.noise import files
from bioreco.noise.files import Stored
from bioreco.noise.gaussian import Gaussian
from bioreco.noise.mixture import Mixture
from bioreco.noise.poisson_gaussian import PoissonGaussian


def mixture() -> Mixture:
    rng = torch.Generator().manual_seed(0)
    s = 100 * torch.rand(2000, generator=rng)
    model = Mixture(components=2)
    model.calibrate(s + torch.randn(2000, generator=rng) * (1 + s / 20), s)
    return model


def test_a_file_holds_the_model(tmp_path):
    model, path = mixture(), tmp_path / "new" / "camera.noise"
    files.save(path, model)
    assert [p.name for p in path.parent.iterdir()] == ["camera.noise"]
    stored = Stored(path=str(path))
    assert not stored.known
    assert stored.informed_by([])
    stored.fit([])
    assert stored.known
    y, s = torch.rand(9) * 90, torch.rand(9) * 90
    assert torch.equal(stored.log_prob(y, s), model.log_prob(y, s))
    assert torch.equal(stored.variance(s), model.variance(s))
    assert stored.span == model.span
    assert stored.describe() == f"{model.describe()} (from camera.noise)"
    assert stored.state()["kind"] == "mixture"


def test_a_checkpoint_holds_it_without_the_file(tmp_path):
    path = tmp_path / "camera.noise"
    files.save(path, mixture())
    stored = Stored(path=str(path))
    stored.fit([])
    torch.save(stored.state_dict(), tmp_path / "state.pt")
    path.unlink()
    other = Stored(path=str(path))
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    s = torch.rand(9) * 90
    assert torch.equal(other.variance(s), stored.variance(s))
    blank = Stored(path=str(path))
    blank.load_state_dict(Stored(path=str(path)).state_dict())
    assert not blank.known


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    files.save(tmp_path / "a.noise", Gaussian(sigma=2.0))

    def full(state, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="can't be written: No space left on device"):
        files.save(tmp_path / "a.noise", PoissonGaussian(gain=1.0, offset=0.0, read=1.0))
    assert [p.name for p in tmp_path.iterdir()] == ["a.noise"]
    assert files.load(tmp_path / "a.noise").describe() == "Gaussian noise of 2 grey levels"


def test_other_files_are_told(tmp_path):
    path = tmp_path / "x.noise"
    with pytest.raises(UserError, match="there is no such file"):
        Stored(path=str(path)).fit([])
    good = Gaussian(sigma=1.0).state() | {"noise_model": 1}
    damaged = [
        b"", b"not a model", {"noise_model": 1}, [1], {"method": 1}, good | {"kind": "other"},
        good | {"options": {"bins": 3}}, good | {"tensors": {}},
    ]  # fmt: skip
    for content in damaged:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(UserError) as said:
            files.load(path)
        assert "is not a noise model of bioreco, or is damaged" in str(said.value)
