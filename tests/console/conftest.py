"""A tenant with one row of every model that the console shows, and people in every role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from customers.models import Event, Membership, Tenant, User
from customers.selectors.access import TENANT_SESSION_KEY
from customers.tenancy import system_scope, tenant_scope
from tests import factories as make
from trading.models import TradingControl

CANARY = "canary-7f3a91-never-shown"


@dataclass
class Firm:
    """One tenant's rows, by model name."""

    tenant: Tenant
    rows: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.rows[name]
        except KeyError:
            raise AttributeError(name) from None


def make_firm(**tenant: Any) -> Firm:
    firm = Firm(make.TenantFactory(**tenant))
    own = {"tenant": firm.tenant}
    rows = firm.rows
    rows["tenant_row"] = firm.tenant
    rows["partner"] = make.PartnerFactory(**own)
    rows["customer"] = make.CustomerFactory(**own, partner=firm.partner)
    rows["login"] = make.CustomerUserFactory(customer=firm.customer)
    rows["membership"] = make.MembershipFactory(**own)
    rows["api_key"] = make.ApiKeyFactory(**own, token=CANARY + firm.tenant.pk)
    rows["account"] = make.AccountFactory(customer=firm.customer)
    rows["credential"] = make.CredentialFactory(
        account=firm.account,
        api_key=CANARY + "-key" + firm.tenant.pk,
        api_secret=CANARY + "-secret",
        passphrase=CANARY + "-pass",
    )
    rows["event"] = make.EventFactory(**own)
    with system_scope("an audit entry in the chain"):
        from customers.services.audit import audit_record

        rows["audit"] = audit_record(action="test.made", actor=None, tenant_id=firm.tenant.pk)
    rows["stream"] = make.StreamStateFactory(subject_id=firm.account.pk, **own)
    rows["source"] = make.SourceFactory(
        **own, secret="whsec_" + CANARY, previous_secret="whsec_old" + CANARY
    )
    rows["manual_source"] = make.SourceFactory(**own, kind="manual", secret="")
    rows["leader"] = make.LeaderFactory(source__tenant=firm.tenant)
    rows["leader_key"] = make.LeaderCredentialFactory(
        leader=firm.leader,
        api_key=CANARY + "-leader-key",
        api_secret=CANARY + "-leader-secret",
        passphrase=CANARY + "-leader-pass",
    )
    rows["leader_position"] = make.LeaderPositionFactory(leader=firm.leader)
    rows["leader_trade"] = make.LeaderTradeFactory(leader=firm.leader)
    rows["leader_stop"] = make.LeaderStopFactory(leader=firm.leader)
    rows["message_source"] = make.SourceFactory(**own, parser="channel_text", secret="")
    rows["raw_delivery"] = make.RawDeliveryFactory(
        source=firm.message_source, state="quarantined", reason_code="symbol_missing"
    )
    rows["intake"] = make.IntakeStateFactory(source=firm.message_source)
    rows["rejection"] = make.WebhookRejectionFactory(tenant=firm.tenant)
    rows["strategy"] = make.StrategyFactory(source=firm.source)
    rows["subscription"] = make.SubscriptionFactory(
        strategy=firm.strategy, account=firm.account, customer=firm.customer
    )
    rows["followed_change"] = make.FollowedChangeFactory(subscription=firm.subscription)
    rows["copy_start"] = make.CopyStartFactory(subscription=firm.subscription)
    rows["invitation"] = make.StrategyInvitationFactory(
        strategy=firm.strategy, customer=firm.customer
    )
    rows["firm_settings"] = make.TenantSettingsFactory(**own)
    rows["customer_settings"] = make.CustomerSettingsFactory(customer=firm.customer)
    rows["settings_version"] = make.SettingsVersionFactory(
        **own, level="strategy", owner_id=firm.strategy.pk
    )
    rows["signal"] = make.SignalFactory(source=firm.source)
    rows["shard"] = make.SignalShardFactory(signal=firm.signal, strategy=firm.strategy)
    rows["settings"] = make.EffectiveSettingsFactory(**own)
    rows["intent"] = make.IntentFactory(subscription=firm.subscription, signal=firm.signal)
    rows["order"] = make.OrderFactory(intent=firm.intent)
    rows["order_event"] = make.OrderEventFactory(order=firm.order)
    rows["fill"] = make.FillFactory(order=firm.order)
    rows["copied"] = make.CopiedPositionFactory(subscription=firm.subscription)
    rows["stop_order"] = make.StopOrderFactory(copied_position=firm.copied)
    rows["trade"] = make.TradeFactory(copied_position=firm.copied)
    rows["position"] = make.PositionFactory(account=firm.account)
    rows["balance"] = make.BalanceFactory(account=firm.account)
    rows["books"] = make.AccountBooksFactory(account=firm.account)
    rows["cash_book"] = make.CashBookFactory(account=firm.account)
    rows["equity_day"] = make.EquityDayFactory(account=firm.account)
    rows["bill"] = make.AccountBillFactory(account=firm.account)
    rows["funding_share"] = make.FundingShareFactory(bill=firm.bill, subscription=firm.subscription)
    rows["unattributed"] = make.UnattributedPositionFactory(account=firm.account)
    rows["policy"] = make.ReconciliationPolicyFactory(subscription=firm.subscription)
    rows["threshold"] = make.RiskThresholdFactory(**own, account=firm.account)
    rows["risk_action"] = make.RiskActionFactory(account=firm.account)
    rows["risk"] = make.AccountRiskFactory(account=firm.account)
    rows["finding"] = make.FindingFactory(account=firm.account, subscription=firm.subscription)
    rows["instrument"] = make.InstrumentSettingFactory(account=firm.account)
    rows["control"] = make.TradingControlFactory(
        tenant=firm.tenant,
        level=TradingControl.Level.STRATEGY,
        subject_id=firm.strategy.pk,
        mode=TradingControl.Mode.ACTIVE,
    )
    rows["breaker"] = make.BreakerFactory(
        tenant=firm.tenant, level="strategy", subject_id=firm.strategy.pk, is_open=False
    )
    rows["alert"] = make.AlertFactory(**own)
    rows["channel"] = make.NotificationChannelFactory(
        **own,
        kind="dingtalk",
        webhook_url=f"https://robot.example/{CANARY}",
        signing_secret=CANARY + "-sign",
    )
    rows["delivery"] = make.DeliveryFactory(channel=firm.channel)
    return firm


