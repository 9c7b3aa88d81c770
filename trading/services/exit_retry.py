"""A new attempt for an exit that did not happen. Entries never get one by themselves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from customers.bulk_rows import rows_update
from customers.deadlocks import retry_on_deadlock
from customers.domain.ids import new_id
from customers.failpoints import failpoint
from customers.wakeup import wake_on_commit
from trading.domain.order_progress import next_exit_quantity
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.reasons import ReasonCode
from trading.domain.resolution import WATCH_AFTER, WATCH_INTERVAL
from trading.models import CopiedPosition, Intent, Order, OrderEvent
from trading.services.exit_evidence import held_at_venue, held_by_client
from trading.services.instruments import instrument_of_order
from venues.domain.types import Instrument, VenueError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 300
"""A day of refusals (`exit_retry_delay`): the market will not open again."""
TRY_LATER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is asked before the transaction. `at_venue`: signed, of the exit's position; None when
    it was not asked, because the venue itself refused the exit for something else."""

    instrument: Instrument
    at_venue: Decimal | None


def is_retry_undecided(order: Order) -> bool:
    """A lost exit is watched only once it is decided whether it gets another attempt."""
    return not order.is_entry and order.watch_until is None


def exit_try_again(*, tenant_id: str, order_id: str) -> Order | None:
    """A new Order of the same Intent for what is still to be closed, or None.

    Capped by the sub-ledger: never more than is held and not yet being closed; and for a lost
    exit also by the position at the venue, of which other copies may own a part: so an exit that
    happened after all is not repeated. Safe to call twice, the newest attempt decides; until it
    is decided the order stays due.
    """
    failed = Order.objects.for_tenant(tenant_id).select_related("account").get(pk=order_id)
    if failed.is_entry or not failed.subscription_id:
        _stop_retrying(failed)
        return None
    if failed.attempt >= MAX_ATTEMPTS:
        logger.error("exit %s is given up after %d attempts", failed.pk, failed.attempt)
        _stop_retrying(failed)
        return None
    try:
        facts = _ask(failed)
    except (VenueError, TimeoutError, LookupError) as error:
        logger.warning("exit %s cannot be tried again yet: %s", failed.pk, error)
        _try_later(failed)
        return None
    failpoint("exit_retry.asked")
    return retry_on_deadlock(lambda: _next_attempt(tenant_id, order_id, facts))


def _ask(failed: Order) -> _Facts:
    """Over the network. Raises VenueError, TimeoutError, LookupError."""
    venue = failed.account.venue
    instrument = instrument_of_order(venue, failed.symbol)
    if instrument is None:
        raise LookupError(f"nobody knows {failed.symbol}")
    if failed.state != OrderState.NOT_PLACED and failed.reason_code != ReasonCode.LESS_IS_HELD:
        return _Facts(instrument, None)
    return _Facts(instrument, held_at_venue(failed, instrument))


@transaction.atomic
def _next_attempt(tenant_id: str, order_id: str, facts: _Facts) -> Order | None:
    subscription_id, symbol = (
        Order.objects.for_tenant(tenant_id)
        .values_list("subscription_id", "symbol")
        .get(pk=order_id)
    )
    position = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .select_for_update()
        .get(subscription_id=subscription_id, symbol=symbol)
    )
    # After the lock: it may have been adopted, or tried again, in the meantime.
    failed = Order.objects.for_tenant(tenant_id).get(pk=order_id)
    attempts = Order.objects.for_tenant(tenant_id).filter(intent_id=failed.intent_id)
    over = failed.state not in (OrderState.REJECTED, OrderState.NOT_PLACED)
    if over or attempts.filter(attempt__gt=failed.attempt).exists():
        _stop_retrying(failed)
        return None
    sign = 1 if failed.side == "buy" else -1
    quantity = facts.instrument.quantity_down(
        next_exit_quantity(
            sign=sign,
            rest=failed.quantity - failed.filled_quantity,
            held=position.filled,
            working_exits=_working_exits(tenant_id, failed),
            at_venue=facts.at_venue,
            held_by_others=_held_by_others(position, sign),
            held_by_client=held_by_client(failed),
            refused=failed.state == OrderState.REJECTED,
        )
    )
    if quantity < facts.instrument.min_size:
        _stop_retrying(failed)
        return None
    now = timezone.now()
    order = _copy(failed, quantity, now)
    order.save(force_insert=True)
    OrderEvent.objects.create(
        tenant_id=tenant_id,
        order=order,
        kind="create",
        from_state="",
        to_state=order.state,
        details={"attempt": order.attempt, "after": failed.pk},
        occurred_at=now,
    )
    rows_update(
        CopiedPosition,
        {
            position.pk: {
                "target": position.target + sign * quantity,
                "version": position.version + 1,
                "changed_at": now,
            }
        },
        ("target", "version", "changed_at"),
    )
    Intent.objects.for_tenant(tenant_id).filter(pk=failed.intent_id).update(
        status=Intent.Status.WORKING,
        reason_code=order.reason_code,
        reason_params={},
        finished_at=None,
    )
    _stop_retrying(failed)
    wake_on_commit("trading.tasks.orders_submit", order_ids=[order.pk], tenant_id=tenant_id)
    failpoint("exit_retry.before_commit")
    logger.info("exit %s is tried again as %s", failed.pk, order.pk)
    return order


