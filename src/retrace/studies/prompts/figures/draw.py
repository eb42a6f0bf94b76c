"""The prompts study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.prompts.figures.accuracy import against_epsilon
from retrace.studies.prompts.figures.leakage import by_method
from retrace.studies.prompts.figures.tokens import by_accountant
from retrace.studies.prompts.figures.transfer import matrix
from retrace.studies.prompts.figures.votes import over_polls
from retrace.studies.prompts.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table."""
    table, pictures = tabled.frame, tabled.pictures
    methods = table[table["type"] == "method"].dropna(axis="columns", how="all")
    polls = pictures.polls.assign(poll=pictures.polls.groupby(["cell", "seed", "method"]).cumcount() + 1)
    polls = polls[polls["cell"] == polls["cell"].iloc[0]]  # voters and margins differ from cell to cell
    private = polls.dropna(subset=["epsilon0"])
    margins = private.groupby("method", sort=False)["margin"].mean().reset_index()
    return {
        "accuracy": against_epsilon(methods),
        "tokens": by_accountant(pictures.curves),
        "votes": over_polls(polls[polls["method"].isin(["opt", *private["method"].unique()])], margins),
        "leakage": by_method(methods),
        "transfer": matrix(methods, pictures.readers),
    }
