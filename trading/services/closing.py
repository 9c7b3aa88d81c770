"""Closing copied positions at the market without a signal: by staff, by clients, by a limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from customers.bulk_rows import rows_update
from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from customers.models import ExchangeAccount
from customers.tenancy import TenantQuerySet
from customers.wakeup import wake_on_commit
from trading.domain.order_states import LIVE_STATES
from trading.domain.planning import MAIN_LEG, Book, Holder, Leg, Plan, plan_exit
from trading.domain.reasons import Reason, ReasonCode
from trading.models import CopiedPosition, Intent, Order, Position
from trading.services.cancelling import entries_cancel
from trading.services.control_state import controls_for
from trading.services.instruments import instrument_of_order
from trading.services.repair import exit_write
from venues.domain.types import Instrument, InstrumentKind

ZERO = Decimal(0)
ONE = Decimal(1)
CHUNK = 50
_LIVE = [str(state) for state in LIVE_STATES]
_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a tenant's copied positions; what is empty does not narrow it."""

    customer_id: str = ""
    account_id: str = ""
    strategy_id: str = ""
    subscription_id: str = ""
    symbol: str = ""

    def narrow(self, rows: TenantQuerySet, *, strategy: str) -> TenantQuerySet:
        """`strategy`: how the rows name it."""
        named = {
            "customer_id": self.customer_id,
            "account_id": self.account_id,
            strategy: self.strategy_id,
            "subscription_id": self.subscription_id,
            "symbol": self.symbol,
        }
        return rows.filter(**{name: value for name, value in named.items() if value})


@dataclass(slots=True)
class Closing:
    """What a call did. `under_way`: positions that other orders close already."""

    order_ids: list[str] = field(default_factory=list)
    refused: Counter[ReasonCode] = field(default_factory=Counter)
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class ClosePlan:
    """What closing one position would do."""

    position: CopiedPosition
    plan: Plan
    instrument: Instrument | None
    mark_price: Decimal | None

    @property
    def reason(self) -> Reason | None:
        return self.plan.legs[0].reason

    @property
    def quantity(self) -> Decimal:
        """Unsigned, in the venue's unit."""
        return sum((leg.quantity for leg in self.plan.legs if leg.is_order), ZERO)

    @property
    def notional(self) -> Decimal | None:
        """In the quote currency by the mark price; None when either is not known."""
        if self.instrument is None or self.mark_price is None:
            return None
        return self.instrument.notional(self.quantity, self.mark_price)


def positions_to_close(*, tenant_id: str, selection: Selection) -> list[str]:
    """Ids of the selected positions that hold something, or have an entry waiting."""
    positions = CopiedPosition.objects.for_tenant(tenant_id)
    rows = selection.narrow(positions, strategy="subscription__strategy_id")
    held = set(rows.filter(~Q(filled=ZERO)).values_list("pk", flat=True))
    entries = Order.objects.for_tenant(tenant_id).filter(is_entry=True, state__in=_LIVE)
    waiting = set(
        selection.narrow(entries, strategy="strategy_id")
        .exclude(subscription_id="")
        .values_list("subscription_id", "symbol")
    )
    if waiting:
        found = rows.filter(
            subscription_id__in={pair[0] for pair in waiting},
            symbol__in={pair[1] for pair in waiting},
        ).values_list("pk", "subscription_id", "symbol")
        held.update(pk for pk, *pair in found if tuple(pair) in waiting)
    return sorted(held)


def closing_preview(*, tenant_id: str, selection: Selection) -> list[ClosePlan]:
    """What `positions_close` would do now; nothing is changed."""
    ids = positions_to_close(tenant_id=tenant_id, selection=selection)
    return [
        plan for some in _chunks(ids) for plan in _plans(tenant_id, list(_rows(tenant_id, some)))
    ]


