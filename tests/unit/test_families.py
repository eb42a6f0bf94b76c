"""Families: Holm's method where all claims are alike, a graph where the abstract's go first."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from retrace.claims.families import adjusted, stepped
from retrace.claims.model import Claim


def claims(*kinds):
    made = []
    for place, kind in enumerate(kinds):
        made.append(
            Claim.model_validate(
                {
                    "id": f"c{place}", "says": "s", "where": "w", "kind": "bound",
                    "origin": "ours" if kind == "ours" else "paper", "primary": kind == "head",
                    "testable": {"not_here": "nothing is measured here"},
                }
            )
        )  # fmt: skip
    return made


@pytest.mark.parametrize("draw", range(5))
def test_alike_claims_are_corrected_by_holm(draw):
    p = np.random.default_rng(draw).random(7) ** 3
    found, shares = adjusted(claims(*["paper"] * 7), list(p))
    assert found == pytest.approx(multipletests(p, method="holm")[1])
    assert shares == pytest.approx([1 / 7] * 7)


def test_what_a_decided_headline_used_goes_on():
    kinds = claims("head", "paper", "paper")
    found, shares = adjusted(kinds, [0.01, 0.024, 0.9])
    assert shares == pytest.approx([0.8, 0.1, 0.1])
    assert found[0] == pytest.approx(0.01 / 0.8)
    assert found[1] == pytest.approx(0.024 / 0.5)  # a tenth of its own, and half of the headline's
    assert adjusted(kinds, [0.9, 0.024, 0.9])[0][1] == pytest.approx(0.24)


def test_our_questions_are_a_family_of_their_own():
    found, _ = adjusted(claims("paper", "ours", "paper"), [0.03, 0.03, 0.5])
    assert found == pytest.approx([0.06, 0.03, 0.5])


def test_a_graph_of_two_chains_in_closed_form():
    """Two headlines that hand all they have to one claim each: fallback by hand."""
    weights = np.array([0.5, 0.5, 0.0, 0.0])
    passes = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]], dtype=float)
    found = stepped(np.array([0.02, 0.3, 0.03, 0.9]), weights, passes)
    assert found == pytest.approx([0.04, 0.3, 0.06, 0.9])


@pytest.mark.parametrize("heads", [0, 1, 3, 6])
def test_the_family_errs_at_most_at_its_level(heads):
    rng = np.random.default_rng(heads)
    kinds = claims(*["head"] * heads, *["paper"] * (6 - heads))
    wrong = sum(min(adjusted(kinds, list(rng.random(6)))[0]) < 0.05 for _ in range(1500))
    assert wrong <= 1500 * 0.05 + 3 * np.sqrt(1500 * 0.05 * 0.95)
