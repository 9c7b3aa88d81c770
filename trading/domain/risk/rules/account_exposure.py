"""The account's notional in all symbols, with what is on its way; what is above is cut off."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.numbers import money
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Reduce, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    limit, held = facts.settings.account_exposure_cap, facts.copy.account_exposure
    if limit is None:
        return ALLOW
    if held is None:
        symbol = facts.copy.unpriced_symbol or facts.symbol
        return Deny(Reason(ReasonCode.EXPOSURE_UNKNOWN, {"symbol": symbol}))
    room = limit - held
    if facts.notional <= room:
        return ALLOW
    params = {
        "exposure": money(held),
        "entry": money(facts.notional),
        "limit": money(limit),
        "currency": facts.currency,
    }
    reason = Reason(ReasonCode.ACCOUNT_EXPOSURE, params)
    quantity = facts.quantity_worth(room)
    return Reduce(quantity, reason) if quantity else Deny(reason)


RULE = Rule(
    "account_exposure",
    330,
    judge,
    settings=("account_exposure_cap",),
    asks=frozenset({Fact.EXPOSURE}),
)
