"""Closing many positions from the console: shown first, done once, audited, within the firm."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import AuditEntry
from customers.tenancy import tenant_scope
from tests.console.conftest import Enter, Firm
from tests.strategies.sizing.instruments import MARKETS
from trading.models import Intent, Order
from trading.services.instruments import forget_noted, instrument_note

FORM = {"customer": "", "strategy": "", "symbol": "BTC/USDT:USDT", "reason": "leader went mad"}


@pytest.fixture(autouse=True)
def known_market(firm: Firm) -> Iterator[None]:
    forget_noted()
    market = next(row for row in MARKETS.values() if row.symbol == firm.copied.symbol)
    instrument_note(firm.account.venue, market)
    yield
    forget_noted()


def preview(client: Client, **form: str) -> tuple[str, str]:
    text = client.post(reverse("admin:mass_close"), {**FORM, **form}).content.decode()
    found = re.search(r'name="action_id" value="(\w{26})"', text)
    assert found is not None
    return text, found.group(1)


def exits(firm: Firm, action_id: str) -> int:
    with tenant_scope(firm.tenant.pk):
        intents = Intent.objects.filter(cause="operator", cause_id=action_id)
        return Order.objects.filter(intent__in=intents, state="ready", is_entry=False).count()


def test_it_is_shown_then_done_once_and_audited(firm: Firm, owner: Client) -> None:
    text, action_id = preview(owner)
    assert "1 orders close 1 positions" in text
    assert exits(firm, action_id) == 0
    confirmed = {**FORM, "action_id": action_id, "confirmed": "1"}
    for _click in range(2):
        response = owner.post(reverse("admin:mass_close"), confirmed)
        assert response.status_code == 302
    assert response["Location"].endswith(f"?q={action_id}")
    assert firm.copied.symbol in owner.get(response["Location"]).content.decode()
    assert exits(firm, action_id) == 1
    entry = AuditEntry.objects.get(action="positions.closed")
    assert entry.actor == owner.user  # type: ignore[attr-defined]
    assert entry.details["reason"] == "leader went mad"


def test_another_firm_s_positions_are_out_of_reach(
    firm: Firm, other_firm: Firm, enter: Enter
) -> None:
    stranger = enter("owner", other_firm.tenant)
    url = reverse("admin:mass_close")
    page = stranger.post(url, {**FORM, "customer": firm.customer.pk}).content.decode()
    assert "action_id" not in page
    _, action_id = preview(stranger)
    stranger.post(url, {**FORM, "action_id": action_id, "confirmed": "1"})
    assert exits(firm, action_id) == 0
