"""Figures of the compression study, on made-up networks: what is shown, marked and left grey."""

import numpy as np
import pandas as pd
import pytest

from retrace.plot.style import image
from retrace.studies.compression.figures.beside import beside
from retrace.studies.compression.figures.bits import against_bits
from retrace.studies.compression.figures.differences import GREY, heat_map
from retrace.studies.compression.figures.error import against_loss
from retrace.studies.compression.figures.size import trade_off
from retrace.studies.compression.figures.words import network, order


@pytest.fixture
def networks():
    about = {
        "dense": ("dense", False, np.nan, 16.0),
        "rtn_8": ("rtn", False, 8.0, 8.5),
        "gptq_3": ("gptq", False, 3.0, 3.5),
        "random_24": ("random", True, np.nan, 8.0),
    }
    rows = []
    for seed in range(3):
        for n, (name, (method, control, bits, size)) in enumerate(about.items()):
            rows.append(
                {
                    "seed": seed,
                    "cell": "cell",
                    "network": name,
                    "method": method,
                    "control": control,
                    "bits": bits,
                    "size": size,
                    "score_ethics": 0.9 - 0.1 * n,
                    "score_privacy": 0.4,
                    "refused_ethics": 0.2 * n,
                    "trust": 0.9 - 0.1 * n,
                    "utility": np.nan,
                    "loss": 3.0 + n,
                    "error": np.nan if name == "dense" else 0.1 * n,
                }
            )
    return pd.DataFrame(rows)


def test_the_heat_map_marks_refusals_and_greys_what_is_not_measurable(networks):
    fig = heat_map(networks, {"cell": ("ethics",)})
    [ax] = fig.axes
    assert [t.get_text() for t in ax.texts] == ["-10*", "+0", "-20*", "+0", "-30*", "+0"]
    assert len(ax.patches) == 3
    assert ax.patches[0].get_facecolor() == pytest.approx(
        (*tuple(int(GREY[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1)
    )
    assert [t.get_text() for t in ax.get_yticklabels()] == ["RTN 8", "GPTQ 3", "random mask 2:4"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["ethics\n90", "privacy\n40"]
    assert image(fig, "png")


def test_bits_have_a_panel_a_dimension_and_say_what_is_not_measurable(networks):
    fig = against_bits(networks, ("ethics",))
    assert [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes] == [
        "ethics",
        "privacy\n(not measurable)",
    ]
    assert image(fig, "png")


def test_what_nothing_measures_has_no_panel(networks):
    fig = trade_off(networks)
    assert [ax.get_ylabel() for ax in fig.axes] == ["trust (points)", "loss (nats a token)"]
    front = [line for line in fig.axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert front[0].get_ydata()[-1] == pytest.approx(90)
    assert image(fig, "png")


def test_controls_are_in_the_figure_of_errors(networks):
    fig = against_loss(networks)
    assert [t.get_text() for t in fig.axes[0].texts] == ["8", "3", "2:4", "dense"]
    assert image(fig, "png")


def test_what_stands_beside_is_shown_as_far_as_there_is_any(networks):
    own = networks.assign(constant_ethics=0.9, unreadable_ethics=0.25, demographic=0.1)
    own.loc[own["network"] == "dense", "constant_ethics"] = np.nan
    [ax] = beside(own).axes
    words = [t.get_text() for t in ax.get_xticklabels()]
    assert words == ["same answer: ethics", "unreadable: ethics", "fairness: parity"]
    assert [t.get_text() for t in ax.texts] == ["25", "10", *["90", "25", "10"] * 3]
    assert image(beside(own), "png")


def test_networks_have_words_and_an_order():
    assert network("gptq_3_plain") == "GPTQ 3 plain"
    assert network("magnitude_48") == "magnitude 4:8"
    assert network("noise_3") == "noise like RTN 3"
    names = ["random_24", "gptq_3", "rtn_8", "rtn_4", "dense"]
    assert sorted(names, key=order) == ["dense", "rtn_8", "rtn_4", "gptq_3", "random_24"]
