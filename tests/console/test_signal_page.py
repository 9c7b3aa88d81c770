"""The signal page: every follower, quickly, in words and numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from tests import factories as make
from tests.console.conftest import Firm
from trading.domain.slippage import slippage_bps
from trading.models import Fill, Intent, Order
from trading.selectors.coverage import signal_coverage
from trading.selectors.signal_page import followers_page


def url(signal: Signal, page: str = "change") -> str:
    return reverse(f"admin:signals_app_signal_{page}", args=[signal.pk])


def add_followers(firm: Firm, signal: Signal, count: int, status: str = "filled") -> None:
    """Many followers of one account: enough for counting queries, and quick to make."""
    now = signal.received_at
    intents = [
        Intent(
            tenant=firm.tenant, key=f"{signal.pk}:{status}:{n}", cause="signal", signal=signal,
            account=firm.account, customer=firm.customer, symbol=signal.symbol, side="buy",
            quantity=Decimal(1), reference_price=Decimal(50_000), status=status, created_at=now,
        )
        for n in range(count)
    ]  # fmt: skip
    orders = [
        Order(
            tenant=firm.tenant, intent=intent, account=firm.account, customer_id=firm.customer.pk,
            symbol=signal.symbol, side="buy", order_type="market", quantity=Decimal(1),
            state="filled", filled_quantity=Decimal(1), average_price=Decimal(50_010),
            created_at=now, acknowledged_at=now + timedelta(milliseconds=80),
        )
        for intent in intents
    ]  # fmt: skip
    fills = [
        Fill(
            tenant=firm.tenant, account=firm.account, order=order, symbol=signal.symbol,
            trade_id=order.pk, venue_order_id=order.pk, side="buy", quantity=Decimal(1),
            price=Decimal(50_010), fee=Decimal(0), fee_currency="USDT",
            filled_at=now + timedelta(milliseconds=95), created_at=now,
        )
        for order in orders
    ]  # fmt: skip
    with tenant_scope(firm.tenant.pk):
        Intent.objects.bulk_create(intents)
        Order.objects.bulk_create(orders)
        Fill.objects.bulk_create(fills)
        Signal.objects.filter(pk=signal.pk).update(followers=signal.followers + count)
    signal.followers += count


@pytest.fixture
def signal(firm: Firm) -> Signal:
    return make.SignalFactory(source=firm.source, raw_payload='{"note": "<script>x</script>"}')


def test_a_follower_is_told_in_words_and_numbers(firm: Firm, signal: Signal, owner: Client) -> None:
    intent = make.IntentFactory(
        subscription=firm.subscription, signal=signal, status="filled", quantity=Decimal("1.5"),
        reference_price=Decimal(50_000),
    )  # fmt: skip
    order = make.OrderFactory(
        intent=intent, state="filled", quantity=Decimal("1.5"), filled_quantity=Decimal("1.5"),
        average_price=Decimal("50012.5"),
        acknowledged_at=signal.received_at + timedelta(milliseconds=123),
    )  # fmt: skip
    make.FillFactory(order=order, filled_at=signal.received_at + timedelta(milliseconds=145))
    make.IntentFactory(
        subscription=make.SubscriptionFactory(strategy=firm.strategy), signal=signal,
        status="skipped", quantity=None, reason_code="insufficient_balance",
        reason_params={"needed": "12", "currency": "USDT", "available": "7"},
    )  # fmt: skip
    response = owner.get(url(signal))
    filled, skipped = response.context["rows"]
    assert (filled.filled, filled.average_price) == (Decimal("1.5"), Decimal("50012.5"))
    assert filled.slippage == Decimal("2.5")
    assert (filled.acknowledged_ms, filled.filled_ms) == (123, 145)
    assert filled.order_id == order.pk
    assert skipped.order_id == ""
    text = response.content.decode()
    assert "The order needs 12 USDT, only 7 are available." in text
    assert firm.customer.name in text
    assert "+2.5" in text


def test_the_raw_payload_is_escaped(firm: Firm, signal: Signal, owner: Client) -> None:
    text = owner.get(url(signal)).content.decode()
    assert "<script>x</script>" not in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("side", "price", "reference", "expected"),
    [
        ("buy", "101", "100", "100.0"),
        ("buy", "99", "100", "-100.0"),
        ("sell", "99", "100", "100.0"),
        ("sell", "101", "100", "-100.0"),
        ("buy", "100", "100", "0.0"),
        ("sell", "100", "100", "0.0"),
        ("buy", None, "100", None),
        ("buy", "100", None, None),
        ("buy", "100", "0", None),
    ],
)
def test_slippage_is_positive_when_it_is_worse(
    side: str, price: str | None, reference: str | None, expected: str | None
) -> None:
    found = slippage_bps(
        side=side,
        price=Decimal(price) if price else None,
        reference_price=Decimal(reference) if reference else None,
    )
    assert (None if found is None else str(found)) == expected


def test_all_attempts_of_a_follower_count(firm: Firm, signal: Signal) -> None:
    intent = make.IntentFactory(subscription=firm.subscription, signal=signal, status="filled")
    for attempt, (quantity, price) in enumerate([("1", "100"), ("3", "104")], start=1):
        make.OrderFactory(
            intent=intent, attempt=attempt, state="filled", filled_quantity=Decimal(quantity),
            average_price=Decimal(price),
        )  # fmt: skip
    with tenant_scope(firm.tenant.pk):
        (row,) = followers_page(signal, signal_coverage(signal)).rows
    assert (row.filled, row.average_price) == (Decimal(4), Decimal(103))


def test_the_close_of_a_flip_stands_in_its_follower_s_row(firm: Firm) -> None:
    flip = make.SignalFactory(source=firm.source, action="flip")
    for leg, status in ((0, "working"), (1, "filled")):
        make.IntentFactory(subscription=firm.subscription, signal=flip, leg=leg, status=status)
    with tenant_scope(firm.tenant.pk):
        (row,) = followers_page(flip, signal_coverage(flip)).rows
    assert (row.status, row.close_status) == ("working", "filled")


def test_a_status_narrows_the_table_and_the_pages(
    firm: Firm, signal: Signal, owner: Client
) -> None:
    add_followers(firm, signal, 130)
    add_followers(firm, signal, 3, status="rejected")
    first = owner.get(url(signal))
    assert (len(first.context["rows"]), first.context["page"].pages) == (100, 2)
    second = owner.get(url(signal, "followers"), {"page": "2"})
    assert len(second.context["rows"]) == 33
    rejected = owner.get(url(signal), {"status": "rejected"})
    assert [row.status for row in rejected.context["rows"]] == ["rejected"] * 3
    for nonsense in ("0", "-3", "zzz", "99999999999"):
        assert owner.get(url(signal), {"page": nonsense, "status": "x"}).status_code == 200


def queries(client: Client, page: str, **query: Any) -> int:
    client.get(page, query)  # sessions and content types are warm
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(page, query).status_code == 200
    return len(captured)


def test_five_hundred_followers_cost_as_many_queries_as_five(firm: Firm, owner: Client) -> None:
    few = make.SignalFactory(source=firm.source)
    many = make.SignalFactory(source=firm.source)
    add_followers(firm, few, 5)
    add_followers(firm, many, 500)
    for page in ("change", "followers"):
        assert queries(owner, url(few, page)) == queries(owner, url(many, page)) <= 16
    rows = ",".join(row.intent_id for row in owner.get(url(many)).context["rows"])
    one = rows.split(",")[0]
    assert queries(owner, url(many, "changes"), rows=one) == queries(
        owner, url(many, "changes"), rows=rows
    )


@pytest.mark.parametrize("page", ["followers", "changes"])
def test_what_refreshes_the_rows_refreshes_the_head_too(
    firm: Firm, signal: Signal, owner: Client, page: str
) -> None:
    whole = owner.get(url(signal)).content.decode()
    assert whole.count('id="signal-state"') == whole.count('id="signal-done"') == 1
    with tenant_scope(firm.tenant.pk):
        Signal.objects.filter(pk=signal.pk).update(
            status="done", done_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
        )
    part = owner.get(url(signal, page)).content.decode()
    assert 'id="signal-state" hx-swap-oob="true">done<' in part
    assert 'id="signal-done" hx-swap-oob="true">05:06:07' in part


def test_the_changes_of_another_signal_s_rows_are_not_given(
    firm: Firm, other_firm: Firm, signal: Signal, owner: Client
) -> None:
    wanted = f"{other_firm.intent.pk},{firm.intent.pk}"
    response = owner.get(url(signal, "changes"), {"rows": wanted})
    assert response.context["rows"] == []
    assert owner.get(url(other_firm.signal, "changes")).status_code == 404
    assert owner.get(url(other_firm.signal, "followers")).status_code == 404


def test_an_order_s_page_tells_its_life_in_order(firm: Firm, owner: Client) -> None:
    order = make.OrderFactory(intent=firm.intent, state="filled")
    start = order.created_at
    for step, (kind, to_state) in enumerate([("claim", "claimed"), ("send", "sending")]):
        make.OrderEventFactory(
            order=order, kind=kind, to_state=to_state,
            occurred_at=start + timedelta(milliseconds=10 * (step + 1)),
        )  # fmt: skip
    make.FillFactory(order=order, filled_at=start + timedelta(milliseconds=15))
    page = owner.get(reverse("admin:trading_order_change", args=[order.pk]))
    told = [entry.event.kind if entry.event else "fill" for entry in page.context["timeline"]]
    assert told == ["claim", "fill", "send"]
    assert [entry.since_start_ms for entry in page.context["timeline"]] == [10, 15, 20]
