"""The last checks before an order leaves: it may be refused or expired, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from customers.models import Customer, ExchangeAccount
from strategies.models import Strategy, Subscription
from trading.domain.order_states import OrderTrigger
from trading.domain.planning import CLOSE_LEG
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopiedPosition, InstrumentSetting, Intent
from trading.services.clocks import clock_denial
from trading.services.credentials import credentials_for_orders
from trading.services.entries_by_settings import settings_denials
from trading.services.instruments import instrument_of_order, market_doubt
from trading.services.order_updates import OrderUpdate
from trading.services.outgoing import OutgoingOrder
from trading.services.submission.answers import leverage_reason
from trading.services.submission.denials import cancel_denial, expiry_denial, switch_denial
from trading.services.submission.refusals import asked_for, refusals_standing
from trading.services.submission.wire import Job
from venues import markets
from venues.domain.types import Credentials, Instrument, VenueError

Instruments = dict[str, dict[str, Instrument]]
Confirmed = dict[tuple[str, str, str], Decimal]
"""The leverage by account, symbol and margin mode."""


def last_checks(
    tenant_id: str, orders: Sequence[OutgoingOrder], instruments: Instruments
) -> tuple[list[Job], list[OrderUpdate]]:
    """Jobs for what may leave, and an update for each order that may not.

    Fills `instruments[venue][symbol]` for the caller. A fixed number of queries.
    """
    credentials = credentials_for_orders(tenant_id=tenant_id, orders=orders)
    confirmed = _confirmed_leverage(tenant_id, orders)
    unfinished = _unfinished_closes(tenant_id, orders)
    inactive = _inactive(tenant_id, orders)
    to_set = {order.id: asked_for(order) for order in orders if _must_set(order, confirmed)}
    standing = refusals_standing(tenant_id, set(to_set.values()))
    jobs: list[Job] = []
    refused: list[OrderUpdate] = []
    for order in orders:
        keys = credentials[order.id]
        instrument = _instrument(order, instruments)
        reason = (
            _denial(order, unfinished)
            or inactive.get(order.id)
            or _missing(order, keys, instrument)
            or _clock_denial(order)
        )
        before = standing.get(to_set[order.id]) if order.id in to_set else None
        if reason is None and before is not None:
            reason = leverage_reason(order, before)
        if reason is not None:
            refused.append(_refusal(order, reason))
            continue
        assert isinstance(keys, Credentials)
        assert instrument is not None
        jobs.append(Job(order, instrument, keys, _must_set(order, confirmed)))
    return jobs, refused


def _must_set(order: OutgoingOrder, confirmed: Confirmed) -> bool:
    known = confirmed.get((order.account_id, order.symbol, order.margin_mode))
    return order.leverage is not None and known != order.leverage


def checked_again(order: OutgoingOrder) -> OrderUpdate | None:
    """What time or an operator changed while the order was being prepared."""
    reason = _denial(order, set()) or _clock_denial(order)
    return None if reason is None else _refusal(order, reason)


def _refusal(order: OutgoingOrder, reason: Reason) -> OrderUpdate:
    triggers = {
        ReasonCode.SIGNAL_EXPIRED: OrderTrigger.EXPIRE,
        ReasonCode.WAITING_FOR_KEY: OrderTrigger.RELEASE,
    }
    return OrderUpdate(order.id, triggers.get(reason.code, OrderTrigger.REFUSE), reason=reason)


def _missing(
    order: OutgoingOrder, keys: Credentials | Reason, instrument: Instrument | None
) -> Reason | None:
    if isinstance(keys, Reason):
        return keys if order.is_entry else Reason(ReasonCode.WAITING_FOR_KEY)
    if instrument is None:
        params = {"symbol": order.symbol, "venue": order.venue}
        doubt = market_doubt(order.venue, order.symbol)
        return doubt or Reason(ReasonCode.SYMBOL_NOT_LISTED, params)
    return None


def _denial(order: OutgoingOrder, unfinished: set[str]) -> Reason | None:
    expired = expiry_denial(order)
    if expired is not None:
        return expired
    if order.cancel_requested or order.withdrawn_by:
        return cancel_denial(order.withdrawn_by)
    if order.id in unfinished:
        return Reason(ReasonCode.CLOSE_LEG_UNFINISHED)
    return switch_denial(order)


def _inactive(tenant_id: str, orders: Sequence[OutgoingOrder]) -> dict[str, Reason]:
    """Entries that were decided long ago (later slices, and what a waiting one goes on in), of
    whoever may not enter any more. Asks the database for such entries alone."""
    later = [order for order in orders if order.is_entry and (order.send_at or order.attempt > 1)]
    if not later:
        return {}
    columns = {
        "status": (Subscription.Status.ACTIVE, ReasonCode.SUBSCRIPTION_PAUSED),
        "strategy__status": (Strategy.Status.ACTIVE, ReasonCode.STRATEGY_NOT_ACTIVE),
        "customer__status": (Customer.Status.ACTIVE, ReasonCode.CUSTOMER_NOT_ACTIVE),
        "account__status": (ExchangeAccount.Status.ACTIVE, ReasonCode.ACCOUNT_NOT_ACTIVE),
    }
    rows = Subscription.objects.for_tenant(tenant_id).filter(
        pk__id_in=sorted({order.subscription_id for order in later})
    )
    reasons = {}
    for pk, *statuses in rows.values_list("pk", *columns):
        for status, (active, code) in zip(statuses, columns.values(), strict=True):
            if status != active:
                reasons[pk] = Reason(code)
                break
    return settings_denials(later) | {
        order.id: reasons[order.subscription_id]
        for order in later
        if order.subscription_id in reasons
    }


def _clock_denial(order: OutgoingOrder) -> Reason | None:
    return clock_denial(order.venue) if order.is_entry else None


def _instrument(order: OutgoingOrder, instruments: Instruments) -> Instrument | None:
    """As listed. An exit goes by what somebody traded, too: whether that still can be is for the
    venue to say, not for a list that may be broken or missing."""
    known = instruments.setdefault(order.venue, {})
    if order.symbol not in known:
        try:
            found = markets.instrument(order.venue, order.symbol)
        except (VenueError, TimeoutError, LookupError):
            found = None
        if found is None and not order.is_entry:
            return instrument_of_order(order.venue, order.symbol)
        if found is None:
            return None
        known[order.symbol] = found
    return known[order.symbol]


def _confirmed_leverage(tenant_id: str, orders: Sequence[OutgoingOrder]) -> Confirmed:
    rows = (
        InstrumentSetting.objects.for_tenant(tenant_id)
        .filter(
            account_id__id_in={order.account_id for order in orders if order.leverage},
            symbol__in={order.symbol for order in orders},
        )
        .values_list("account_id", "symbol", "margin_mode", "leverage")
    )
    return {(account, symbol, mode): leverage for account, symbol, mode, leverage in rows}


def _unfinished_closes(tenant_id: str, orders: Sequence[OutgoingOrder]) -> set[str]:
    """Later-wave entries whose close did not fill completely, or who still hold the other side: in
    their symbol."""
    later = [order for order in orders if order.wave]
    if not later:
        return set()
    failed = set(
        Intent.objects.for_tenant(tenant_id)
        .filter(
            signal_id__in={order.signal_id for order in later},
            subscription_id__in={order.subscription_id for order in later},
            leg__gte=CLOSE_LEG,
            is_entry=False,
        )
        .exclude(status=Intent.Status.FILLED)
        .values_list("signal_id", "subscription_id", "symbol")
    )
    rows = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(
            subscription_id__in={order.subscription_id for order in later},
            symbol__in={order.symbol for order in later},
        )
        .values_list("subscription_id", "symbol", "filled")
    )
    held = {(subscription_id, symbol): filled for subscription_id, symbol, filled in rows}
    return {
        order.id
        for order in later
        if (order.signal_id, order.subscription_id, order.symbol) in failed
        or held.get((order.subscription_id, order.symbol), 0) * (1 if order.side == "buy" else -1)
        < 0
    }
