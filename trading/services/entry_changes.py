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
from customers.tenancy import TenantQuerySet
from customers.wakeup import wake_on_commit
from trading.domain.going_on import Unchangeable, amendment_problem
from trading.domain.order_states import OrderState
from trading.domain.planning import at_tick
from trading.domain.reasons import Reason
from trading.models import Order, OrderEvent
from trading.order_texts import AMENDED, WITHDRAWN, entry_change_refusal
from trading.reason_texts import reason_text
from trading.services.changed_costs import ChangeTerms, change_terms, copy_lock, cost_denial
from trading.services.waiting import waiting_entry

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

    def __init__(self, why: EntryChangeError | Unchangeable | Reason) -> None:
        self.code = why.code.value if isinstance(why, Reason) else why.value
        super().__init__(self.code)
        self._why = why

    @property
    def message(self) -> str:
        if isinstance(self._why, Reason):
            return reason_text(self._why.code, self._why.params)
        return entry_change_refusal(self._why)


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

    Of a slice also those that come after it: nobody who stops an entry wants its rest later.
    Audited. Asking again changes nothing. Raises EntryChangeRefusedError.
    """
    locked = _locked(order)
    if not may_withdraw(locked):
        raise EntryChangeRefusedError(EntryChangeError.NOT_WAITING)
    if locked.withdrawn_by and locked.amended_price is None:
        return locked
    for each in (locked, *later_slices(locked).order_by("pk").select_for_update()):
        each.amended_price = each.amended_quantity = None
        _ask(each, asker, WITHDRAWN, {})
    return locked


def later_slices(order: Order) -> TenantQuerySet:
    """Of the same entry, still to come and wanted. None where an entry is not sliced."""
    rows = Order.objects.for_tenant(order.tenant_id).filter(
        signal_id=order.signal_id,
        subscription_id=order.subscription_id,
        symbol=order.symbol,
        side=order.side,
        is_entry=True,
        state=OrderState.READY,
        withdrawn_by="",
        cancel_requested_at=None,
        send_at__isnull=False,
    )
    if not order.signal_id or not order.is_entry:
        return rows.none()
    return rows if order.send_at is None else rows.filter(send_at__gt=order.send_at)


def entry_amend(
    *,
    order: Order,
    price: Decimal,
    quantity: Decimal,
    asker: Asker,
    terms: ChangeTerms | None = None,
) -> Order:
    """Have a resting entry replaced by one at this price; `quantity` is the whole entry's new size,
    with what is filled of it, and never larger. What it costs more is judged by the caps.

    `terms`: for whoever is in a transaction already. Audited. Raises EntryChangeRefusedError.
    """
    terms = terms or change_terms(order)
    if terms is None:
        raise EntryChangeRefusedError(EntryChangeError.MARKET_UNKNOWN)
    return _amend(order, price, quantity, terms, asker)


@transaction.atomic
def _amend(
    order: Order, price: Decimal, quantity: Decimal, terms: ChangeTerms, asker: Asker
) -> Order:
    copy_lock(order, terms)
    locked = _locked(order)
    instrument = terms.instrument
    if locked.withdrawn_by:
        raise EntryChangeRefusedError(EntryChangeError.CHANGING)
    if not may_amend(locked) or locked.price is None:
        raise EntryChangeRefusedError(EntryChangeError.NOT_ON_THE_BOOK)
    # On the own side, as every price: a purchase never at more than was asked for.
    direction = 1 if locked.side == "buy" else -1
    new_price = at_tick(price, direction, instrument) if price > 0 else price
    problem: Unchangeable | Reason | None = amendment_problem(
        waiting_entry(locked),
        at=locked.price,
        price=new_price,
        quantity=quantity,
        instrument=instrument,
    )
    problem = problem or cost_denial(locked, terms, price=new_price, quantity=quantity)
    if problem is not None:
        raise EntryChangeRefusedError(problem)
    locked.amended_price = new_price
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
