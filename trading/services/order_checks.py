"""Looking orders up: the follower of working orders and the resolver of unclear ones.

Claims rows by pushing `check_at` forward, asks the venue, and brings what it shows into
order_updates. Nothing here places an order, except that an exit proven lost gets a new attempt.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from django.db.models import F
from django.utils import timezone

from customers.failpoints import failpoint
from trading.domain.order_doubts import OrderFacts, snapshot_doubt
from trading.domain.order_states import OrderState, OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.resolution import (
    Conclusion,
    counts_as_miss,
    judge_absence,
    judge_forgotten,
    judge_watched,
)
from trading.models import Order
from trading.services.believing import fills_believed
from trading.services.credentials import credentials_of_accounts
from trading.services.exit_evidence import exit_is_disproved
from trading.services.exit_retry import TRY_LATER, exit_try_again, is_retry_undecided
from trading.services.instruments import (
    instrument_of_order,
    instruments_remind,
)
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.submission.denials import cancel_denial
from trading.services.unreadable import unreadable_note
from trading.services.waiting import is_to_be_cancelled
from venues.domain.types import (
    Credentials,
    FillSnapshot,
    Instrument,
    Lookup,
    LookupResult,
    OrderSnapshot,
    Readings,
    VenueError,
)
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 25.0
CHECK_LEASE = timedelta(seconds=30)
"""Longer than a look-up may take, or two would look at once."""


class _Names(TypedDict):
    """What a look-up is told of an order."""

    symbol: str
    client_order_id: str
    is_exit: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """What one round of questions about one order brought."""

    order: Order
    lookup: Lookup
    fills: tuple[FillSnapshot, ...] = ()
    unreadable: str = ""
    """The field for which a part of it could not be read."""
    thorough: bool = False


def orders_check(*, tenant_id: str, order_ids: Sequence[str]) -> int:
    """Look up those of these orders that are due; returns how many were."""
    due = _claim(tenant_id, order_ids)
    if not due:
        return 0
    failpoint("checks.claimed")
    _cancel_unsent(tenant_id, due)
    _try_again(tenant_id, [order for order in due if order.state == OrderState.REJECTED])
    instruments_remind((order.account.venue, order.symbol) for order in due)
    for looks in _look_up(tenant_id, [order for order in due if _is_at_venue(order)]):
        _learn(tenant_id, looks)
    return len(due)


def _learn(tenant_id: str, looks: Sequence[_Look]) -> None:
    instruments = _instruments([look.order for look in looks])
    updates = []
    for look in looks:
        if look.unreadable:
            unreadable_note(tenant_id, look.order.account.venue, "orders", look.unreadable)
        if look.fills and look.order.symbol not in instruments[look.order.account.venue]:
            # Its holding cannot be reckoned without the contract's size: looked up again later.
            logger.error("order %s: nobody knows %s", look.order.pk, look.order.symbol)
            continue
        updates.append(_unless_it_happened(look.order, _conclude(look, timezone.now())))
    failpoint("checks.answered")
    order_updates_apply(tenant_id=tenant_id, updates=updates, instruments=instruments)
    absent = {u.order_id for u in updates if u.trigger is OrderTrigger.FIND_ABSENT}
    orders = [look.order for look in looks if look.order.pk in absent]
    _try_again(tenant_id, [order for order in orders if is_retry_undecided(order)])


def _unless_it_happened(order: Order, update: OrderUpdate) -> OrderUpdate:
    """An exit stays of unknown outcome while the position says that something was exited."""
    concluded = update.trigger is OrderTrigger.FIND_ABSENT and order.state == OrderState.UNKNOWN
    if not concluded or order.is_entry or exit_is_disproved(order):
        return update
    again = timezone.now() + TRY_LATER
    return OrderUpdate(order.pk, OrderTrigger.LOSE, check_at=again, misses=update.misses)


def _try_again(tenant_id: str, orders: Sequence[Order]) -> None:
    """Each by itself; what fails here stays due and is found by the sweeper."""
    for order in orders:
        try:
            exit_try_again(tenant_id=tenant_id, order_id=order.pk)
        except Exception:
            logger.exception("trying exit %s again failed", order.pk)


def _claim(tenant_id: str, order_ids: Sequence[str]) -> list[Order]:
    """Compare-and-set on check_at, so that one process looks at a time.

    The claim's end is the claimer's mark; two that made the same by chance would both look, which
    is harmless.
    """
    now = timezone.now()
    until = now + CHECK_LEASE + timedelta(microseconds=secrets.randbelow(1_000_000))
    rows = Order.objects.for_tenant(tenant_id).filter(pk__id_in=order_ids)
    if not rows.filter(check_at__lte=now).update(check_at=until, version=F("version") + 1):
        return []
    return list(rows.filter(check_at=until).select_related("account", "intent"))


def _is_at_venue(order: Order) -> bool:
    return order.state not in (OrderState.READY, OrderState.CLAIMED, OrderState.REJECTED)


def _cancel_unsent(tenant_id: str, orders: Sequence[Order]) -> None:
    """A cancellation of what was never sent needs no venue."""
    updates = [
        OrderUpdate(order.pk, OrderTrigger.REFUSE, reason=cancel_denial(order.withdrawn_by))
        for order in orders
        if order.state == OrderState.READY
        and (order.cancel_requested_at is not None or order.withdrawn_by)
    ]
    order_updates_apply(tenant_id=tenant_id, updates=updates, instruments={})


# --- asking the venue ---------------------------------------------------------------------------


def _look_up(tenant_id: str, orders: Sequence[Order]) -> Iterator[list[_Look]]:
    """Looks as they come: an account that does not answer holds up no other."""
    if not orders:
        return
    keys = credentials_of_accounts(
        tenant_id=tenant_id, account_ids=[order.account_id for order in orders]
    )
    askable = [order for order in orders if isinstance(keys.get(order.account_id), Credentials)]
    missing = [order for order in orders if order not in askable]
    unknown = Lookup(LookupResult.NO_EVIDENCE, detail="the keys cannot be opened")
    yield [_Look(order, unknown) for order in missing]
    asking = [_ask(order, keys[order.account_id]) for order in askable]
    yield from run_batches(asking, timeout_seconds=TIMEOUT_SECONDS)


async def _ask(order: Order, credentials: Credentials | Reason) -> _Look:
    assert isinstance(credentials, Credentials)
    gateway = gateway_for(order.account.venue)
    is_exit = not order.is_entry
    names: _Names = {"symbol": order.symbol, "client_order_id": order.pk, "is_exit": is_exit}
    by_venue = {"venue_order_id": order.venue_order_id} if order.placed_by_venue else {}
    try:
        if is_to_be_cancelled(order, timezone.now()):
            await _ask_to_cancel(order, credentials)
        lookup = await gateway.find_order(credentials, **names, **by_venue)
        thorough = False
        since_ms = int((order.sent_at or order.created_at).timestamp() * 1000)
        # By the venue's clock if that is earlier: what both call the past is searched.
        since_ms += min(0, int(gateway.clock.skew_ms() or 0))
        if lookup.result is LookupResult.ABSENT and _past_deadline(order):
            lookup = await gateway.search_order(credentials, **names, since_ms=since_ms)
            thorough = True
        if lookup.result is not LookupResult.FOUND or lookup.order is None:
            return _Look(order, lookup, unreadable=lookup.unreadable, thorough=thorough)
        doubt = snapshot_doubt(facts_of(order), lookup.order)
        if doubt:
            odd = Lookup(LookupResult.NO_EVIDENCE, detail=f"a doubtful {doubt}")
            return _Look(order, odd, unreadable=doubt)
        if lookup.order.filled_quantity <= order.filled_quantity:
            return _Look(order, lookup)
        fills = await gateway.order_fills(
            credentials,
            symbol=order.symbol,
            venue_order_id=lookup.order.venue_order_id,
            since_ms=since_ms,
            is_exit=is_exit,
        )
        believed, doubt = _believed(order, lookup.order, fills)
        return _Look(order, lookup, believed, unreadable=doubt)
    except VenueError as error:
        return _Look(order, Lookup(LookupResult.NO_EVIDENCE, detail=str(error)))
    except Exception as error:  # an answer of nonsense is no evidence either
        logger.exception("looking up order %s failed", order.pk)
        return _Look(order, Lookup(LookupResult.NO_EVIDENCE, detail=type(error).__name__))


def _believed(
    order: Order, shown: OrderSnapshot, fills: Readings[FillSnapshot]
) -> tuple[tuple[FillSnapshot, ...], str]:
    """The fills that can be this order's, and a field of one that cannot, or could not be read."""
    believed, doubt = fills_believed(facts_of(order), order.account.venue, shown, fills)
    return believed, next(iter(fills.unreadable), doubt)


