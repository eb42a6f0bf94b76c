"""What an audit found: lines for the terminal, and one HTML page with the curves in it."""

from __future__ import annotations

import base64
from html import escape

from retrace.auditing.audit import Attacked, ModelAudit
from retrace.auditing.picture import roc_figure
from retrace.plot.style import image

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left}img{max-width:100%}.warn{border-left:4px solid #D55E00;padding-left:.8rem}"
)


def summary(found: ModelAudit) -> list[str]:
    """The audit in sentences, the answer first."""
    best, level = found.strongest, f"{found.level:.0%}"
    a = found.answers
    members = int(a.member.sum())
    lines = [
        f"Strongest attack: {best.name}, AUC {best.auc.value:.3f} ({level} interval {best.auc.low:.3f} to "
        f"{best.auc.high:.3f}; 0.5 is guessing).",
        f"Empirical epsilon: at least {found.epsilon:.2f} (delta {found.delta:g}, {level} confidence over "
        "all attacks), if every example was a member by a fair coin.",
        f"Asked about {members} members and {len(a.member) - members} non-members; accuracy "
        f"{found.accuracy[0]:.1%} on members, {found.accuracy[1]:.1%} on non-members.",
    ]
    if found.blind is None:
        lines.append(
            "Whether members and non-members are alike was not checked: give references that saw neither "
            "set. Sets of different origin look like a leak."
        )
    else:
        lines.append(
            f"Models that never saw the examples tell members from non-members with AUC "
            f"{found.blind.value:.3f} ({found.blind.low:.3f} to {found.blind.high:.3f})"
            + (
                ": the two sets differ, and the figures above mix that difference with memory."
                if found.sets_differ
                else ": the two sets are alike, as they should be."
            )
        )
    lines.append(
        "Intervals are over the examples asked about, for this one model; another training run would "
        "differ, too (retrace.library.run_attacks audits many)."
    )
    return lines


def rows(found: ModelAudit) -> list[list[str]]:
    """The table: a row an attack, the head first."""
    fprs = list(found.strongest.tpr)
    head = ["attack", "AUC", f"{found.level:.0%} interval"]
    return [
        [*head, *(f"TPR at {fpr:.1%} FPR" for fpr in fprs), "epsilon at least"],
        *(_row(attack) for attack in found.attacks),
    ]


def _row(attack: Attacked) -> list[str]:
    a = attack.auc
    rates = [f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})" for rate in attack.tpr.values()]
    epsilon = f"{attack.epsilon.epsilon:.2f} ({attack.epsilon.correct} of {attack.epsilon.guesses} right)"
    return [attack.name, f"{a.value:.3f}", f"{a.low:.3f} to {a.high:.3f}", *rates, epsilon]


def text(found: ModelAudit) -> str:
    """Table and sentences for the terminal."""
    table = rows(found)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([*lines, "", *summary(found)])


def page(found: ModelAudit, title: str) -> str:
    """One HTML page without anything from elsewhere; the same audit gives the same bytes."""
    head, *body = rows(found)
    table = "".join(
        f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in row)}</tr>\n"
        for tag, row in [("th", head), *(("td", row) for row in body)]
    )
    warn = ' class="warn"'
    said = "".join(
        f"<p{warn if found.sets_differ and 'sets differ' in line else ''}>{escape(line)}</p>\n"
        for line in summary(found)
    )
    picture = base64.b64encode(image(roc_figure(found), "png")).decode()
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n{said}<table>\n{table}</table>\n"
        f'<p><img alt="ROC curves" src="data:image/png;base64,{picture}"></p>\n</body></html>\n'
    )
