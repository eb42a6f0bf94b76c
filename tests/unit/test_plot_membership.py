"""The privacy-utility plane: which methods it shows, and with which intervals."""

import numpy as np
import pandas as pd
import pytest

from retrace.plot.table import shown_for
from retrace.studies.membership.figures.privacy_utility import plane
from retrace.studies.membership.figures.rows import of_paper
from retrace.studies.membership.table import Pictures
from retrace.tabled import Tabled

LEAKS = [0.5, 0.6, 0.7, np.nan]


def targets():
    accuracies = {"none": 0.9, "own": 0.7, "weak": 0.7, "near": 0.8, "rewound_1": 0.9}
    columns = {f"accuracy_{name}": value for name, value in accuracies.items()}
    columns |= {f"unflipped_strongest_{name}": LEAKS for name in accuracies}
    columns |= {f"strongest_{name}": 0.9 for name in accuracies}  # with flipped labels: not shown
    return pd.DataFrame({"cell": "c", "type": "target", **columns})


def test_half_widths_are_those_of_students_t():
    (row,) = (r for r in plane(targets(), "own").to_dict("records") if r["method"] == "none")
    assert row["strongest"] == pytest.approx(0.6)
    assert row["strongest_half"] == pytest.approx(0.24841377)  # t of 2 degrees, 0.975: 4.3027
    assert row["accuracy_half"] == pytest.approx(0, abs=1e-12)


def test_of_methods_far_less_accurate_only_the_papers_own_is_shown():
    assert set(plane(targets(), "own")["method"]) == {"none", "own", "near"}
    assert plane(targets().drop(columns=["accuracy_own", "strongest_own"]), "own").empty


def test_cells_across_papers_are_in_their_own_figures_alone():
    frame = pd.DataFrame({"cell": ["digits", "across-a", "digits"]})
    both = {(0, "digits"): {}, (0, "across-a"): {}}
    tabled = Tabled(frame, pictures=Pictures([0.1], attacked=both, noted=both))
    for paper, cell in (("cwrf", "digits"), ("across-membership", "across-a")):
        shown = of_paper(paper, tabled)
        assert set(shown.frame["cell"]) == {cell}
        assert set(shown.pictures.attacked) == set(shown.pictures.noted) == {(0, cell)}
    for paper, cell in (("arm", "digits"), ("across-reuse", "across-a")):
        assert set(frame[shown_for(paper, frame["cell"])]["cell"]) == {cell}


def test_without_cells_across_papers_every_figure_shows_all():
    frame = pd.DataFrame({"cell": ["tiny"]})
    tabled = Tabled(frame, pictures=Pictures([0.1], attacked={(0, "tiny"): {}}))
    for paper in ("across-membership", "cwrf"):
        shown = of_paper(paper, tabled)
        assert (len(shown.frame), list(shown.pictures.attacked)) == (1, [(0, "tiny")])
