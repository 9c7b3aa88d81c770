"""Sending a signal by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from signals_app.models import Signal
from signals_app.services import parsing, price_checks
from tests import factories as make
from tests.console.conftest import Enter, Firm
from trading.models import CopiedPosition, Intent
from trading.services.fanout import context
from venues.domain.types import Instrument, InstrumentKind, VenueError, VenueErrorKind

FORM = {
    "action": "open", "symbol": "BTC/USDT:USDT", "side": "long", "size": "0.25",
    "size_basis": "base", "order_type": "market", "leverage": "3", "price": "", "stop_loss": "",
    "take_profit": "", "leader_equity": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the source's venue lists; nothing else of these pages asks it."""
    symbols = ["BTC/USDT:USDT", "BTC/USDT", "ETH/USDT:USDT"]
    monkeypatch.setattr(parsing.markets, "instruments", lambda venue: dict.fromkeys(symbols))
    return symbols


@pytest.fixture
def form(firm: Firm) -> dict[str, str]:
    return {**FORM, "source": firm.manual_source.pk}


def sent(firm: Firm) -> list[Signal]:
    with tenant_scope(firm.tenant.pk):
        return list(Signal.objects.filter(source=firm.manual_source))


def url() -> str:
    return reverse("admin:send_signal")


def confirmation(client: Client, form: dict[str, str]) -> Any:
    response = client.post(url(), form)
    assert response.status_code == 200
    return response


def test_nothing_is_sent_before_the_confirmation_which_says_how_far_it_goes(
    firm: Firm, owner: Client, form: dict[str, str]
) -> None:
    strategy = make.StrategyFactory(source=firm.manual_source)
    other = make.StrategyFactory(source=firm.manual_source, symbols=["ETH/USDT:USDT"])
    closed = make.StrategyFactory(source=firm.manual_source, status="closed")
    for status in ("active", "active", "paused", "stopped"):
        make.SubscriptionFactory(strategy=strategy, status=status)
    make.SubscriptionFactory(strategy=other)
    make.SubscriptionFactory(strategy=closed)
    response = confirmation(owner, form)
    reach = response.context["reach"]
    assert (reach.active, reach.paused, reach.not_copied) == (2, 1, 1)
    assert "<b>2</b> followers" in response.content.decode()
    assert sent(firm) == []


def test_a_confirmed_signal_is_accepted_once_however_often_it_is_clicked(
    firm: Firm, owner: Client, form: dict[str, str]
) -> None:
    external_id = confirmation(owner, form).context["external_id"]
    for _ in range(2):
        response = owner.post(url(), {**form, "confirmed": "1", "external_id": external_id})
        (signal,) = sent(firm)
        assert response.status_code == 302
        assert response["Location"] == reverse("admin:signals_app_signal_change", args=[signal.pk])
    assert (signal.action, signal.side, str(signal.size)) == ("open", "long", "0.25")
    assert owner.user.email in signal.raw_payload  # type: ignore[attr-defined]
    assert AuditEntry.objects.filter(action="signal.sent_by_hand").count() == 1


def test_amounts_keep_every_digit(firm: Firm, owner: Client, form: dict[str, str]) -> None:
    exact = {**form, "size": "12345678901.123456789012345678"}
    external_id = confirmation(owner, exact).context["external_id"]
    owner.post(url(), {**exact, "confirmed": "1", "external_id": external_id})
    (signal,) = sent(firm)
    assert str(signal.size) == "12345678901.123456789012345678"


@pytest.mark.parametrize(
    "wrong",
    [{"size": "-1"}, {"size": "NaN"}, {"side": ""}, {"symbol": "???"}, {"size": "1e5"},
     {"stop_loss": "many"}],
)  # fmt: skip
def test_what_is_no_signal_comes_back_with_its_error(
    wrong: dict[str, str], firm: Firm, owner: Client, form: dict[str, str]
) -> None:
    confirmed = {**form, **wrong, "confirmed": "1", "external_id": "manual-" + "0" * 26}
    response = owner.post(url(), confirmed)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert sent(firm) == []