def positions_close(
    *,
    tenant_id: str,
    selection: Selection,
    cause: Intent.Cause,
    action_id: str,
    cause_id: str = "",
    part: Decimal = ONE,
) -> Closing:
    """Close all selected positions at the market, entries that wait cancelled first; or this part
    of what each of them holds, rounded down.

    Once for each `action_id` (at most 26 characters) and position, however often and from how many
    sides it is asked for; what other orders close already is left to them. Entries that fill late
    are exited by what follows every overtaken entry. Kill switches that let positions be reduced
    let this through; under HALTED each position is refused with the reason in its intent.
    `cause_id`, by default the action, is what the intents name. Runs in the tenant's scope.
    """
    closing = Closing()
    ids = positions_to_close(tenant_id=tenant_id, selection=selection)
    for some in _chunks(ids):
        done = retry_on_deadlock(
            partial(_close_chunk, tenant_id, some, cause, action_id, cause_id or action_id, part)
        )
        closing.order_ids += done.order_ids
        closing.refused += done.refused
        closing.under_way += done.under_way
    return closing


@transaction.atomic
def _close_chunk(
    tenant_id: str,
    ids: Sequence[str],
    cause: Intent.Cause,
    action_id: str,
    cause_id: str,
    part: Decimal,
) -> Closing:
    closing, now = Closing(), timezone.now()
    rows = list(_rows(tenant_id, ids).select_for_update())
    keys = {_key(action_id, row, MAIN_LEG): row.pk for row in rows}
    done = {
        keys[key]
        for key in Intent.objects.for_tenant(tenant_id)
        .filter(key__in=list(keys))
        .values_list("key", flat=True)
    }
    plans = _plans(tenant_id, [row for row in rows if row.pk not in done], part)
    _cancel_entries(tenant_id, plans, now)
    targets = {}
    for found in plans:
        position = found.position
        for leg in found.plan.legs:
            key = _key(action_id, position, leg.leg)
            if leg.is_order:
                order = _order(found, leg)
                exit_write(
                    key=key,
                    cause=cause,
                    cause_id=cause_id,
                    order=order,
                    details={"closes": position.pk},
                    now=now,
                    leg=leg.leg,
                    target_before=position.target,
                    target_after=found.plan.target,
                )
                closing.order_ids.append(order.pk)
            elif leg.reason is not None and leg.reason.code is ReasonCode.NOTHING_TO_REDUCE:
                closing.under_way += 1
            elif leg.reason is not None:
                _refusal(position, leg.reason, key, cause, cause_id, now)
                closing.refused[leg.reason.code] += 1
        if found.plan.target != position.target:
            targets[position.pk] = {
                "target": found.plan.target,
                "version": position.version + 1,
                "changed_at": now,
            }
    rows_update(CopiedPosition, targets, ("target", "version", "changed_at"))
    failpoint("closing.before_commit")
    if closing.order_ids:
        wake_on_commit(
            "trading.tasks.orders_submit", order_ids=closing.order_ids, tenant_id=tenant_id
        )
    return closing


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _rows(tenant_id: str, ids: Iterable[str]) -> TenantQuerySet:
    return (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(pk__in=list(ids))
        .order_by("pk")
        # Prefetched, not joined: a joined row would be locked, too.
        .prefetch_related("subscription", "account")
    )


