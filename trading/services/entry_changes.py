"""A person cancels a waiting entry, or changes its price or size.

As with a leader's amendment, nothing is changed in place: what rests is cancelled by the look-ups,
and once that is proven, the rest of the new size is placed (order_updates.going_on). Until then the
order counts as working, and what it fills stays. Only entries: exits are at market, and stops go by
the copy's settings, which would put back what somebody moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from customers.failpoints import failpoint
from customers.models import User
from customers.services.audit import audit_record
from customers.wakeup import wake_on_commit
from trading.domain.going_on import Unchangeable, amendment_problem
from trading.domain.order_states import OrderState
from trading.models import Order, OrderEvent
from trading.order_texts import AMENDED, WITHDRAWN, entry_change_refusal
from trading.services.instruments import instrument_of_order
from trading.services.waiting import waiting_entry
from venues.domain.types import Instrument

_ON_THE_BOOK = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
_WAITING = (*_ON_THE_BOOK, OrderState.READY, OrderState.UNKNOWN)


class EntryChangeError(StrEnum):
    """Why a waiting entry is left as it is."""

    NOT_WAITING = "not_waiting"
    NOT_ON_THE_BOOK = "not_on_the_book"
    CHANGING = "changing"
    MARKET_UNKNOWN = "market_unknown"


class EntryChangeRefusedError(Exception):
    """The code says why, the message in the reader's language."""

    def __init__(self, code: EntryChangeError | Unchangeable) -> None:
        super().__init__(code.value)
        self.code = code

    @property
    def message(self) -> str:
        return entry_change_refusal(self.code)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a change, and in which part."""

    actor: User | None
    part: Order.WithdrawnBy
    ip_address: str | None = None
    reason: str = ""


def may_withdraw(order: Order) -> bool:
    return order.is_entry and order.state in _WAITING and order.cancel_requested_at is None


def may_amend(order: Order) -> bool:
    """Only what rests at a price, and is not on its way out of the book."""
    rests = order.state in _ON_THE_BOOK and order.order_type == "limit"
    leaves = waiting_entry(order).is_to_leave(timezone.now())
    return order.is_entry and rests and not leaves


@transaction.atomic
def entry_withdraw(*, order: Order, asker: Asker) -> Order:
    """Have a waiting entry cancelled; a change that was asked for before is forgotten.

    Audited. Asking again changes nothing. Raises EntryChangeRefusedError.
    """
    locked = _locked(order)
    if not may_withdraw(locked):
        raise EntryChangeRefusedError(EntryChangeError.NOT_WAITING)
    if locked.withdrawn_by and locked.amended_price is None:
        return locked
    locked.amended_price = locked.amended_quantity = None
    _ask(locked, asker, WITHDRAWN, {})
    return locked


def entry_amend(*, order: Order, price: Decimal, quantity: Decimal, asker: Asker) -> Order:
    """Have a resting entry replaced by one at this price; `quantity` is the whole entry's new size,
    with what is filled of it, and never larger. Audited. Raises EntryChangeRefusedError."""
    instrument = instrument_of_order(order.account.venue, order.symbol)
    if instrument is None:
        raise EntryChangeRefusedError(EntryChangeError.MARKET_UNKNOWN)
    return _amend(order, price, quantity, instrument, asker)


@transaction.atomic
def _amend(
    order: Order, price: Decimal, quantity: Decimal, instrument: Instrument, asker: Asker
) -> Order:
    locked = _locked(order)
    if locked.withdrawn_by:
        raise EntryChangeRefusedError(EntryChangeError.CHANGING)
    if not may_amend(locked) or locked.price is None:
        raise EntryChangeRefusedError(EntryChangeError.NOT_ON_THE_BOOK)
    problem = amendment_problem(
        waiting_entry(locked),
        at=locked.price,
        price=price,
        quantity=quantity,
        instrument=instrument,
    )
    if problem is not None:
        raise EntryChangeRefusedError(problem)
    locked.amended_price = instrument.price_to_tick(price)
    locked.amended_quantity = quantity
    numbers = {
        "price": format(locked.amended_price, "f"),
        "quantity": format(quantity, "f"),
        "price_before": format(locked.price, "f"),
        "quantity_before": format(locked.quantity, "f"),
    }
    _ask(locked, asker, AMENDED, numbers)
    return locked


def _locked(order: Order) -> Order:
    return Order.objects.for_tenant(order.tenant_id).select_for_update().get(pk=order.pk)


def _ask(locked: Order, asker: Asker, kind: str, numbers: dict[str, str]) -> None:
    now = timezone.now()
    locked.withdrawn_by, locked.check_at = asker.part, now
    locked.save(update_fields=["withdrawn_by", "amended_price", "amended_quantity", "check_at"])
    OrderEvent.objects.create(
        tenant_id=locked.tenant_id,
        order=locked,
        kind=kind,
        from_state=locked.state,
        to_state=locked.state,
        details={"by": asker.part, **numbers},
        occurred_at=now,
    )
    audit_record(
        action="order.amended" if kind == AMENDED else "order.withdrawn",
        actor=asker.actor,
        tenant_id=locked.tenant_id,
        target=f"trading.order:{locked.pk}",
        details={"reason": asker.reason, **numbers},
        ip_address=asker.ip_address,
    )
    wake_on_commit("trading.tasks.orders_check", order_ids=[locked.pk], tenant_id=locked.tenant_id)
    failpoint("entry_change.before_commit")
