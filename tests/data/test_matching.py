"""Partners are found by their names, whatever the order; what is unclear is refused."""

from __future__ import annotations

import pytest

from bioreco.data.matching import RULE, match
from bioreco.errors import UserError


@pytest.mark.parametrize(
    ("image", "other"),
    [
        ("tomo_even.mrc", "tomo_odd.mrc"),
        ("tomo_odd.mrc", "tomo_even.mrc"),
        ("Position_7_EVN.mrc", "Position_7_ODD.mrc"),
        ("TomoEven3.rec", "TomoOdd3.rec"),
        ("a_1.tif", "a_2.tif"),
        ("a_01.tif", "a_02.tif"),
        ("frame0.tif", "frame1.tif"),
        ("run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc"),
        ("cell-a.tif", "cell-b.tif"),
        ("cell A.tif", "cell B.tif"),
        ("cell1a.tif", "cell1b.tif"),
        ("even/tomo.mrc", "odd/tomo.mrc"),
        ("even/tomo.mrc.gz", "odd/tomo.rec"),
        ("x.h5:/even", "x.h5:/odd"),
        ("x.h5:/raw/1", "x.h5:/raw/2"),
        ("even/x.zarr", "odd/x.zarr"),
        ("größe_1.tif", "größe_2.tif"),
        ("odd_even.tif", "odd_odd.tif"),
    ],
)
def test_partners_are_known_by_their_names(image, other):
    assert match([image], [other]) == [other]


def test_the_order_does_not_matter():
    images = [f"t{k}_even.mrc" for k in (3, 1, 12, 2)]
    others = [f"t{k}_odd.mrc" for k in (1, 12, 2, 3)]
    assert match(images, others) == [f"t{k}_odd.mrc" for k in (3, 1, 12, 2)]
    assert match(["s_1_1", "s_2_1"], ["s_2_2", "s_1_2"]) == ["s_1_2", "s_2_2"]


def test_equal_names_come_before_like_ones():
    images, others = ["x/t_1.tif", "x/t_2.tif"], ["y/t_2.tif", "y/t_1.tif"]
    assert match(images, others) == ["y/t_1.tif", "y/t_2.tif"]


def test_a_folder_of_both_halves_serves():
    halves = ["h/a_even.mrc", "h/a_odd.mrc", "h/b_even.mrc", "h/b_odd.mrc"]
    assert match(halves[::2], halves) == halves[1::2]


@pytest.mark.parametrize(
    ("images", "others", "text"),
    [
        (["a_even.mrc"], ["b_odd.mrc"], "a_even.mrc has no partner among the pairs"),
        (["a_1.tif"], ["a_3.tif"], "a_1.tif has no partner among the pairs"),
        (["t_11.tif"], ["t_12.tif"], "t_11.tif has no partner among the pairs"),
        (["sea.tif"], ["seb.tif"], "sea.tif has no partner among the pairs"),
        (["a_1_even"], ["a_2_odd"], "a_1_even has no partner among the pairs"),
        (["t_1"], ["t_0", "t_2"], "t_1 could be paired with t_0 or t_2"),
        (["a/x"], ["b/x", "c/x"], "a/x could be paired with b/x or c/x"),
        (["a/x", "b/x"], ["c/x"], "c/x could be the pair of a/x or of b/x"),
        (["t_0", "t_2"], ["t_1"], "t_1 could be the pair of t_0 or of t_2"),
        (["a_1"], ["a_2", "b_2"], "b_2 is among the pairs, but no image belongs to it"),
    ],
)
def test_what_is_unclear_is_refused(images, others, text):
    with pytest.raises(UserError) as said:
        match(images, others)
    assert str(said.value) == f"{text}: {RULE}"


def test_an_image_is_not_its_own_pair():
    with pytest.raises(UserError, match=r"^the pairs are the images themselves: name one half"):
        match(["a_1.tif", "a_2.tif"], ["./a_2.tif", "a_1.tif"])
