"""Audit the accountants: attack drawn transcripts of worst votes; count tokens at the paper's setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrace.privacy.accountant import Accountant, Sampling, token
from retrace.privacy.mechanisms import LimitedDomain
from retrace.privacy.renyi import epsilon
from retrace.privacy.worst_votes import audit, worst
from retrace.seeds import generator
from retrace.stage import Inputs, Output

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Attack

BROKEN = 3.0  # a mechanism with a third of the noise it says, which an audit must catch
FAILURE = 1e-9  # delta of one audited token: next to none
# SST-2 in the released code: records less 1 %, records a batch, epsilon, noise, delta of a token
RECORDS, BATCH, TARGET, EPSILON0, DELTA0 = 66_675, 1025, 8.0, 1.8, 5e-7


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Results: epsilons by audit, and tokens at the paper's setting.

    `proved` by attack, of the mechanism; `broken`, of one with too little noise; `proven` and `official`, by
    the accountants; `exact`, of the worst votes.
    """
    audits: dict[str, dict[str, float]] = {}
    for name, setting in params.audits.items():
        sampling: Sampling = "poisson" if setting.rate < 1 else "none"
        bounds = {}
        for kind in (False, True):
            counted = Accountant()
            counted.step(token(setting.epsilon0, FAILURE, setting.rate, sampling, kind), setting.steps)
            bounds["official" if kind else "proven"] = counted.epsilon(params.audit_delta)
        proved = {}
        for word, factor in (("proved", 1.0), ("broken", BROKEN)):
            mechanism = LimitedDomain(factor * setting.epsilon0, FAILURE, 1000)
            rng = generator(seed, "prompts", "audit", name, word)
            found = audit(
                (mechanism, mechanism), setting.lead, params.audit_voters, setting.steps, setting.rate,
                params.audit_delta, params.trials, rng,
            )  # fmt: skip
            proved[word] = found.proved
        leads = range(-6, 7, 2)
        exact = worst(setting.epsilon0, setting.steps, setting.rate, params.audit_delta, leads)[1]
        audits[name] = {**bounds, **proved, "exact": exact}
    return Output({"audits": audits, "paper": _paper()})


def _paper() -> dict[str, Any]:
    """Tokens for epsilon 8 by each accountant, and what real votes then give away at the delta of as many.

    As the released code has it: delta of the conversion is that of a token, and tokens add their own.
    """
    rate, leads = BATCH / RECORDS, range(-6, 3)
    queries = {
        "official": token(EPSILON0, DELTA0, rate, "poisson", official_formula=True),
        "proven": token(EPSILON0, DELTA0, rate, "poisson"),
    }

    def exact(count: int) -> float:
        return worst(EPSILON0, count, rate, DELTA0 + count * rate * DELTA0, leads)[1]

    curves: dict[str, list[float]] = {"tokens": [1, *range(100, 2001, 100)]}
    tokens = {}
    for name, query in queries.items():
        table = [epsilon(count * query.cost, DELTA0) for count in range(1, 2001)]
        tokens[name] = sum(value <= TARGET for value in table)
        curves[name] = [table[int(count) - 1] for count in curves["tokens"]]
    curves["exact"] = [exact(int(count)) for count in curves["tokens"]]
    return {
        "tokens": tokens,
        "exact": {name: exact(count) for name, count in tokens.items()},
        "curves": curves,
    }
