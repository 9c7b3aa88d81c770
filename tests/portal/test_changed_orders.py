"""A client cancels or changes his own waiting entry, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.factories import IntentFactory, OrderFactory
from tests.portal.conftest import Persona
from tests.strategies.sizing.instruments import MARKETS
from trading.models import Intent, Order
from trading.services.instruments import forget_noted, instrument_note

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(owner: Persona) -> Iterator[Order]:
    forget_noted()
    symbol = owner.filled.symbol
    market = next(row for row in MARKETS.values() if row.symbol == symbol)
    instrument_note(owner.account.venue, market)
    with tenant_scope(owner.tenant.pk):
        intent = IntentFactory(subscription=owner.copy, symbol=symbol, status="working")
        yield OrderFactory(
            intent=intent,
            state="accepted",
            order_type="limit",
            price=Decimal(49_000),
            quantity=Decimal(10),
            filled_quantity=Decimal(2),
        )
    forget_noted()


def page(intent: Intent, name: str = "") -> str:
    return f"/orders/{intent.pk}/{name}"


def test_he_is_asked_and_then_it_is_being_cancelled(waiting: Order, browser: Client) -> None:
    address = page(waiting.intent, "cancel/")
    assert address in browser.get(page(waiting.intent)).content.decode()
    assert b"Cancel this order?" in browser.get(address).content
    assert not Order.objects.get(pk=waiting.pk).withdrawn_by
    assert browser.post(address)["Location"] == page(waiting.intent)
    order = Order.objects.get(pk=waiting.pk)
    assert (order.withdrawn_by, order.state) == ("client", "accepted")
    assert order.check_at is not None
    assert AuditEntry.objects.filter(action="order.withdrawn").count() == 1
    assert address not in browser.get(page(waiting.intent)).content.decode()


def test_he_is_told_that_later_slices_end_with_it(waiting: Order, browser: Client) -> None:
    Order.objects.filter(pk=waiting.pk).update(send_at=waiting.created_at)
    later = IntentFactory(
        subscription=waiting.intent.subscription, signal=waiting.intent.signal, leg=2,
        symbol=waiting.symbol, status="working",
    )  # fmt: skip
    at = waiting.created_at + timedelta(hours=1)
    OrderFactory(intent=later, state="ready", side=waiting.side, send_at=at)
    assert "1 more is still to come" in browser.get(page(waiting.intent)).content.decode()
    address = page(waiting.intent, "cancel/")
    assert b"1 slice after it is cancelled, too" in browser.get(address).content
    browser.post(address)
    assert Order.objects.get(intent=later).withdrawn_by == "client"


def test_he_changes_price_and_size_or_is_told_why_not(waiting: Order, browser: Client) -> None:
    address = page(waiting.intent, "change/")
    assert b'value="49000"' in browser.get(address).content
    for price, quantity, words in (
        ("49500", "11", "only be made smaller"),
        ("30000", "10", "at most 20 % away"),
        ("49500", "2", "filled already"),
        ("nan", "5", "number"),
    ):
        text = browser.post(address, {"price": price, "quantity": quantity}).content.decode()
        assert words in text, text
    assert not Order.objects.get(pk=waiting.pk).withdrawn_by
    answer = browser.post(address, {"price": "49500.5", "quantity": "6"})
    assert answer["Location"] == page(waiting.intent)
    order = Order.objects.get(pk=waiting.pk)
    assert (order.withdrawn_by, order.amended_price, order.amended_quantity) == (
        "client", Decimal("49500.5"), 6,
    )  # fmt: skip
    entry = AuditEntry.objects.get(action="order.amended")
    assert entry.details["price_before"] == "49000"


def test_it_is_his_alone_and_asked_for_with_a_token(
    waiting: Order, owner: Persona, colleague: Persona
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner.user)
    for name in ("cancel/", "change/"):
        address = page(waiting.intent, name)
        form = {"price": "49500", "quantity": "6"}
        assert colleague.browser().get(address).status_code == 404
        assert colleague.browser().post(address, form).status_code == 404
        assert strict.post(address, form).status_code == 403
    assert not Order.objects.get(pk=waiting.pk).withdrawn_by


def test_an_exit_and_what_was_skipped_cannot_be_changed(owner: Persona, browser: Client) -> None:
    with tenant_scope(owner.tenant.pk):
        intent = IntentFactory(subscription=owner.copy, is_entry=False)
        OrderFactory(intent=intent, is_entry=False, state="accepted")
    for one in (intent, owner.skipped):
        for name in ("cancel/", "change/"):
            assert browser.post(page(one, name)).status_code == 404
