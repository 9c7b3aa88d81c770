"""Why a copy may not begin, in words for clients and staff."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from strategies.domain.admission import Refusal, Refused

_TEXTS: dict[Refused, str] = {
    Refused.NOT_OFFERED: gettext_noop("There is no such strategy."),
    Refused.NOT_INVITED: gettext_noop(
        "This strategy is for invited customers only: invite the customer first."
    ),
    Refused.NOT_ACTIVE: gettext_noop("This strategy takes no new copies at the moment."),
    Refused.ACCOUNT_CLOSED: gettext_noop("This account is closed."),
    Refused.ALREADY_COPIED: gettext_noop("This account already follows this strategy."),
    Refused.FULL: gettext_noop("All %(limit)s places of this strategy are taken."),
    Refused.WORTH_UNKNOWN: gettext_noop(
        "This strategy needs at least $%(minimum)s, and what the account is worth has not been "
        "read lately. Try again in a few minutes."
    ),
    Refused.BELOW_MINIMUM: gettext_noop(
        "This strategy needs at least $%(minimum)s on the account, which has $%(worth)s."
    ),
}
_OF_STRATEGY = frozenset(
    {Refused.NOT_OFFERED, Refused.NOT_INVITED, Refused.NOT_ACTIVE, Refused.FULL}
)


def refusal_text(refusal: Refusal) -> str:
    return _(_TEXTS[refusal.code]) % refusal.params


def refused_field(refusal: Refusal) -> str:
    """What has to be chosen otherwise."""
    return "strategy" if refusal.code in _OF_STRATEGY else "account"