def _plans(tenant_id: str, rows: Sequence[CopiedPosition], part: Decimal = ONE) -> list[ClosePlan]:
    """Each position's way out by what its live orders leave of it. Three queries at most."""
    entries: dict[_Pair, Decimal] = defaultdict(Decimal)
    exits: dict[_Pair, Decimal] = defaultdict(Decimal)
    live = Order.objects.for_tenant(tenant_id).filter(
        subscription_id__id_in=[row.subscription_id for row in rows], state__in=_LIVE
    )
    for subscription_id, symbol, side, quantity, filled, is_entry, overtaken_at in live.values_list(
        "subscription_id", "symbol", "side", "quantity", "filled_quantity", "is_entry",
        "cancel_requested_at",
    ):  # fmt: skip
        rest = (quantity - filled) * (1 if side == "buy" else -1)
        if not is_entry:
            exits[subscription_id, symbol] += rest
        elif overtaken_at is None:
            entries[subscription_id, symbol] += rest
    marks = Position.objects.for_tenant(tenant_id).filter(
        account_id__id_in=[row.account_id for row in rows], mark_price__isnull=False
    )
    prices = {
        (account_id, symbol): price
        for account_id, symbol, price in marks.values_list("account_id", "symbol", "mark_price")
    }
    plans = []
    for row in rows:
        pair = row.subscription_id, row.symbol
        book = Book(
            target=row.target,
            filled=row.filled,
            working_entries=entries[pair],
            working_exits=exits[pair],
        )
        plans.append(_plan(row, book, prices.get((row.account_id, row.symbol)), part))
    return plans


def _plan(row: CopiedPosition, book: Book, price: Decimal | None, part: Decimal) -> ClosePlan:
    instrument = instrument_of_order(row.account.venue, row.symbol)
    if instrument is None:
        params = {"symbol": row.symbol, "venue": row.account.venue}
        leg = Leg(MAIN_LEG, False, 0, ZERO, Reason(ReasonCode.SYMBOL_NOT_LISTED, params))
        return ClosePlan(row, Plan((leg,), row.target), None, price)
    controls = controls_for(
        tenant_id=row.tenant_id,
        strategy_id=row.subscription.strategy_id,
        customer_id=row.customer_id,
        venue=row.account.venue,
    )
    closed = row.account.status == ExchangeAccount.Status.CLOSED
    holder = Holder(book, instrument, price, controls, account_closed=closed)
    return ClosePlan(row, plan_exit(holder, row.filled * (ONE - part)), instrument, price)


def _cancel_entries(tenant_id: str, plans: Sequence[ClosePlan], now: datetime) -> None:
    """Also of those that are not cut down by an exit: what was to be opened is not wanted."""
    by_symbol: dict[str, list[str]] = defaultdict(list)
    for found in plans:
        by_symbol[found.position.symbol].append(found.position.subscription_id)
    for symbol, subscription_ids in sorted(by_symbol.items()):
        entries_cancel(
            tenant_id=tenant_id, subscription_ids=subscription_ids, symbol=symbol, now=now
        )


def _key(action_id: str, position: CopiedPosition, leg: int) -> str:
    """A copied position is a subscription's in one symbol."""
    return f"close:{action_id}:{position.pk}:{leg}"


def _order(found: ClosePlan, leg: Leg) -> Order:
    position, instrument = found.position, found.instrument
    assert instrument is not None
    account = position.account
    spot = instrument.kind is InstrumentKind.SPOT
    hedged = account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT and not spot
    return Order(
        tenant_id=position.tenant_id,
        account_id=position.account_id,
        subscription_id=position.subscription_id,
        strategy_id=position.subscription.strategy_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        side="buy" if leg.direction > 0 else "sell",
        position_side=("short" if leg.direction > 0 else "long") if hedged else "net",
        reduce_only=not spot,
        quantity=leg.quantity,
        margin_mode="cash" if spot else position.exit_margin_mode,
    )


def _refusal(
    position: CopiedPosition,
    reason: Reason,
    key: str,
    cause: Intent.Cause,
    cause_id: str,
    now: datetime,
) -> None:
    Intent.objects.create(
        tenant_id=position.tenant_id,
        key=key,
        cause=cause,
        cause_id=cause_id,
        subscription_id=position.subscription_id,
        account_id=position.account_id,
        customer_id=position.customer_id,
        symbol=position.symbol,
        is_entry=False,
        target_before=position.target,
        target_after=position.target,
        status=Intent.Status.SKIPPED,
        reason_code=reason.code,
        reason_params=reason.params,
        created_at=now,
        finished_at=now,
    )
