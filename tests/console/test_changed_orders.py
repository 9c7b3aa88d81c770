"""An operator cancels or changes a waiting entry from its page. Who may: test_roles."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.console.conftest import Enter, Firm
from tests.console.test_pages import page_url
from tests.strategies.sizing.instruments import MARKETS
from trading.models import Order
from trading.services.instruments import forget_noted, instrument_note


@pytest.fixture(autouse=True)
def waits(firm: Firm) -> Iterator[None]:
    forget_noted()
    market = next(row for row in MARKETS.values() if row.symbol == firm.order.symbol)
    instrument_note(firm.order.account.venue, market)
    with tenant_scope(firm.tenant.pk):
        Order.objects.filter(pk=firm.order.pk).update(
            state="accepted", order_type="limit", price=Decimal(49_000), quantity=Decimal(10)
        )
    yield
    forget_noted()


def url(name: str, firm: Firm) -> str:
    return reverse(f"admin:trading_order_{name}", args=[firm.order.pk])


def stored(firm: Firm) -> Order:
    with tenant_scope(firm.tenant.pk):
        return Order.objects.get(pk=firm.order.pk)


def test_it_is_cancelled_with_a_reason(firm: Firm, owner: Client, enter: Enter) -> None:
    assert url("withdraw", firm) in owner.get(page_url(firm.order)).content.decode()
    assert url("withdraw", firm) not in enter("auditor").get(page_url(firm.order)).content.decode()
    answer = owner.post(url("withdraw", firm), {"reason": "client called"})
    assert answer["Location"] == page_url(firm.order)
    assert stored(firm).withdrawn_by == "operator"
    entry = AuditEntry.objects.get(action="order.withdrawn")
    assert (entry.actor, entry.details["reason"]) == (owner.user, "client called")  # type: ignore[attr-defined]


def test_it_is_changed_or_refused_in_words(firm: Firm, owner: Client) -> None:
    form = {"price": "49500", "quantity": "11", "reason": ""}
    assert "only be made smaller" in owner.post(url("amend", firm), form).content.decode()
    assert not stored(firm).withdrawn_by
    owner.post(url("amend", firm), {**form, "quantity": "6"})
    order = stored(firm)
    assert (order.withdrawn_by, order.amended_price, order.amended_quantity) == (
        "operator", 49_500, 6,
    )  # fmt: skip
    assert AuditEntry.objects.get(action="order.amended").details["quantity_before"] == "10"
    again = owner.post(url("amend", firm), {**form, "quantity": "5"}).content.decode()
    assert "being cancelled or changed already" in again
