"""All rules on one entry."""

from __future__ import annotations

from trading.domain.reasons import Reason
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
            facts = facts.sized(verdict.quantity, facts.direction)
            result = verdict
    if isinstance(result, Reduce) and _is_too_little(result, facts):
        return Deny(result.reason)
    return result


_ABOUT_PARTIES = frozenset(
    {"participants", "account_health", "account_mode", "settings_readable", "leverage"}
)


def judge_change(facts: EntryFacts, controls: Controls) -> Reason | None:
    """Why the terms of what is held are not changed as the leader changed its own: by the rules
    that ask nothing of an order's size or price."""
    denial = control_denial(controls, is_entry=True)
    if denial is not None:
        return denial
    for rule in RULES:
        verdict = rule.judge(facts) if rule.name in _ABOUT_PARTIES else ALLOW
        if isinstance(verdict, Deny | Reduce):
            return verdict.reason
    return None


_ABOUT_MONEY = frozenset(
    {"symbol_exposure", "account_exposure", "total_cap", "liquidation_distance", "free_margin"}
)


def judge_more(facts: EntryFacts) -> Reason | None:
    """Why what an entry costs more than it was judged at is not allowed; `facts.quantity` is that
    part of it. Only by the rules that compare money: the others have judged the entry itself."""
    for rule in RULES:
        verdict = rule.judge(facts) if rule.name in _ABOUT_MONEY else ALLOW
        if isinstance(verdict, Deny | Reduce):
            return verdict.reason
    return None


def _is_too_little(reduced: Reduce, facts: EntryFacts) -> bool:
    instrument = facts.instrument
    return instrument.quantity_down(reduced.quantity) < instrument.min_size
