"""No entries for the rest of the firm's day once the account has lost so much in it."""

from __future__ import annotations

from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk.facts import ZERO, EntryFacts
from trading.domain.risk.numbers import money, percent
from trading.domain.risk.verdicts import ALLOW, Deny, Fact, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    amount = facts.settings.daily_loss_limit
    share = facts.settings.daily_loss_limit_percent
    if amount is None and share is None:
        return ALLOW
    now, start = facts.account.now, facts.account.day_start
    if now is None or start is None:
        return Deny(Reason(ReasonCode.EQUITY_HISTORY_UNKNOWN))
    lost = start - now
    if lost <= ZERO:
        return ALLOW
    if amount is not None and lost >= amount:
        params = {"lost": money(lost), "limit": money(amount), "currency": facts.currency}
        return Deny(Reason(ReasonCode.DAILY_LOSS, params))
    if share is not None and (start <= ZERO or lost / start * 100 >= share):
        said = percent(lost / start * 100) if start > ZERO else "100"
        params = {"percent": said, "limit": percent(share), "lost": money(lost)}
        return Deny(Reason(ReasonCode.DAILY_LOSS_PERCENT, params))
    return ALLOW


RULE = Rule(
    "daily_loss",
    230,
    judge,
    settings=("daily_loss_limit", "daily_loss_limit_percent"),
    asks=frozenset({Fact.EQUITY}),
)
