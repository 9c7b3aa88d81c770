"""The page of the risk monitor, and the thresholds that staff declare."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.models import Membership
from customers.tenancy import tenant_scope
from tests import factories as make
from tests.console.conftest import Enter, Firm
from trading.models import PlatformThreshold, RiskThreshold

PAGE = reverse("admin:risk")
ADD = reverse("admin:trading_riskthreshold_add")


def risk(firm: Firm, label: str, **figures: Any) -> None:
    account = make.AccountFactory(customer=firm.customer, label=label)
    make.AccountRiskFactory(account=account, **figures)


def test_the_nearest_to_its_liquidation_comes_first(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    share = {"gross": "700", "net": "-700", "unrealised": "-3"}
    risk(firm, "far", distance_percent=Decimal("41.5"), gross=Decimal(1000))
    risk(
        firm, "near",
        distance_percent=Decimal("7.25"), gross=Decimal(900), net=Decimal(-900),
        nearest={"symbol": "BTC/USDT:USDT", "direction": "short", "price": "64350"},
        strategies={firm.strategy.pk: share},
    )  # fmt: skip
    risk(other_firm, "foreign", distance_percent=Decimal(1), gross=Decimal(5000))
    text = owner.get(PAGE).content.decode()
    assert text.index(">near<") < text.index(">far<") < text.index(f">{firm.account.label}<")
    assert "foreign" not in text
    assert other_firm.customer.name not in text
    assert "64,350" in text
    assert "1,900.00" in text  # the firm's gross exposure
    assert "700.00" in text  # the strategy's
    assert firm.risk_action.account.label in text


def test_the_platform_sees_all_firms(firm: Firm, other_firm: Firm, enter: Enter) -> None:
    risk(other_firm, "foreign", distance_percent=Decimal(1), gross=Decimal(5000))
    text = enter(None, None).get(PAGE).content.decode()
    assert "foreign" in text
    assert firm.tenant.name in text
    assert other_firm.tenant.name in text
    assert "foreign" not in enter(None, firm.tenant).get(PAGE).content.decode()


def test_its_queries_do_not_grow(
    firm: Firm, owner: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        risk(firm, f"account {number}")
    with django_assert_max_num_queries(25):
        owner.get(PAGE)


def form(**values: str) -> dict[str, str]:
    return {
        "level": "account", "measure": "drawdown", "limit": "20", "action": "alert",
        "recovery_percent": "10", "is_active": "on", **values,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "100.1"}, "limit"),
        ({"measure": "margin_ratio", "limit": "100"}, "limit"),  # liquidated by then
        ({"measure": "liquidation_distance", "limit": "95"}, "limit"),
        ({"recovery_percent": "0"}, "recovery_percent"),
        ({"action": "reduce"}, "reduce_percent"),
        ({"action": "reduce", "reduce_percent": "100"}, "reduce_percent"),
        ({"action": "close", "reduce_percent": "50"}, "reduce_percent"),
        ({"level": "tenant", "measure": "liquidation_distance", "limit": "9"}, "measure"),
        ({"level": "strategy", "measure": "daily_loss", "limit": "9"}, "measure"),
        ({"level": "strategy"}, "measure"),  # drawdown
        ({"level": "galaxy"}, "level"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(
    firm: Firm, owner: Client, values: dict[str, str], field: str
) -> None:
    response = owner.post(ADD, form(**values))
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]


def test_thresholds_are_declared_for_own_accounts(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    assert owner.post(ADD, form(account=other_firm.account.pk)).status_code == 200
    stranger = make.CustomerFactory(tenant=firm.tenant)
    assert owner.post(ADD, form(account=firm.account.pk, customer=stranger.pk)).status_code == 200
    made = owner.post(ADD, form(account=firm.account.pk, action="reduce", reduce_percent="33"))
    assert made.status_code == 302
    with tenant_scope(firm.tenant.pk):
        row = RiskThreshold.objects.get(action="reduce")
    assert (row.account_id, row.reduce_percent) == (firm.account.pk, 33)


@pytest.mark.parametrize(
    ("level", "stated"),
    [
        ("tenant", "customer"), ("tenant", "account"), ("tenant", "strategy"),
        ("customer", "account"), ("customer", "strategy"),
        ("strategy", "customer"), ("account", "strategy"),
    ],
)  # fmt: skip
def test_who_does_not_belong_to_a_level_is_refused_there(
    firm: Firm, owner: Client, level: str, stated: str
) -> None:
    more = {"level": level, "measure": "gross_exposure", stated: firm.rows[stated].pk}
    response = owner.post(ADD, form(**more))
    assert list(response.context["adminform"].form.errors) == [stated]
    del more[stated]
    assert owner.post(ADD, form(**more)).status_code == 302


def test_thresholds_of_sums_are_of_own_customers_and_strategies(
    firm: Firm, other_firm: Firm, owner: Client
) -> None:
    for level in ("customer", "strategy"):
        more = {"level": level, "measure": "gross_exposure"}
        foreign = owner.post(ADD, form(**more, **{level: other_firm.rows[level].pk}))
        assert list(foreign.context["adminform"].form.errors) == [level]
        assert owner.post(ADD, form(**more, **{level: firm.rows[level].pk})).status_code == 302
    listed = owner.get(reverse("admin:trading_riskthreshold_changelist")).content.decode()
    assert firm.strategy.name in listed


def test_the_platforms_are_a_superusers(firm: Firm, owner: Client, enter: Enter) -> None:
    action = make.PlatformActionFactory(value=Decimal("98765"), measure="gross_exposure")
    add = reverse("admin:trading_platformthreshold_add")
    shown = reverse("admin:trading_platformaction_change", args=[action.pk])
    root = enter(None, None)
    body = {**form(), "measure": "liquidation_distance"}
    assert list(root.post(add, body).context["adminform"].form.errors) == ["measure"]
    assert root.post(add, form()).status_code == 302
    made = PlatformThreshold.objects.get()
    page = reverse("admin:trading_platformthreshold_change", args=[made.pk])
    assert root.get(page).status_code == root.get(shown).status_code == 200
    assert root.post(shown, {"value": "1"}).status_code == 403
    assert "98765" in root.get(PAGE).content.decode()
    assert "98765" not in owner.get(PAGE).content.decode()
    for url in (add, page, shown):
        assert owner.get(url).status_code == 403
        assert owner.post(url, form()).status_code == 403


def test_an_auditor_sees_and_changes_nothing(firm: Firm, enter: Enter) -> None:
    auditor = enter(Membership.Role.AUDITOR)
    assert auditor.get(PAGE).status_code == 200
    assert auditor.post(ADD, form()).status_code == 403
