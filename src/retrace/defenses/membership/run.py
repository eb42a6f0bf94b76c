"""The door to all defences."""

from __future__ import annotations

from retrace.defenses.membership import settings as s
from retrace.defenses.membership.advreg import advreg
from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.distilling.dmp import dmp
from retrace.defenses.membership.distilling.selena import selena
from retrace.defenses.membership.dpsgd import dpsgd
from retrace.defenses.membership.plain import early_stopping, with_loss
from retrace.defenses.membership.rewinding.cwrf import cwrf
from retrace.defenses.membership.rewinding.pptp import pptp
from retrace.defenses.membership.srcm import srcm


def defend(bench: Bench, method: s.Method) -> Defended:
    """Run one defence on all models of the bench."""
    match method:
        case s.Undefended(learning_rate=None):
            return Defended(bench.trained.copy())
        case s.EarlyStopping():
            return early_stopping(bench, method)
        case s.Srcm():
            return srcm(bench, method)
        case s.Cwrf():
            return cwrf(bench, method)
        case s.Pptp():
            return pptp(bench, method)
        case s.AdvReg():
            return advreg(bench, method)
        case s.Dmp():
            return dmp(bench, method)
        case s.Selena():
            return selena(bench, method)
        case s.DpSgd():
            return dpsgd(bench, method)
        case _:
            return with_loss(bench, method)
