"""Changing a level's settings: checked, versioned, audited, told; and what a copy then has."""

import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection

from customers.models import AuditEntry, Event
from customers.tenancy import tenant_scope
from strategies.models import (
    CustomerSettings,
    PlatformSettings,
    SettingsVersion,
    Strategy,
    Subscription,
    TenantSettings,
)
from strategies.selectors.settings import settings_content, subscription_settings
from strategies.services.settings import (
    SettingsChangedMeanwhileError,
    SettingsRefusedError,
    settings_change,
    settings_problems,
)
from tests import factories as make
from tests.factories import (
    AccountFactory,
    CustomerSettingsFactory,
    SubscriptionFactory,
    TenantSettingsFactory,
)
from tests.strategies.sizing.instruments import MARKETS
from venues import markets
from venues.domain.types import VenueError, VenueErrorKind

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
BASE = {"sizing_mode": "equity_proportional", "ratio": "1"}


@pytest.fixture
def copy(db):
    return SubscriptionFactory()


def change(row, *, version=None, symbols=None, **values):
    with tenant_scope(row.tenant_id):
        return settings_change(
            row=row,
            content={"values": values, "symbols": symbols or {}},
            actor=None,
            version=version,
        )


def refusals(row, **kwargs):
    with pytest.raises(SettingsRefusedError) as refused:
        change(row, **kwargs)
    return [(p.name, str(p.code), p.symbol) for p in refused.value.problems]


def test_columns_and_further_settings_are_stored_and_every_version_kept(copy):
    changed = change(copy, **BASE, max_leverage="3", direction="long_only")
    assert (changed.max_leverage, changed.settings_version) == (Decimal(3), 1)
    change(changed, **BASE)
    with tenant_scope(copy.tenant_id):
        stored = Subscription.objects.get(pk=copy.pk)
        versions = list(SettingsVersion.objects.order_by("version"))
        events = Event.objects.filter(kind="settings.changed").count()
    assert stored.max_leverage is None
    assert [row.version for row in versions] == [1, 2]
    assert versions[0].settings["values"]["direction"] == "long_only"
    assert versions[1].settings["values"] == {"sizing_mode": "equity_proportional", "ratio": "1"}
    assert events == 4
    assert AuditEntry.objects.filter(action="settings.changed").count() == 2


def test_a_contradiction_changes_nothing(copy):
    assert refusals(copy, **BASE, cooldown_after_stops=3) == [("cooldown_minutes", "needed", "")]
    with tenant_scope(copy.tenant_id):
        stored = Subscription.objects.get(pk=copy.pk)
        assert (stored.settings, stored.settings_version) == ({}, 0)
        assert not SettingsVersion.objects.exists()


def test_a_contradiction_with_a_level_above_is_named_where_it_was_made(copy):
    TenantSettingsFactory(
        tenant=copy.tenant, settings={"values": {"total_cap": "50"}, "symbols": {}}
    )
    assert refusals(copy, **BASE, per_order_cap="100") == [("per_order_cap", "above_other", "")]


def test_another_levels_contradiction_does_not_stop_this_one(copy):
    CustomerSettingsFactory(
        customer=copy.customer, settings={"values": {"cooldown_after_stops": 3}, "symbols": {}}
    )
    assert change(copy, **BASE, max_leverage="3").settings_version == 1


def test_what_the_strategy_binds_cannot_be_changed_below(copy):
    with tenant_scope(copy.tenant_id):
        Strategy.objects.filter(pk=copy.strategy_id).update(
            settings={"values": {"direction": "as_leader"}, "symbols": {}},
            binding_settings=["direction"],
        )
        row = Subscription.objects.select_related("strategy").get(pk=copy.pk)
    assert refusals(row, **BASE, direction="long_only") == [("direction", "binding", "")]
    assert change(row, **BASE, direction="as_leader").settings_version == 1


def test_the_strategys_ratio_is_not_a_copys(copy):
    assert refusals(copy, **BASE, follow_ratio="2") == [("follow_ratio", "unknown", "")]


def test_an_exception_for_a_symbol_is_checked_with_the_rest(copy):
    symbols = {BTC: {"leverage": "20"}}
    assert refusals(copy, **BASE, max_leverage="10", symbols=symbols) == [
        ("leverage", "above_other", BTC)
    ]


def test_who_did_not_see_the_last_version_changes_nothing(copy):
    change(copy, **BASE, version=0)
    with pytest.raises(SettingsChangedMeanwhileError):
        change(copy, **BASE, version=0, max_leverage="3")


