import pytest

from bmc.diagnostics.problems.names import UnknownLayer
from bmc.diagnostics.suggest import closest, distance, listing
from bmc.source import Source, Span


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("dens", ["conv", "dense"], "dense"),
        ("kernle", ["kernel"], "kernel"),
        ("Conv", ["conv"], "conv"),
        ("x", ["y"], None),
        ("banana", ["conv", "dense"], None),
        ("abcd", ["abce", "abcf"], "abce"),
        ("", ["a"], None),
        ("a" * 65, ["a" * 64], None),
    ],
)
def test_closest(name, candidates, expected):
    assert closest(name, candidates) == expected


def test_distance_stops_at_the_limit():
    assert distance("kitten", "sitting", 5) == 3
    assert distance("kitten", "sitting", 2) == 3
    assert distance("ab", "ba", 2) == 1


def test_known_wrong_guesses_are_answered_with_the_right_name():
    from bmc.samples import load_declarations

    load_declarations()
    span = Span(Source("a.bm", "linear"), 0, 6)
    assert UnknownLayer(span, "linear", ("lines",)).diagnostic().help == "did you mean `dense`?"


def test_listing_is_short():
    assert listing(["a"]) == "`a`"
    assert listing(["a", "b", "c"]) == "`a`, `b` and `c`"
    assert listing(map(str, range(20)), 3) == "`0`, `1`, `2` and 17 more"