@pytest.fixture
def firm(db: None) -> Firm:
    return make_firm(name="Alpha Capital")


@pytest.fixture
def other_firm(db: None) -> Firm:
    return make_firm(name="Beta Trading")


@pytest.fixture
def superuser(db: None) -> User:
    return make.UserFactory(email="root@example.com", is_staff=True, is_superuser=True)


Enter = Callable[..., Client]


@pytest.fixture
def enter(firm: Firm) -> Enter:
    """A browser of somebody with this role in the firm; None: of a superuser."""

    def entered(role: str | None, tenant: Tenant | None = firm.tenant) -> Client:
        client = Client()
        if role is None:
            user = make.UserFactory(is_staff=True, is_superuser=True)
        else:
            assert tenant is not None
            user = make.MembershipFactory(tenant=tenant, role=role).user
        client.force_login(user)
        if tenant is not None:
            session = client.session
            session[TENANT_SESSION_KEY] = tenant.pk
            session.save()
        client.user = user  # type: ignore[attr-defined]
        return client

    return entered


@pytest.fixture
def owner(enter: Enter) -> Client:
    return enter(Membership.Role.OWNER)


def events_of(firm: Firm, kind: str) -> list[Event]:
    with tenant_scope(firm.tenant.pk):
        return list(Event.objects.filter(kind=kind).order_by("id"))