def test_a_strategys_columns_are_its_settings(copy):
    changed = change(
        copy.strategy, follow_ratio="0.5", max_leverage="5", allowed_symbols=[BTC], ratio="2"
    )
    assert (changed.follow_ratio, changed.max_leverage) == (Decimal("0.5"), Decimal(5))
    assert changed.symbols == [BTC]
    assert settings_content(changed)["values"] == {
        "follow_ratio": "0.5",
        "max_leverage": "5",
        "allowed_symbols": [BTC],
        "ratio": "2",
    }


def test_the_page_shows_each_levels_share(copy):
    TenantSettingsFactory(
        tenant=copy.tenant, settings={"values": {"max_leverage": "4"}, "symbols": {}}
    )
    changed = change(copy, **BASE, max_leverage="9")
    with tenant_scope(copy.tenant_id):
        found = subscription_settings(changed)
    assert found.settings.max_leverage == 4
    assert [origin.level.name for origin in found.origin("max_leverage")] == ["TENANT"]


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_with_the_same_version_one_wins():
    copy = SubscriptionFactory()
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def run(leverage: str) -> None:
        try:
            with tenant_scope(copy.tenant_id):
                row = Subscription.objects.select_related("strategy", "account").get(pk=copy.pk)
            gate.wait(30)
            change(row, **BASE, version=0, max_leverage=leverage)
            outcomes.append("stored")
        except SettingsChangedMeanwhileError:
            outcomes.append("too late")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(leverage,)) for leverage in ("3", "5")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["stored", "too late"]
    with tenant_scope(copy.tenant_id):
        assert SettingsVersion.objects.count() == 1


def test_a_copy_that_states_no_size_takes_the_levels_above(copy):
    TenantSettingsFactory(
        tenant=copy.tenant,
        settings={"values": {"sizing_mode": "leader_ratio", "ratio": "0.5"}, "symbols": {}},
    )
    changed = change(copy, max_leverage="3")
    with tenant_scope(copy.tenant_id):
        found = subscription_settings(changed)
    assert (found.settings.sizing_mode, found.settings.ratio * 2) == ("leader_ratio", 1)
    assert [origin.level.name for origin in found.origin("ratio")] == ["TENANT"]


def test_what_a_strategy_binds_is_a_version_of_its_settings(copy):
    with tenant_scope(copy.tenant_id):
        strategy = settings_change(
            row=copy.strategy,
            content={"values": {"follow_ratio": "1"}, "symbols": {}, "binding": ["direction"]},
            actor=None,
        )
        [version] = SettingsVersion.objects.all()
    assert (strategy.binding_settings, version.settings["binding"]) == (["direction"],) * 2
    copy.strategy = strategy
    assert refusals(copy, direction="reversed") == [("direction", "binding", "")]


@pytest.mark.parametrize("name", ["max_leverage", "follow_ratio", "lucky"])
def test_caps_and_what_is_no_setting_cannot_be_bound(copy, name):
    content = {"values": {}, "symbols": {}, "binding": [name]}
    with tenant_scope(copy.tenant_id):
        problems = settings_problems(copy.strategy, content)
        others = settings_problems(copy, {**content, "binding": ["direction"]})
    assert [(p.name, p.code.value) for p in problems] == [(name, "unknown")]
    assert [(p.name, p.code.value) for p in others] == [("direction", "unknown")]


@pytest.mark.parametrize(
    ("values", "symbols", "refused"),
    [
        ({"leverage": "51"}, {}, [("leverage", "above_venues_all", "")]),
        ({"leverage": "50"}, {}, []),
        ({"leverage": "21", "allowed_symbols": [ETH]}, {}, [("leverage", "above_venues_all", "")]),
        ({}, {ETH: {"leverage": "21"}}, [("leverage", "above_venue", ETH)]),
        ({}, {BTC: {"leverage": "50"}}, []),
        ({}, {"NEW/USDT:USDT": {"leverage": "99"}}, []),
    ],
)
def test_leverage_above_the_venues(copy, monkeypatch, values, symbols, refused):
    swap = replace(MARKETS["BTC-swap"], max_leverage=Decimal(50))
    listed = {BTC: swap, ETH: replace(swap, symbol=ETH, max_leverage=Decimal(20))}
    monkeypatch.setattr(markets, "instruments", lambda venue: listed)
    with tenant_scope(copy.tenant_id):
        found = settings_problems(copy, {"values": values, "symbols": symbols})
    assert [(p.name, p.code.value, p.symbol) for p in found] == refused


