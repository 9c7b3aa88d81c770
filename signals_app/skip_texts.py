"""Why a signal is shown and not followed, in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from signals_app.domain.leaders.catching_up import NotFollowed
from signals_app.event_texts import event_text

_TEXTS: dict[NotFollowed, str] = {
    NotFollowed.TOO_LATE: gettext_noop(
        "The leader opened this %(late_seconds)s s before we heard of it; after "
        "%(lifetime_seconds)s s an entry is not followed any more."
    ),
    NotFollowed.SLIPPED: gettext_noop(
        "The market was %(slippage_bps)s basis points worse than the leader's price when we heard "
        "of this entry; %(max_slippage_bps)s are allowed."
    ),
    NotFollowed.UNREAD: gettext_noop(
        "The exchange could not be asked what the leader had traded just before, so this may not "
        "be an entry at all."
    ),
    NotFollowed.STOPS: gettext_noop(
        "No order follows it: copies that take over the leader's stops move theirs."
    ),
    NotFollowed.EVENT: gettext_noop(
        "No order follows it: what copies do about it is up to their settings."
    ),
}


def skip_text(code: str, params: Mapping[str, str]) -> str:
    """Empty without a code. A leader's event says what it was first."""
    if not code:
        return ""
    reason = _(_TEXTS[NotFollowed(code)]) % params
    if code == NotFollowed.EVENT:
        return f"{event_text(params)} {reason}".strip()
    return reason
