"""What is stored as settings has to be values: nobody enters by a guess."""

from __future__ import annotations

from trading.domain.risk.facts import EntryFacts
from trading.domain.risk.verdicts import ALLOW, Deny, Rule, Verdict


def judge(facts: EntryFacts) -> Verdict:
    return ALLOW if facts.settings_doubt is None else Deny(facts.settings_doubt)


RULE = Rule("settings_readable", 10, judge)