def test_a_target_that_the_market_has_passed_is_not_sent(
    firm: Firm, owner: Client, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    price_checks.silence_forget()
    prices = [Decimal(64000)]
    last_price = "signals_app.services.price_checks.markets.last_price"
    monkeypatch.setattr(last_price, lambda *_, **__: prices[0])
    targeted = {**form, "price": "", "stop_loss": "", "take_profit": "66000"}
    external_id = confirmation(owner, targeted).context["external_id"]
    prices[0] = Decimal(67000)
    confirmed = {**targeted, "confirmed": "1", "external_id": external_id}
    assert "wrong side of the market" in owner.post(url(), confirmed).content.decode()
    assert sent(firm) == []
    prices[0] = Decimal(65000)
    assert owner.post(url(), confirmed).status_code == 302
    prices[0] = Decimal(67000)
    assert owner.post(url(), confirmed).status_code == 302  # sent already
    assert len(sent(firm)) == 1


def test_only_own_manual_sources_can_be_used(
    firm: Firm, other_firm: Firm, owner: Client, form: dict[str, str]
) -> None:
    for source in (firm.source, other_firm.manual_source):
        response = owner.post(url(), {**form, "source": source.pk, "confirmed": "1"})
        assert response.context["form"].errors["source"]
    assert sent(firm) == sent(other_firm) == []


def test_a_paused_source_says_so(firm: Firm, owner: Client, form: dict[str, str]) -> None:
    pause = reverse("admin:signals_app_signalsource_pause", args=[firm.manual_source.pk])
    owner.post(pause, {"reason": "lunch"})
    external_id = confirmation(owner, form).context["external_id"]
    response = owner.post(url(), {**form, "confirmed": "1", "external_id": external_id})
    assert "The source is paused. lunch" in response.content.decode()
    assert sent(firm) == []


@pytest.mark.parametrize("typed", ["BTCUSDT", "BTC-USDT-SWAP", "BTCUSDT.P", "btc/usdt:usdt"])
def test_a_symbol_may_be_typed_as_charts_and_exchanges_write_it(
    owner: Client, form: dict[str, str], typed: str
) -> None:
    document = confirmation(owner, {**form, "symbol": typed}).context["document"]
    assert "BTC/USDT:USDT" in [value for _, value in document]


@pytest.mark.parametrize(
    ("wrong", "field", "english", "chinese"),
    [
        ({"symbol": "NOSUCH"}, "symbol", "lists no symbol “NOSUCH”", "没有上线交易对“NOSUCH”"),
        ({"size": "much"}, "size", "“much” in Size is no usable number", "“much”"),
        ({"leverage": "0"}, "leverage", "Leverage must be above 0", "杠杆"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_in_the_readers_language(
    owner: Client,
    form: dict[str, str],
    wrong: dict[str, str],
    field: str,
    english: str,
    chinese: str,
) -> None:
    for language, words in (("en", english), ("zh-hans", chinese)):
        owner.cookies["django_language"] = language
        (said,) = owner.post(url(), {**form, **wrong}).context["form"].errors[field]
        assert words in said


def test_while_the_venue_does_not_answer_an_exact_symbol_is_taken_as_it_is(
    owner: Client, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(venue: str) -> None:
        raise VenueError(VenueErrorKind.UNAVAILABLE, "", "")

    monkeypatch.setattr(parsing.markets, "instruments", silent)
    assert confirmation(owner, form).context["external_id"]
    assert owner.post(url(), {**form, "symbol": "BTCUSDT"}).context["form"].errors["symbol"]


def test_change_it_leads_back_to_the_filled_form(
    firm: Firm, owner: Client, form: dict[str, str]
) -> None:
    response = owner.post(url(), {**form, "edit": "1"})
    assert 'value="0.25"' in response.content.decode()
    assert "external_id" not in (response.context.get("external_id") or "")


def test_a_superuser_chooses_a_tenant_first(firm: Firm, enter: Enter) -> None:
    assert enter(None, None).get(url()).status_code == 409


def test_the_preview_says_what_would_happen_to_whom_and_writes_nothing(
    firm: Firm, owner: Client, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planning of the fan-out itself: sizes for those who would trade, reasons for others."""
    market = Instrument(
        symbol="BTC/USDT:USDT", venue_symbol="BTC-USDT-SWAP", kind=InstrumentKind.LINEAR,
        base="BTC", quote="USDT", settle="USDT", contract_size=Decimal("0.01"),
        lot=Decimal("0.01"), tick=Decimal("0.1"), min_size=Decimal("0.01"), max_market_size=None,
        max_limit_size=None, max_leverage=Decimal(100), is_live=True,
    )  # fmt: skip
    monkeypatch.setattr(context.markets, "instrument", lambda venue, symbol: market)
    monkeypatch.setattr(context.markets, "last_price", lambda venue, symbol: Decimal(64000))
    strategy = make.StrategyFactory(source=firm.manual_source)
    rich, poor = (
        make.SubscriptionFactory(
            strategy=strategy, sizing_mode="fixed_amount", fixed_amount=Decimal(640)
        )
        for _ in range(2)
    )
    for follower, available in ((rich, Decimal(5000)), (poor, Decimal(1))):
        make.BalanceFactory(
            account=follower.account, currency="USDT", equity=available, available=available
        )
    response = confirmation(owner, form)
    preview = response.context["preview"]
    rows = {row["follower"].subscription_id: row["legs"] for row in preview["rows"]}
    ((order, no_reason),) = rows[rich.pk]
    ((skipped, reason),) = rows[poor.pk]
    # 640 margin at 3x buys 1,920 worth: 0.03 coins, 3 contracts of a hundredth.
    assert (order.side, order.quantity, no_reason) == ("buy", Decimal(3), "")
    assert (skipped.quantity, skipped.reason_code) == (None, "insufficient_balance")
    assert "only 1.00 are available" in reason
    assert (preview["orders"], preview["skips"], preview["more"]) == (1, 1, 0)
    assert "1 would trade, 1 would be skipped" in response.content.decode()
    with tenant_scope(firm.tenant.pk):
        for model in (CopiedPosition, Intent):
            assert not model.objects.filter(subscription__in=[rich, poor]).exists()
    assert sent(firm) == []


def test_what_only_leaders_say_is_not_offered(owner: Client) -> None:
    text = owner.get(url()).content.decode()
    assert 'value="set_target"' in text
    for word in ("cancel", "leverage", "margin", "stops", "transfer"):
        assert f'<option value="{word}"' not in text
