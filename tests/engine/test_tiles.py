"""Tiles cover every pixel once, with all that the network looks at around it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioreco.engine.tiles import plan
from bioreco.errors import UserError

axis = st.tuples(
    st.integers(1, 70), st.integers(0, 9), st.sampled_from([1, 2, 4, 8]), st.integers(1, 40)
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(axis, min_size=2, max_size=3))
def test_tiles_are_a_partition_with_room_for_the_halo(axes):
    shape, halo, stride, more = zip(*axes, strict=True)
    rims = [math.ceil(h / s) * s for h, s in zip(halo, stride, strict=True)]
    tile = [2 * rim + s + m for rim, s, m in zip(rims, stride, more, strict=True)]
    tiles = plan(shape, tile, halo, stride)
    covered = np.zeros(shape, dtype=int)
    for one in tiles:
        covered[one.core] += 1
        assert one.size == tiles[0].size
        for core, inside, start, size, h, s, most in zip(
            one.core, one.inside, one.start, one.size, halo, stride, tile, strict=True
        ):
            assert start % s == 0
            assert size % s == 0
            assert size <= most
            assert core.start - start >= h
            assert start + size - core.stop >= h
            assert inside == slice(core.start - start, core.stop - start)
    assert (covered == 1).all()


def test_tiles_are_about_as_large_as_allowed():
    tiles = plan((1000, 1000), (256, 256), (20, 20), (4, 4))
    assert len(tiles) == 25
    assert tiles[0].size == (240, 240)


@pytest.mark.parametrize("stride", [None, (4, 4)])
def test_without_a_halo_the_frame_is_not_cut(stride):
    (tile,) = plan((30, 41), (16, 16), None, stride)
    assert tile.core == (slice(0, 30), slice(0, 41))
    assert tile.start == (0, 0)
    assert tile.size == ((32, 44) if stride else (30, 41))


def test_a_tile_no_larger_than_its_halo_is_told():
    with pytest.raises(UserError) as said:
        plan((100, 100), (40, 40), (18, 18), (4, 4))
    assert str(said.value) == (
        "inference.tile=40: 20 pixels to either side are needed beyond a tile,"
        " so it takes at least 44 pixels"
    )
