"""What is wrong with a leader or its key, in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from signals_app.domain.leaders.key_rules import LeaderProblem

_TEXTS: dict[LeaderProblem, str] = {
    LeaderProblem.KEY_MISSING: gettext_noop(
        "No key is stored, so nothing is heard of the leader. Set its keys."
    ),
    LeaderProblem.KEY_UNREADABLE: gettext_noop(
        "The stored key does not open with this installation's encryption key."
    ),
    LeaderProblem.KEY_CAN_TRADE: gettext_noop(
        "The key can trade, which a leader's key need not: reading is enough. It works; a key "
        "without that right is safer."
    ),
    LeaderProblem.KEY_CAN_WITHDRAW: gettext_noop(
        "The key can withdraw or transfer money. It was refused and its secrets were deleted. Make "
        "one that can only read."
    ),
    LeaderProblem.KEY_GAINED_WITHDRAWAL: gettext_noop(
        "The key in use can withdraw or transfer money now. Replace it by one that can only read."
    ),
    LeaderProblem.KEY_OF_OTHER_USER: gettext_noop(
        "The key belongs to the exchange user %(uid)s, but this leader is %(expected)s. Another "
        "leader needs a source of its own."
    ),
    LeaderProblem.KEY_OF_FOLLOWER: gettext_noop(
        "The key belongs to the exchange user %(uid)s, whose account follows signals here. It "
        "would copy its own orders without end."
    ),
    LeaderProblem.CREDENTIALS_REFUSED: gettext_noop(
        "The exchange does not accept the key: %(message)s (%(code)s)"
    ),
    LeaderProblem.VENUE_UNREADABLE: gettext_noop(
        "The leader's account could not be read: %(message)s %(code)s"
    ),
    LeaderProblem.LEAD_TRADER_UNKNOWN: gettext_noop(
        "The venue publishes no positions of this lead trader: %(message)s %(code)s"
    ),
}


def leader_problem_text(code: str, params: Mapping[str, str]) -> str:
    """Empty without a code."""
    if not code:
        return ""
    return _(_TEXTS[LeaderProblem(code)]) % {"code": "", "message": "", **params}
