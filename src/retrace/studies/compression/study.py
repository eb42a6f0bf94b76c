"""The declaration of the compression study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.compression.params import Measure, Prepare
from retrace.studies.compression.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="compression",
    title="What does compression do to a language model's trust that its utility does not show?",
    papers={"dct": "Decoding Compressed Trust (ICML 2024)"},
    stages=(
        Stage("prepare", params=Prepare, reads=("dataset",), seeded=False, arrays=True, scratch=True),
        Stage(
            "measure", params=Measure, needs=("prepare",), reads=("dataset",), apart=("configs",), arrays=True
        ),
    ),
    figures=(
        Figure(
            "dct",
            "differences",
            "Points less (red) or more (blue) than the dense network, by compressor and dimension. Grey "
            "columns are not measurable: there the dense network is not clearly better than chance.",
        ),
        Figure(
            "dct",
            "bits",
            "Score against bits, by dimension; the line across is the dense network, dashed 5 points either "
            "side. Bars: 95 % t intervals over calibration seeds.",
        ),
        Figure(
            "dct",
            "size",
            "Trust and utility against size, means over what is measurable. Controls are grey.",
        ),
        Figure(
            "dct",
            "error",
            "Relative output error of the matrices (mean over all) against the loss on neutral sentences.",
        ),
        Figure(
            "dct",
            "beside",
            "What stands beside the scores, in points: the share of the more frequent raw answer (100: "
            "always the same), of answers in words that cannot be read, and differences between the sexes.",
        ),
    ),
    cuts=CUTS,
)
