"""All rules on one entry."""

from __future__ import annotations

from dataclasses import replace

from trading.domain.risk.controls import Controls, control_denial
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.registry import RULES
from trading.domain.risk.verdicts import ALLOW, Deny, Reduce, Verdict


def judge_entry(facts: EntryFacts, controls: Controls) -> Verdict:
    """All rules in order: the first denial wins, each reduction is judged by those after it.

    What is reduced to less than the venue takes is denied with the reduction's reason.
    """
    denial = control_denial(controls, is_entry=True)
    if denial is not None:
        return Deny(denial)
    result: Verdict = ALLOW
    for rule in RULES:
        verdict = rule.judge(facts)
        if isinstance(verdict, Deny):
            return verdict
        if isinstance(verdict, Reduce):
            facts = replace(facts, quantity=verdict.quantity)
            result = verdict
    if isinstance(result, Reduce) and _is_too_little(result, facts):
        return Deny(result.reason)
    return result


def _is_too_little(reduced: Reduce, facts: EntryFacts) -> bool:
    instrument = facts.instrument
    return instrument.quantity_down(reduced.quantity) < instrument.min_size