def _held_by_others(position: CopiedPosition, sign: int) -> Decimal:
    """What the account's other copies hold in the symbol on the side that `sign` closes."""
    held = (
        CopiedPosition.objects.for_tenant(position.tenant_id)
        .filter(account_id=position.account_id, symbol=position.symbol)
        .exclude(pk=position.pk)
        .values_list("filled", flat=True)
    )
    return sum((filled for filled in held if filled * sign < 0), Decimal(0))


def _working_exits(tenant_id: str, failed: Order) -> Decimal:
    """Signed sum of the unfilled rest of this subscription's live exits in the symbol."""
    rows = (
        Order.objects.for_tenant(tenant_id)
        .filter(
            subscription_id=failed.subscription_id,
            symbol=failed.symbol,
            is_entry=False,
            state__in=[str(state) for state in LIVE_STATES],
        )
        .values_list("side", "quantity", "filled_quantity")
    )
    rests = ((quantity - filled) * (1 if side == "buy" else -1) for side, quantity, filled in rows)
    return sum(rests, Decimal(0))


def _stop_retrying(order: Order) -> None:
    """Clears the due time of a refused order; a lost one is watched from now on."""
    now = timezone.now()
    rows = Order.objects.for_tenant(order.tenant_id).filter(pk=order.pk)
    rows.filter(state=OrderState.REJECTED).update(check_at=None)
    rows.filter(state=OrderState.NOT_PLACED, watch_until=None).update(
        check_at=now + WATCH_INTERVAL, watch_until=now + WATCH_AFTER
    )


def _try_later(order: Order) -> None:
    """However long it takes: what it is to close is still open."""
    now = timezone.now()
    is_old = order.finished_at is not None and now > order.finished_at + WATCH_AFTER
    undecided = Q(state=OrderState.REJECTED) | Q(state=OrderState.NOT_PLACED, watch_until=None)
    Order.objects.for_tenant(order.tenant_id).filter(undecided, pk=order.pk).update(
        check_at=now + (WATCH_INTERVAL if is_old else TRY_LATER)
    )


def _copy(failed: Order, quantity: Decimal, now: datetime) -> Order:
    waits_for_key = failed.reason_code == ReasonCode.CREDENTIALS_REFUSED
    return Order(
        id=new_id(),
        tenant_id=failed.tenant_id,
        intent_id=failed.intent_id,
        account_id=failed.account_id,
        signal_id=failed.signal_id,
        subscription_id=failed.subscription_id,
        strategy_id=failed.strategy_id,
        customer_id=failed.customer_id,
        attempt=failed.attempt + 1,
        wave=failed.wave,
        symbol=failed.symbol,
        side=failed.side,
        position_side=failed.position_side,
        is_entry=False,
        reduce_only=failed.reduce_only,
        order_type=failed.order_type,
        quantity=quantity,
        price=failed.price,
        margin_mode=failed.margin_mode,
        state=OrderState.READY,
        reason_code=ReasonCode.WAITING_FOR_KEY if waits_for_key else "",
        created_at=now,
    )