async def _ask_to_cancel(order: Order, credentials: Credentials) -> None:
    """The answer is not believed either way; the look-up that follows shows the state."""
    try:
        await gateway_for(order.account.venue).cancel_order(
            credentials,
            symbol=order.symbol,
            client_order_id=order.pk,
            venue_order_id=order.venue_order_id if order.placed_by_venue else "",
        )
    except VenueError as error:
        logger.info("cancelling %s: %s", order.pk, error)
    failpoint("cancel.sent")


def facts_of(order: Order) -> OrderFacts:
    return OrderFacts(order.pk, order.symbol, order.side, order.quantity)


def _past_deadline(order: Order) -> bool:
    return order.deadline_at is None or timezone.now() > order.deadline_at


def _instruments(orders: Sequence[Order]) -> dict[str, dict[str, Instrument]]:
    found: dict[str, dict[str, Instrument]] = {}
    for order in orders:
        known = found.setdefault(order.account.venue, {})
        if order.symbol not in known:
            instrument = instrument_of_order(order.account.venue, order.symbol)
            if instrument is not None:
                known[order.symbol] = instrument
    return found


# --- concluding ---------------------------------------------------------------------------------


def _conclude(look: _Look, now: datetime) -> OrderUpdate:
    order, lookup = look.order, look.lookup
    if lookup.result is LookupResult.FOUND:
        return OrderUpdate(
            order.pk, snapshot=lookup.order, fills=look.fills, unreadable=look.unreadable
        )
    if order.state == OrderState.NOT_PLACED:
        return _still_watched(order, now)
    if order.state not in (OrderState.SENDING, OrderState.UNKNOWN):
        return _missing(look, now)
    deadline = order.deadline_at or order.created_at
    missed = lookup.result is LookupResult.ABSENT
    misses = order.misses + (missed and counts_as_miss(now=now, deadline_at=deadline))
    verdict = judge_absence(
        now=now,
        deadline_at=deadline,
        checks=order.checks,
        misses=misses,
        thorough=look.thorough and missed,
    )
    if verdict.conclusion is Conclusion.NOT_PLACED:
        trigger = OrderTrigger.FIND_ABSENT
        if order.state == OrderState.SENDING:  # cannot be: SENDING becomes UNKNOWN first
            trigger = OrderTrigger.LOSE
        # Until its next attempt is decided, a lost exit is due rather than watched.
        undecided = is_retry_undecided(order)
        return OrderUpdate(
            order.pk,
            trigger,
            reason=Reason(ReasonCode.NOT_PLACED),
            check_at=now + TRY_LATER if undecided else verdict.next_look_at,
            watch_until=None if undecided else verdict.watch_until,
            misses=misses,
        )
    return OrderUpdate(
        order.pk,
        OrderTrigger.LOSE,
        check_at=verdict.next_look_at,
        misses=misses,
        unreadable=look.unreadable,
    )


