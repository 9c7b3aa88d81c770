"""Signals of one source in one symbol, planned in another order than they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Q

from signals_app.models import Signal
from trading.models import Intent

_EXITS = (
    Signal.Action.REDUCE,
    Signal.Action.CLOSE,
    Signal.Action.FLIP,
    Signal.Action.SET_TARGET,
)
OVERTAKES_BY = timedelta(seconds=5)
_ONLY_EXITS = (Signal.Action.REDUCE, Signal.Action.CLOSE)


def exited_later(signal: Signal, subscription_ids: Sequence[str]) -> set[str]:
    """Of these copies, those for which a later signal that exits, or turns round, is planned
    already. Call with their positions locked. One query, a second one if there is such a signal.

    Later is what the source sent later; of the same moment, what came in later. Its word is taken
    only as far as messages overtake each other: what came in well before was sent before.
    """
    if signal.action in _ONLY_EXITS:
        return set()
    later = (
        Signal.objects.for_tenant(signal.tenant_id)
        .filter(source_id=signal.source_id, symbol=signal.symbol, action__in=_EXITS)
        .filter(received_at__gt=signal.received_at - OVERTAKES_BY)
        .filter(
            Q(emitted_at__gt=signal.emitted_at) | Q(emitted_at=signal.emitted_at, pk__gt=signal.pk)
        )
        .order_by()
    )
    ids = list(later.values_list("pk", flat=True))
    if not ids:
        return set()
    intents = Intent.objects.for_tenant(signal.tenant_id).filter(
        signal_id__in=ids, subscription_id__id_in=list(subscription_ids)
    )
    return set(intents.values_list("subscription_id", flat=True))
