import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrace.training.stoprule import StopRule


def play(rule: StopRule, accuracies: list[float], every: float = 1.0) -> tuple[str | None, int]:
    """Feed a scripted sequence check by check; the outcome and the check (from 1) it came at."""
    epochs = [every * (i + 1) for i in range(len(accuracies))]
    for n in range(1, len(accuracies) + 1):
        outcome = rule.decide(epochs[:n], accuracies[:n])
        if outcome is not None:
            return outcome, n
    return None, len(accuracies)


def test_target_met_is_pass_at_the_first_such_check() -> None:
    assert play(StopRule(0.85, 10), [0.5, 0.84, 0.85, 0.9]) == ("PASS", 3)


def test_no_check_yet_decides_nothing() -> None:
    assert StopRule(0.0, 1).decide([], []) is None


def test_first_cutoff_stops_after_more_than_e_further_epochs() -> None:
    rule = StopRule(0.85, 100, ((0.01, 3), (0.02, 50)))
    # 0.84 is first met at epoch 2; epochs 3, 4, 5 are the three further ones, 6 is one more.
    assert play(rule, [0.5, 0.84, 0.8, 0.8, 0.8, 0.8, 0.8]) == ("PASS_1", 6)


def test_second_cutoff_stops_when_only_it_is_met() -> None:
    rule = StopRule(0.85, 100, ((0.01, 3), (0.02, 4)))
    assert play(rule, [0.83, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]) == ("PASS_2", 6)


def test_first_cutoff_wins_where_both_are_due() -> None:
    rule = StopRule(0.85, 100, ((0.01, 1), (0.02, 1)))
    assert play(rule, [0.84, 0.8, 0.8]) == ("PASS_1", 3)


def test_cutoffs_count_epochs_not_checks() -> None:
    rule = StopRule(0.85, 100, ((0.01, 1),))
    assert play(rule, [0.84] * 9, every=0.25) == ("PASS_1", 6)


def test_target_wins_over_cutoff_and_cap() -> None:
    rule = StopRule(0.85, 2, ((0.01, 0),))
    assert play(rule, [0.84, 0.85]) == ("PASS", 2)


def test_cap_stops_a_rule_that_can_never_be_met() -> None:
    assert play(StopRule(1.1, 4), [1.0] * 10) == ("CAP", 4)


@pytest.mark.parametrize("cap", [0, -1, float("inf"), float("nan")])
def test_a_cap_that_would_never_end_is_refused(cap: float) -> None:
    with pytest.raises(ValueError, match="max_epochs"):
        StopRule(0.9, cap)


def test_negative_cutoffs_and_nan_target_are_refused() -> None:
    with pytest.raises(ValueError, match="cut-off"):
        StopRule(0.9, 10, ((-0.1, 2),))
    with pytest.raises(ValueError, match="target"):
        StopRule(float("nan"), 10)


@given(
    accuracies=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    target=st.floats(0, 1.2),
    cutoffs=st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 5)), max_size=2),
)
def test_always_ends_by_the_cap_and_passes_iff_the_target_came_first(accuracies, target, cutoffs) -> None:
    rule = StopRule(target, 12, tuple(cutoffs))
    outcome, check = play(rule, accuracies)
    assert check <= 12
    if outcome == "PASS":
        assert accuracies[check - 1] >= target - 1e-6
    assert all(a < target for a in accuracies[: check - 1])
    if outcome is None:
        assert len(accuracies) < 12
