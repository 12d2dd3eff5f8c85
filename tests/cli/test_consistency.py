"""Noise of an empty image: one number for each pixel that is measured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bioreco.cli.consistency import _pixelwise


@pytest.mark.parametrize(("down", "shape"), [(1, (1, 7, 9)), (2, (2, 8, 10)), (3, (1, 4, 7, 10))])
def test_fine_pixels_of_a_measured_one_share_their_noise(down, shape):
    found = _pixelwise(np.random.default_rng(0), shape, SimpleNamespace(down=down))
    assert found.shape == shape
    assert found.dtype == np.float32
    blocks = found[..., ::down, ::down]
    for row in range(down):
        for column in range(down):
            part = found[..., row::down, column::down]
            inside = tuple(slice(0, n) for n in part.shape)
            np.testing.assert_array_equal(part, blocks[inside])
    assert len(np.unique(blocks)) == blocks.size


def test_a_model_that_tells_nothing_has_pixels_as_fine_as_the_image():
    assert len(np.unique(_pixelwise(np.random.default_rng(0), (1, 5, 5), object()))) == 25
