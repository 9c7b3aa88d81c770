"""Our rows, read for the comparison, and the times that orders of unknown outcome took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from config.demo.paper_control import PaperAccount
from config.demo.reconcile import BookedFill, BookedOrder
from customers.tenancy import system_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.chaos.verdict import ENDED, Books, GuardedRow, IntentRow, PositionRow
from trading.domain.stops.terms import terms_from_json
from trading.models import (
    Alert,
    CopiedPosition,
    Fill,
    Intent,
    Order,
    OrderEvent,
    PositionStops,
    StopOrder,
)
from venues import markets


def read_books(keys: Mapping[str, PaperAccount]) -> Books:
    with system_scope("chaos: all rows, to compare them with the ledger"):
        orders = [
            BookedOrder(
                id=order.pk,
                intent_id=order.intent_id,
                api_key=keys[order.account_id].api_key,
                symbol=order.symbol,
                side=order.side,
                state=order.state,
                venue_order_id=order.venue_order_id,
                quantity=order.quantity,
                filled=order.filled_quantity,
                decided=order.intent.quantity if order.is_entry else None,
            )
            for order in Order.objects.select_related("intent")
        ]
        fills = [
            BookedFill(
                api_key=keys[fill.account_id].api_key,
                order_id=fill.order_id or "",
                symbol=fill.symbol,
                trade_id=fill.trade_id,
                side=fill.side,
                quantity=fill.quantity,
                price=fill.price,
                fee=fill.fee,
                fee_currency=fill.fee_currency,
            )
            for fill in Fill.objects.all()
        ]
        intents = [
            IntentRow(
                id=row.pk,
                signal_id=row.signal_id or "",
                subscription_id=row.subscription_id or "",
                is_entry=row.is_entry,
                quantity=row.quantity,
                status=row.status,
            )
            for row in Intent.objects.all()
        ]
        positions = [
            PositionRow(
                subscription_id=row.subscription_id,
                api_key=keys[row.account_id].api_key,
                symbol=row.symbol,
                target=row.target,
                filled=row.filled,
                smallest=_smallest(row.symbol),
            )
            for row in CopiedPosition.objects.all()
        ]
        signals = {
            pk: (source_id, status)
            for pk, source_id, status in Signal.objects.values_list("pk", "source_id", "status")
        }
        followers: defaultdict[str, set[str]] = defaultdict(set)
        for pk, source_id in Subscription.objects.values_list("pk", "strategy__source_id"):
            followers[source_id].add(pk)
    return Books(
        orders,
        fills,
        intents,
        positions,
        signals,
        {source_id: frozenset(ids) for source_id, ids in followers.items()},
        read_guarded(),
    )


UNGUARDED_AT_MOST = timedelta(seconds=5)


def read_guarded() -> list[GuardedRow]:
    """Positions in contracts whose terms ask for a stop loss. Coins are watched by us."""
    now = timezone.now()
    with system_scope("chaos: whose positions are to be guarded"):
        told = set(
            Alert.objects.filter(code="position_unguarded", open_key__isnull=False).values_list(
                "subject", flat=True
            )
        )
        stop_ids: defaultdict[str, set[str]] = defaultdict(set)
        for pk, position_id in StopOrder.objects.values_list("pk", "copied_position_id"):
            stop_ids[position_id].add(pk)
        closing = {
            (row.subscription_id, row.symbol)
            for row in Order.objects.exclude(state__in=ENDED).filter(is_entry=False)
        }
        found = []
        rows = PositionStops.objects.select_related("copied_position")
        for row in rows:
            position = row.copied_position
            if not row.terms or row.opened_at != position.opened_at or ":" not in position.symbol:
                continue
            terms = terms_from_json(row.terms)
            loss = terms.leader.targets if terms.is_reversed else terms.leader.stop_loss
            if not (terms.stop_loss_percent or terms.trailing_percent or loss):
                continue
            quantity = _to_lot(position.symbol, abs(position.filled))
            is_new = row.open_since is not None and now < row.open_since + UNGUARDED_AT_MOST
            is_told = f"position:{position.pk}" in told
            key = (position.subscription_id, position.symbol)
            found.append(
                GuardedRow(
                    *key,
                    quantity,
                    frozenset(stop_ids[position.pk]),
                    excused=is_new or is_told or key in closing,
                )
            )
    return found


def _to_lot(symbol: str, quantity: Decimal) -> Decimal:
    """What a stop order can be for; less than the venue takes needs none."""
    instrument = markets.instrument("paper", symbol)
    assert instrument is not None
    size = instrument.quantity_down(quantity)
    return size if size >= instrument.min_size else Decimal(0)


def stop_states() -> dict[str, int]:
    with system_scope("chaos: what became of the stops"):
        return dict(sorted(Counter(StopOrder.objects.values_list("state", flat=True)).items()))


def stops_not_in_line() -> int:
    with system_scope("chaos: stops that are not in line"):
        return PositionStops.objects.exclude(open_since=None).count()


def _smallest(symbol: str) -> Decimal:
    instrument = markets.instrument("paper", symbol)
    assert instrument is not None
    return max(instrument.min_size, instrument.lot)


def intents_so_far() -> int:
    with system_scope("chaos: how far"):
        return Intent.objects.count()


def unplanned_signals() -> int:
    with system_scope("chaos: how far behind"):
        return Signal.objects.filter(
            status__in=[Signal.Status.RECEIVED, Signal.Status.PLANNING]
        ).count()


def unsettled() -> int:
    """Signals and orders that are on their way to an end; resting limit orders are not."""
    with system_scope("chaos: what is not settled"):
        moving = Order.objects.exclude(state__in=ENDED).exclude(
            Q(state__in=["accepted", "partially_filled"])
            & Q(order_type="limit", cancel_requested_at__isnull=True)
        )
        signals = Signal.objects.exclude(status__in=["dispatched", "done"])
        due_exits = Order.objects.filter(state="rejected", check_at__isnull=False)
        undecided = Order.objects.filter(state="not_placed", is_entry=False, watch_until=None)
        return moving.count() + signals.count() + due_exits.count() + undecided.count()


def live_orders() -> int:
    with system_scope("chaos: what is not ended"):
        live = Order.objects.exclude(state__in=ENDED).count()
        return live + Signal.objects.exclude(status="done").count()


def symbols_in_use(source_id: str) -> list[str]:
    """What the source's followers hold or work."""
    with system_scope("chaos: what is to be closed"):
        followers = list(
            Subscription.objects.filter(strategy__source_id=source_id).values_list("pk", flat=True)
        )
        rows = CopiedPosition.objects.filter(subscription_id__in=followers)
        held = {row.symbol for row in rows if row.filled}
        live = Order.objects.filter(subscription_id__in=followers).exclude(state__in=ENDED)
        return sorted(held | set(live.values_list("symbol", flat=True)))


