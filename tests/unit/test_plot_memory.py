"""Figures of learning, cost and memory reads: what they refuse and what they show."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from retrace.studies.memory.figures.cost_and_quality import cost_and_quality
from retrace.studies.memory.figures.learning_curves import learning_curves
from retrace.studies.memory.figures.logaxis import plain_log
from retrace.studies.memory.figures.reads import memory_reads
from retrace.studies.memory.figures.step_costs import cost_dots


def curves(stopped):
    rows = [("copy", "a", seed, step, 0.5 / step, stopped) for seed in (0, 1) for step in (10, 20)]
    return pd.DataFrame(rows, columns=["cell", "curve", "seed", "step", "errors", "stopped"])


@pytest.mark.parametrize("stopped", [True, False])
def test_a_dot_ends_a_line_only_where_training_stopped_by_itself(stopped):
    (ax,) = learning_curves(curves(stopped)).axes
    assert any(line.get_marker() == "o" for line in ax.lines) == stopped


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="learning_curves: the table has no column stopped"):
        learning_curves(curves(True).drop(columns="stopped"))
    with pytest.raises(ValueError, match="cost_dots: the table has no column ms"):
        cost_dots(pd.DataFrame({"condition": ["a"]}), "condition", ["ms"])
    with pytest.raises(ValueError, match="cost_and_quality: the table has no column"):
        cost_and_quality(pd.DataFrame({"cell": ["a"]}), "x", "y", hollow="h")
    with pytest.raises(ValueError, match="memory_reads: no reads"):
        memory_reads({})


def test_a_network_that_failed_in_some_seed_is_hollow():
    table = pd.DataFrame(
        {
            "cell": "c",
            "condition": ["a", "a", "b"],
            "x": [1.0, 2, 4],
            "y": [0.1, 0.2, 0],
            "h": [True, False, False],
        }
    )
    (ax,) = cost_and_quality(table, "x", "y", hollow="h").axes
    faces = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() not in ("None", "")]
    assert [face == "white" for face in faces] == [True, False]


def test_input_is_scaled_and_reads_are_not():
    fig = memory_reads({"input": np.array([[2.0, -4.0]]), "ntm": np.array([[0.25, 0.75]])})
    shown = [ax.images[0].get_array() for ax in fig.axes[:2]]
    assert shown[0].ravel().tolist() == [0.5, 1]
    assert shown[1].ravel().tolist() == [0.25, 0.75]


def test_logarithmic_labels_are_plain_numbers():
    ax = Figure().subplots()
    ax.set(xscale="log", xlim=(3, 30))
    plain_log(ax.xaxis)
    labels = [ax.xaxis.get_major_formatter()(v, 0) for v in ax.xaxis.get_majorticklocs() if 3 <= v <= 30]
    assert labels == ["5", "10", "20"]
