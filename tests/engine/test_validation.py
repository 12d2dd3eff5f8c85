"""Validation: what is drawn while training runs."""

from __future__ import annotations

import numpy as np
import torch

from bioreco.engine.curves import drawn
from bioreco.engine.runtime import Runtime
from bioreco.engine.validation import validate
from bioreco.methods.method import Estimate, Method


class Known(Method):
    """A method that has spectra, or none."""

    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def spectra(self, batch):
        return {name: value * torch.ones(9) for name, value in self.lines.items()}

    def validate(self, batch):
        return {"loss": batch["y"].mean()}

    def reconstruct(self, batch):
        return Estimate(batch["y"])


class Board:
    """Keeps the pictures."""

    def __init__(self):
        self.pictures = {}

    def picture(self, name, step, pixels):
        self.pictures[name] = pixels


class Two:
    """Two batches."""

    def validation(self):
        return [{"y": torch.ones(1, 1, 8, 8)}, {"y": torch.zeros(1, 1, 8, 8)}]


def test_spectra_are_drawn_where_there_are_some():
    board, samples = Board(), Two()
    found = validate(Known({"a": 1.0, "b": 2.0}), samples, Runtime("cpu"), board, 5, None)
    assert found == {"val/loss": 0.5}
    assert set(board.pictures) == {"reconstruction", "spectra"}
    board = Board()
    validate(Known({}), samples, Runtime("cpu"), board, 5, None)
    assert set(board.pictures) == {"reconstruction"}


def test_lines_are_told_apart():
    one = np.logspace(0, -3, 20, dtype=np.float32)
    pixels = drawn({"particles": one, "simulated": one[::-1]})
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert not np.array_equal(pixels, drawn({"particles": one}))