def _missing(look: _Look, now: datetime) -> OrderUpdate:
    """It was there before."""
    order = look.order
    missed = look.thorough and look.lookup.result is LookupResult.ABSENT
    misses = order.misses + missed
    verdict = judge_forgotten(
        now=now,
        seen_at=order.seen_at or order.acknowledged_at or order.created_at,
        checks=order.checks,
        misses=misses,
        thorough=missed,
        is_filled=order.filled_quantity > 0,
    )
    if verdict.conclusion is Conclusion.GONE:
        reason = Reason(ReasonCode.FORGOTTEN_BY_VENUE)
        return OrderUpdate(order.pk, OrderTrigger.CANCEL, reason=reason, misses=misses)
    return OrderUpdate(
        order.pk,
        OrderTrigger.ACCEPT,
        check_at=verdict.next_look_at,
        misses=misses,
        unreadable=look.unreadable,
    )


def _still_watched(order: Order, now: datetime) -> OrderUpdate:
    if is_retry_undecided(order):
        return OrderUpdate(order.pk, OrderTrigger.FIND_ABSENT, check_at=now + TRY_LATER)
    verdict = judge_watched(now=now, watch_until=order.watch_until or now)
    return OrderUpdate(
        order.pk, OrderTrigger.FIND_ABSENT, check_at=verdict.next_look_at, misses=order.misses + 1
    )