@dataclass(frozen=True, slots=True)
class Resolutions:
    """Seconds from sending to the end of the doubt, ascending."""

    adopted: list[float]
    not_placed: list[float]
    late_twins: int

    @property
    def all(self) -> list[float]:
        return sorted(self.adopted + self.not_placed)


def read_resolutions() -> Resolutions:
    """From the events of orders whose outcome was unknown."""
    adopted: list[float] = []
    not_placed: list[float] = []
    late_twins = 0
    with system_scope("chaos: how long outcomes were unknown"):
        sent = dict(Order.objects.exclude(sent_at=None).values_list("pk", "sent_at"))
        rows = OrderEvent.objects.filter(from_state__in=["unknown", "not_placed"]).values_list(
            "order_id", "from_state", "to_state", "occurred_at"
        )
        for order_id, before, after, at in rows:
            if after in ("unknown", before):
                continue
            if before == "not_placed":
                late_twins += 1
                continue
            seconds = (at - sent[order_id]).total_seconds()
            (not_placed if after == "not_placed" else adopted).append(seconds)
    return Resolutions(sorted(adopted), sorted(not_placed), late_twins)


def percentile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return round(values[min(len(values) - 1, int(len(values) * share))], 1)


def order_states() -> dict[str, int]:
    with system_scope("chaos: what became of the orders"):
        return dict(sorted(Counter(Order.objects.values_list("state", flat=True)).items()))


def skip_reasons() -> dict[str, int]:
    with system_scope("chaos: why intents were skipped"):
        skipped = Intent.objects.filter(status="skipped").values_list("reason_code", flat=True)
        return dict(sorted(Counter(skipped).items()))