@pytest.mark.parametrize("level", ["platform", "tenant", "strategy", "customer"])
def test_leverage_above_every_venue_that_a_level_concerns(copy, monkeypatch, level):
    """Of another firm's, or another customer's, nothing counts."""
    swap = replace(MARKETS["BTC-swap"], max_leverage=Decimal(50))
    AccountFactory(venue="far", **({"tenant": copy.tenant} if level == "customer" else {}))
    limits = {copy.account.venue: 50, "far": 100}
    monkeypatch.setattr(
        markets,
        "instruments",
        lambda venue: {BTC: replace(swap, max_leverage=Decimal(limits[venue]))},
    )
    row = {
        "platform": lambda: PlatformSettings.objects.get_or_create(pk=1)[0],
        "tenant": lambda: TenantSettings(tenant_id=copy.tenant_id),
        "strategy": lambda: copy.strategy,
        "customer": lambda: CustomerSettings(
            tenant_id=copy.tenant_id, customer_id=copy.customer_id
        ),
    }[level]()
    most = 100 if level == "platform" else 50
    for leverage, refused in ((most + 1, [("leverage", "above_venues_all")]), (most, [])):
        content = {"values": {"leverage": str(leverage)}, "symbols": {}}
        with tenant_scope(copy.tenant_id):
            problems = settings_problems(row, content)
        assert [(p.name, p.code.value) for p in problems] == refused, leverage


@pytest.mark.parametrize(
    ("there", "refused"),
    [(ETH, []), ("NEW/USDT:USDT", [("symbol_map", "not_listed", "NEW/USDT:USDT")])],
)
def test_a_copy_trades_nothing_that_its_venue_does_not_list(copy, monkeypatch, there, refused):
    listed = {ETH: replace(MARKETS["BTC-swap"], symbol=ETH)}
    monkeypatch.setattr(markets, "instruments", lambda venue: listed)
    content = {"values": {"symbol_map": {BTC: there}}, "symbols": {}}
    with tenant_scope(copy.tenant_id):
        found = settings_problems(copy, content)
        of_the_strategy = settings_problems(copy.strategy, content)
    for problems in (found, of_the_strategy):
        assert [(p.name, p.code.value, p.params["symbol"]) for p in problems] == refused


@pytest.mark.parametrize("level", ["strategy", "customer", "tenant"])
def test_a_map_above_the_copies_goes_by_the_venues_where_they_trade(copy, monkeypatch, level):
    """What one of them lists is fine: elsewhere entries are skipped with that reason. What none of
    them does is a slip of the pen; while one cannot be asked, nobody knows."""
    owner = {"strategy": copy.strategy, "customer": copy.customer, "tenant": copy.tenant}[level]
    row = {
        "strategy": lambda: owner,
        "customer": lambda: CustomerSettings(tenant=copy.tenant, customer=owner),
        "tenant": lambda: TenantSettings(tenant=owner),
    }[level]()
    strategy = make.StrategyFactory(source=make.SourceFactory(tenant=copy.tenant))
    for venue, each, customer in (
        ("second", copy.strategy, copy.customer),
        ("others", strategy, make.CustomerFactory(tenant=copy.tenant)),
    ):
        account = make.AccountFactory(tenant=copy.tenant, customer=customer, venue=venue)
        make.SubscriptionFactory(strategy=each, account=account)
    SOL, XRP = "SOL/USDT:USDT", "XRP/USDT:USDT"
    listed = {copy.account.venue: [ETH], "second": [SOL], "others": [XRP]}
    answers = {venue: dict.fromkeys(symbols) for venue, symbols in listed.items()}

    def problems(there):
        with tenant_scope(copy.tenant_id):
            found = settings_problems(row, {"values": {"symbol_map": {BTC: there}}, "symbols": {}})
        return [(problem.name, problem.code.value) for problem in found]

    monkeypatch.setattr(markets, "instruments", lambda venue: answers[venue])
    refused = [("symbol_map", "not_listed")]
    assert [problems(there) for there in (ETH, SOL, "NEW/USDT:USDT")] == [[], [], refused]
    assert problems(XRP) == (refused if level == "customer" else [])

    def silent(venue):
        if venue == "second":
            raise VenueError(VenueErrorKind.UNAVAILABLE)
        return answers[venue]

    monkeypatch.setattr(markets, "instruments", silent)
    assert problems("NEW/USDT:USDT") == []


def test_what_counts_at_the_start_cannot_be_stated_later(copy):
    stated = {"values": {"existing_positions": "all"}, "symbols": {}}
    draft = Subscription(
        tenant=copy.tenant, strategy=copy.strategy, account=copy.account, customer=copy.customer
    )
    with tenant_scope(copy.tenant_id):
        assert settings_problems(draft, stated) == []
        assert settings_problems(copy.strategy, stated) == []
        found = settings_problems(copy, stated)
        assert [(p.name, p.code.value) for p in found] == [("existing_positions", "too_late")]
        # What it stated when it began is no change, and neither is to state nothing of it.
        copy.settings = stated
        assert settings_problems(copy, stated) == []
        assert settings_problems(copy, {"values": {}, "symbols": {}}) == []
