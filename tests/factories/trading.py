"""Factories of the models of trading."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import factory
from django.utils import timezone

from tests.factories.base import TenantOwnedFactory, sha256, tenant_of
from tests.factories.customers import AccountFactory
from tests.factories.signals_app import SignalFactory
from tests.factories.strategies import StrategyFactory, SubscriptionFactory
from trading.models import (
    AccountBill,
    AccountBooks,
    AccountRisk,
    Alert,
    AnswerCount,
    Balance,
    Breaker,
    CashBook,
    CopiedPosition,
    CopyStart,
    EffectiveSettings,
    EquityDay,
    FanoutTally,
    Fill,
    Finding,
    FollowedChange,
    FundingShare,
    InstrumentSetting,
    Intent,
    LeverageRefusal,
    Order,
    OrderEvent,
    PlatformAction,
    PlatformThreshold,
    Position,
    PositionStops,
    ReconciliationPolicy,
    RiskAction,
    RiskThreshold,
    SignalMarket,
    SignalShard,
    StopEvent,
    StopOrder,
    Trade,
    TradedInstrument,
    TradingControl,
    UnattributedPosition,
)


class TradingControlFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = TradingControl

    level = TradingControl.Level.PLATFORM
    mode = TradingControl.Mode.HALTED


class BreakerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Breaker

    level = Breaker.Level.VENUE
    subject_id = factory.Sequence(lambda n: f"venue-{n}")
    cause = Breaker.Cause.REJECT_RATE
    params = factory.LazyFunction(lambda: {"answers": "20", "refused": "10", "seconds": "60"})
    opened_at = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


class AnswerCountFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = AnswerCount

    venue = "paper"
    answers = 20
    refused = 10
    at = factory.LazyFunction(timezone.now)


class FanoutTallyFactory(TenantOwnedFactory):
    class Meta:
        model = FanoutTally

    signal = factory.SubFactory(SignalFactory)
    tenant = tenant_of("signal")
    strategy_id = factory.Sequence(lambda n: f"{n:026d}")
    followers = 1


class AlertFactory(TenantOwnedFactory):
    class Meta:
        model = Alert

    code = "outcomes_unknown"
    subject = "paper"
    open_key = factory.Sequence(lambda n: f"outcomes_unknown:paper-{n}")
    params = factory.LazyFunction(
        lambda: {"orders": "3", "venue": "paper", "minutes": "2", "since": "2026-01-01 00:00:00"}
    )
    raised_at = factory.LazyFunction(timezone.now)
    seen_at = factory.LazyFunction(timezone.now)


class SignalShardFactory(TenantOwnedFactory):
    class Meta:
        model = SignalShard

    signal = factory.SubFactory(SignalFactory)
    tenant = tenant_of("signal")
    strategy = factory.SubFactory(StrategyFactory, source=factory.SelfAttribute("..signal.source"))
    number = 0
    first_subscription_id = "0" * 26
    last_subscription_id = "z" * 26
    size = 1
    created_at = factory.LazyFunction(timezone.now)


class EffectiveSettingsFactory(TenantOwnedFactory):
    class Meta:
        model = EffectiveSettings

    content_hash = factory.Sequence(lambda n: sha256(f"settings-{n}"))
    content = factory.LazyFunction(dict)
    created_at = factory.LazyFunction(timezone.now)


class IntentFactory(TenantOwnedFactory):
    class Meta:
        model = Intent

    subscription = factory.SubFactory(SubscriptionFactory)
    tenant = tenant_of("subscription")
    signal = factory.SubFactory(
        SignalFactory, source=factory.SelfAttribute("..subscription.strategy.source")
    )
    account = factory.LazyAttribute(lambda made: made.subscription.account)
    customer = factory.LazyAttribute(lambda made: made.account.customer)
    key = factory.Sequence(lambda n: f"intent-{n}")
    cause = Intent.Cause.SIGNAL
    cause_id = factory.LazyAttribute(lambda made: made.signal.pk if made.signal else "")
    symbol = "BTC/USDT:USDT"
    side = "buy"
    quantity = Decimal(1)
    reference_price = Decimal(50_000)
    status = Intent.Status.WORKING
    created_at = factory.LazyFunction(timezone.now)


class OrderFactory(TenantOwnedFactory):
    class Meta:
        model = Order

    intent = factory.SubFactory(IntentFactory)
    tenant = tenant_of("intent")
    account = factory.LazyAttribute(lambda made: made.intent.account)
    signal_id = factory.LazyAttribute(lambda made: made.intent.signal_id or "")
    subscription_id = factory.LazyAttribute(lambda made: made.intent.subscription_id or "")
    strategy_id = factory.LazyAttribute(
        lambda made: made.intent.subscription.strategy_id if made.intent.subscription else ""
    )
    customer_id = factory.LazyAttribute(lambda made: made.intent.customer_id)
    symbol = factory.LazyAttribute(lambda made: made.intent.symbol)
    side = "buy"
    order_type = "market"
    quantity = Decimal(1)
    state = Order.State.READY
    created_at = factory.LazyFunction(timezone.now)


class OrderEventFactory(TenantOwnedFactory):
    class Meta:
        model = OrderEvent

    order = factory.SubFactory(OrderFactory)
    tenant = tenant_of("order")
    kind = "claim"
    from_state = Order.State.READY
    to_state = Order.State.CLAIMED
    occurred_at = factory.LazyFunction(timezone.now)


class FillFactory(TenantOwnedFactory):
    class Meta:
        model = Fill

    order = factory.SubFactory(OrderFactory)
    tenant = tenant_of("order")
    account = factory.LazyAttribute(lambda made: made.order.account)
    symbol = factory.LazyAttribute(lambda made: made.order.symbol)
    trade_id = factory.Sequence(lambda n: f"{n}")
    attribution = "copy"
    venue_order_id = factory.Sequence(lambda n: f"v{n}")
    side = "buy"
    quantity = Decimal(1)
    price = Decimal(50_000)
    fee = Decimal("0.25")
    fee_currency = "USDT"
    filled_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)


class CopiedPositionFactory(TenantOwnedFactory):
    class Meta:
        model = CopiedPosition

    subscription = factory.SubFactory(SubscriptionFactory)
    tenant = tenant_of("subscription")
    account = factory.LazyAttribute(lambda made: made.subscription.account)
    customer = factory.LazyAttribute(lambda made: made.account.customer)
    symbol = "BTC/USDT:USDT"
    target = Decimal(1)
    filled = Decimal(1)
    average_entry_price = Decimal(50_000)
    changed_at = factory.LazyFunction(timezone.now)


class TradeFactory(TenantOwnedFactory):
    class Meta:
        model = Trade

    copied_position = factory.SubFactory(CopiedPositionFactory)
    tenant = tenant_of("copied_position")
    subscription = factory.LazyAttribute(lambda made: made.copied_position.subscription)
    account = factory.LazyAttribute(lambda made: made.copied_position.account)
    customer = factory.LazyAttribute(lambda made: made.account.customer)
    symbol = factory.LazyAttribute(lambda made: made.copied_position.symbol)
    direction = "long"
    quantity = Decimal(1)
    entry_price = Decimal(50_000)
    exit_price = Decimal(51_000)
    realised_pnl = Decimal(10)
    fees = Decimal("0.5")
    opened_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
    closed_at = factory.LazyFunction(timezone.now)


class PositionFactory(TenantOwnedFactory):
    class Meta:
        model = Position

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    symbol = "BTC/USDT:USDT"
    quantity = Decimal(1)
    average_price = Decimal(50_000)
    updated_at = factory.LazyFunction(timezone.now)


class BalanceFactory(TenantOwnedFactory):
    class Meta:
        model = Balance

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    currency = "USDT"
    equity = Decimal(10_000)
    available = Decimal(10_000)
    updated_at = factory.LazyFunction(timezone.now)


class EquityDayFactory(TenantOwnedFactory):
    class Meta:
        model = EquityDay

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    day = factory.LazyFunction(lambda: timezone.now().date())
    start = Decimal(10_000)
    last = Decimal(10_000)
    peak = Decimal(10_000)
    read_at = factory.LazyFunction(timezone.now)
    updated_at = factory.LazyFunction(timezone.now)


class RiskThresholdFactory(TenantOwnedFactory):
    class Meta:
        model = RiskThreshold

    measure = "drawdown"
    limit = Decimal(20)
    action = "alert"


class RiskActionFactory(TenantOwnedFactory):
    class Meta:
        model = RiskAction

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    measure = "drawdown"
    action = "alert"
    value = Decimal("21.5")
    limit = Decimal(20)
    reached_at = factory.LazyFunction(timezone.now)
    done_at = factory.LazyFunction(timezone.now)


class PlatformThresholdFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = PlatformThreshold

    measure = "drawdown"
    limit = Decimal(20)
    action = "alert"


class PlatformActionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = PlatformAction

    measure = "drawdown"
    action = "alert"
    value = Decimal("21.5")
    limit = Decimal(20)
    reached_at = factory.LazyFunction(timezone.now)
    done_at = factory.LazyFunction(timezone.now)


class AccountRiskFactory(TenantOwnedFactory):
    class Meta:
        model = AccountRisk

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    equity = Decimal(10_000)
    gross = Decimal(0)
    net = Decimal(0)
    unrealised = Decimal(0)
    maintenance = Decimal(0)
    daily_pnl = Decimal(0)
    drawdown_percent = Decimal(0)
    peak = Decimal(10_000)
    updated_at = factory.LazyFunction(timezone.now)


class SignalMarketFactory(TenantOwnedFactory):
    class Meta:
        model = SignalMarket

    signal = factory.SubFactory(SignalFactory)
    tenant = tenant_of("signal")
    venue = "paper"
    demand = Decimal(1)
    read_at = factory.LazyFunction(timezone.now)


class TradedInstrumentFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = TradedInstrument

    venue = "paper"
    symbol = factory.Sequence(lambda n: f"COIN{n}/USDT:USDT")
    facts = factory.LazyFunction(dict)
    noted_at = factory.LazyFunction(timezone.now)


class LeverageRefusalFactory(TenantOwnedFactory):
    class Meta:
        model = LeverageRefusal

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    symbol = "BTC/USDT:USDT"
    margin_mode = "cross"
    leverage = Decimal(50)
    code = "59102"
    refused_at = factory.LazyFunction(timezone.now)


class InstrumentSettingFactory(TenantOwnedFactory):
    class Meta:
        model = InstrumentSetting

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    symbol = "BTC/USDT:USDT"
    margin_mode = "cross"
    leverage = Decimal(5)
    confirmed_at = factory.LazyFunction(timezone.now)


class AccountBooksFactory(TenantOwnedFactory):
    class Meta:
        model = AccountBooks

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    since = factory.LazyFunction(timezone.now)
    fills_read_until = factory.LazyFunction(timezone.now)
    passed_at = factory.LazyFunction(timezone.now)


class UnattributedPositionFactory(TenantOwnedFactory):
    class Meta:
        model = UnattributedPosition

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    symbol = "BTC/USDT:USDT"
    quantity = Decimal(2)
    average_price = Decimal(50_000)
    changed_at = factory.LazyFunction(timezone.now)


class CashBookFactory(TenantOwnedFactory):
    class Meta:
        model = CashBook

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    currency = "USDT"
    balance = Decimal(1000)
    changed_at = factory.LazyFunction(timezone.now)


class AccountBillFactory(TenantOwnedFactory):
    class Meta:
        model = AccountBill

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    bill_id = factory.Sequence(str)
    kind = AccountBill.Kind.FUNDING
    currency = "USDT"
    amount = Decimal("-1.5")
    symbol = "BTC/USDT:USDT"
    occurred_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)


class FundingShareFactory(TenantOwnedFactory):
    class Meta:
        model = FundingShare

    bill = factory.SubFactory(AccountBillFactory)
    tenant = tenant_of("bill")
    quantity = Decimal(10)
    amount = Decimal("-1.5")


class ReconciliationPolicyFactory(TenantOwnedFactory):
    class Meta:
        model = ReconciliationPolicy

    subscription = factory.SubFactory(SubscriptionFactory)
    tenant = tenant_of("subscription")
    policy = "alert"


class FindingFactory(TenantOwnedFactory):
    class Meta:
        model = Finding

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
    symbol = "BTC/USDT:USDT"
    position_side = "net"
    kind = "manual_open"
    params = factory.LazyFunction(lambda: {"quantity": "2", "price": "50000"})
    policy = "alert"
    first_seen_at = factory.LazyFunction(timezone.now)
    last_seen_at = factory.LazyFunction(timezone.now)


class PositionStopsFactory(TenantOwnedFactory):
    class Meta:
        model = PositionStops

    copied_position = factory.SubFactory(CopiedPositionFactory)
    tenant = tenant_of("copied_position")
    changed_at = factory.LazyFunction(timezone.now)


class StopOrderFactory(TenantOwnedFactory):
    class Meta:
        model = StopOrder

    copied_position = factory.SubFactory(CopiedPositionFactory)
    tenant = tenant_of("copied_position")
    subscription = factory.LazyAttribute(lambda made: made.copied_position.subscription)
    account = factory.LazyAttribute(lambda made: made.copied_position.account)
    symbol = factory.LazyAttribute(lambda made: made.copied_position.symbol)
    slot = 0
    side = "sell"
    quantity = Decimal(1)
    stop_loss = Decimal(48_000)
    state = StopOrder.State.WAITING
    sent_at = factory.LazyFunction(timezone.now)
    deadline_at = factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=30))
    created_at = factory.LazyFunction(timezone.now)


class StopEventFactory(TenantOwnedFactory):
    class Meta:
        model = StopEvent

    stop = factory.SubFactory(StopOrderFactory)
    tenant = tenant_of("stop")
    kind = "accept"
    from_state = StopOrder.State.SENDING
    to_state = StopOrder.State.WAITING
    occurred_at = factory.LazyFunction(timezone.now)


class CopyStartFactory(TenantOwnedFactory):
    class Meta:
        model = CopyStart

    subscription = factory.SubFactory(SubscriptionFactory)
    tenant = tenant_of("subscription")
    takes = CopyStart.Takes.ALL
    created_at = factory.LazyFunction(timezone.now)


class FollowedChangeFactory(TenantOwnedFactory):
    class Meta:
        model = FollowedChange

    subscription = factory.SubFactory(SubscriptionFactory)
    tenant = tenant_of("subscription")
    account = factory.SelfAttribute("subscription.account")
    signal = factory.SubFactory(
        SignalFactory,
        tenant=factory.SelfAttribute("..tenant"),
        source=factory.SelfAttribute("..subscription.strategy.source"),
        action="leverage",
    )
    symbol = "BTC/USDT:USDT"
    does = FollowedChange.Does.TELL
    state = FollowedChange.State.DONE
    created_at = factory.LazyFunction(timezone.now)
