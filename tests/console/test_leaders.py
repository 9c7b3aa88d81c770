"""Leaders in the console: added with their source, keyed without ever showing the key, watched."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from customers.tenancy import tenant_scope
from signals_app.models import Leader, LeaderCredential, SignalSource
from tests import factories as make
from tests.console.conftest import CANARY, Enter, Firm

NEW = {
    "name": "Scalper",
    "kind": "leader",
    "venue": "paper",
    "lead_trader_code": "",
    "window_ms": "150",
    "follow_orders": "filled",
    "after_fill": "chase",
    "chase_slippage_bps": "",
    "signal_lifetime_seconds": "45",
    "max_slippage_bps": "30",
    "poll_seconds": "5",
    "symbols": '["BTC/USDT:USDT"]',
}
ADD = "admin:signals_app_leader_add"


def page(leader: Leader, name: str = "change") -> str:
    return reverse(f"admin:signals_app_leader_{name}", args=[leader.pk])


def stored(firm: Firm, name: str) -> Leader:
    with tenant_scope(firm.tenant.pk):
        return Leader.objects.select_related("source").get(source__name=name)


def test_a_leader_is_added_with_its_source_and_asks_for_its_key(firm: Firm, owner: Client) -> None:
    response = owner.post(reverse(ADD), NEW)
    leader = stored(firm, "Scalper")
    assert response["Location"] == page(leader, "set_keys")
    source = leader.source
    assert (source.kind, source.venue, source.signal_lifetime_seconds) == ("leader", "paper", 45)
    assert (leader.window_ms, leader.symbols) == (150, ["BTC/USDT:USDT"])


def test_its_settings_change_and_its_kind_and_venue_do_not(firm: Firm, owner: Client) -> None:
    owner.post(reverse(ADD), NEW)
    leader = stored(firm, "Scalper")
    changed = {**NEW, "name": "Renamed", "kind": "lead_trader", "venue": "okx", "window_ms": "80"}
    assert owner.post(page(leader), changed).status_code == 302
    leader = stored(firm, "Renamed")
    assert (leader.window_ms, leader.source.kind, leader.source.venue) == (80, "leader", "paper")


def test_what_is_wrong_with_the_form_is_said(firm: Firm, owner: Client) -> None:
    for changes, words in (
        ({"kind": "lead_trader"}, "A public lead trader is found by its code."),
        ({"symbols": '{"a": 1}'}, "A list of symbols"),
        ({"name": firm.source.name}, "Another source has this name."),
        ({"window_ms": "60000"}, "5000"),
    ):
        response = owner.post(reverse(ADD), {**NEW, **changes})
        assert response.status_code == 200
        assert words in response.content.decode()
    with tenant_scope(firm.tenant.pk):
        assert not SignalSource.objects.filter(name="Scalper").exists()


def test_a_key_is_stored_and_never_shown(firm: Firm, owner: Client) -> None:
    keys = {"api_key": CANARY + "-k", "api_secret": CANARY + "-s", "passphrase": CANARY + "-p"}
    response = owner.post(page(firm.leader, "set_keys"), keys)
    assert response.status_code == 302
    with tenant_scope(firm.tenant.pk):
        rows = LeaderCredential.objects.filter(leader=firm.leader, status="unchecked")
        assert rows.get().reveal("api_key") == CANARY + "-k"
    for name in ("change", "set_keys", "check_now"):
        assert CANARY not in owner.get(page(firm.leader, name)).content.decode()


def test_the_page_warns_of_a_key_that_can_trade(firm: Firm, owner: Client) -> None:
    assert "which a leader" not in owner.get(page(firm.leader)).content.decode()
    with tenant_scope(firm.tenant.pk):
        LeaderCredential.objects.filter(leader=firm.leader).update(
            permissions=["read_only", "trade"]
        )
    assert "The key can trade, which a leader" in owner.get(page(firm.leader)).content.decode()


def test_the_page_shows_what_it_holds_and_why_a_signal_was_not_followed(
    firm: Firm, owner: Client
) -> None:
    make.SignalFactory(
        source=firm.leader.source,
        action="leverage",
        skip_code="event_not_followed",
        status="done",
    )
    text = owner.get(page(firm.leader)).content.decode()
    assert "BTC/USDT:USDT" in text
    assert "what copies do about it is up to their settings." in text


def test_a_public_lead_trader_needs_no_key(firm: Firm, owner: Client) -> None:
    owner.post(reverse(ADD), {**NEW, "kind": "lead_trader", "lead_trader_code": "ABC123"})
    leader = stored(firm, "Scalper")
    assert owner.get(page(leader, "set_keys")).status_code == 409


def test_who_may_only_look_changes_nothing(firm: Firm, enter: Enter) -> None:
    auditor = enter("auditor")
    assert auditor.get(page(firm.leader)).status_code == 200
    assert auditor.post(reverse(ADD), NEW).status_code == 403
    assert auditor.get(page(firm.leader, "set_keys")).status_code == 403


def test_a_leader_is_not_added_as_a_plain_source(firm: Firm, owner: Client) -> None:
    text = owner.get(reverse("admin:signals_app_signalsource_add")).content.decode()
    assert 'value="webhook"' in text
    assert 'value="leader"' not in text
