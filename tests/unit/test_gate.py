"""Gates: what must hold before a claim can be tested."""

import pytest
from claim_tables import study_table

from retrace.claims.judge import judge
from retrace.claims.model import Claim, PaperClaims


def claim(**change):
    raw = {
        "id": "ranks",
        "says": "it ranks",
        "where": "abstract",
        "kind": "order",
        "evidence": {
            "study": "reuse",
            "statistic": "mean",
            "of": ["preindex"],
            "within": ["cell"],
            "where": {"network": "cnn"},
            "versus": {"of": "pixel_rmse"},
        },
        "expect": {"within": 0.5},
        "control": {"label": "costs a hundred more", "of": "late"},
    }
    return Claim.model_validate({**raw, **change})


def verdicts(*gates):
    """Of a claim with these gates, and of the same without, in one family."""
    table = study_table().assign(late=lambda t: t["epochs"] + 100, one=1.0)
    return judge([claim(gate=list(gates)), claim(id="free")], table)


HOLDS = {"label": "costs are positive", "of": "epochs", "expect": {"above": 0}}
FAILS = {"label": "beats the rival", "of": "one", "versus": {"of": "late"}, "expect": {"above": 0}}


def test_a_gate_that_holds_changes_nothing():
    gated, free = verdicts(HOLDS)
    assert (gated.verdict, gated.test) == ("supported", free.test)


def test_a_gate_that_fails_makes_a_claim_untestable_and_leaves_the_family():
    gated, free = verdicts(HOLDS, FAILS)
    assert gated.verdict == "not-measurable"
    assert gated.reason.startswith("beats the rival: -100")
    assert gated.reason.endswith(", not above 0")
    assert (gated.test, gated.would_decide) == (None, None)
    assert gated.measured is not None  # shown all the same
    assert free.test.adjusted == pytest.approx(verdicts(HOLDS)[1].test.adjusted / 2)


def test_a_gate_looks_at_one_side_unless_it_names_another():
    one = {"label": "itself", "expect": {"within": 0.5, "value": 1}}
    assert verdicts(one)[0].verdict == "supported"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"of": "nowhere"}, "beats the rival: the table has no column 'nowhere'"),
        ({"where": {"network": "lstm"}}, "beats the rival: no row where network is 'lstm'"),
    ],
)
def test_a_claim_whose_gate_cannot_be_measured_is_not_run(change, says):
    gated, _ = verdicts({**FAILS, **change})
    assert (gated.verdict, gated.reason[: len(says)]) == ("not-run", says)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ({"label": "free"}, "expect"),
        ({**HOLDS, "of": ["epochs", "kwh"]}, "gate.0: of: mean takes 1 column"),
        ({**HOLDS, "expects": 1}, "unknown key 'expects'.*did you mean 'expect'"),
    ],
)
def test_a_gate_that_says_too_little_is_refused(gate, says):
    with pytest.raises(ValueError, match=says):
        PaperClaims(paper="p", title="t", claims=[claim(gate=[gate])])
