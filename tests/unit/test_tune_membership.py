"""The rule by which points of the membership study's tuning are chosen."""

from tune_membership import choose, points


def test_of_points_accurate_enough_the_least_leak_else_the_most_accurate():
    found = [("m", "a", 0.93, 0.7), ("m", "b", 0.905, 0.6), ("m", "c", 0.88, 0.5)]
    assert choose(found, 0.92)[1] == "b"
    assert choose(found, 0.90)[1] == "c"
    assert choose(found, 0.96)[1] == "a"


def test_every_method_has_as_many_points():
    assert {len(tried) for tried in points().values()} == {4}
