"""One factory per model. Rows are made inside their tenant's scope, whichever scope is active.

`CustomerFactory()` makes its own tenant; pass `tenant=` (or a parent such as `account=`) to stay
in one. A child takes the tenant of its parent, so that a graph never spans two tenants.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone

from customers.models import (
    ApiKey,
    AudienceCounter,
    AuditEntry,
    Credential,
    Customer,
    CustomerUser,
    Event,
    ExchangeAccount,
    IdempotencyRecord,
    Lease,
    LoginFailure,
    Membership,
    Partner,
    Tenant,
    User,
)
from customers.tenancy import system_scope, tenant_scope
from notifications.models import Delivery, NotificationChannel
from signals_app.models import Signal, SignalSource, WebhookRejection
from strategies.models import Strategy, Subscription
from trading.models import (
    Alert,
    AnswerCount,
    Balance,
    Breaker,
    CopiedPosition,
    EffectiveSettings,
    FanoutTally,
    Fill,
    InstrumentSetting,
    Intent,
    Order,
    OrderEvent,
    Position,
    SignalShard,
    Trade,
    TradingControl,
)

PASSWORD = "correct-horse-battery"
WEBHOOK_SECRET = "whsec_" + "dGFuZGVtLXRlc3RzLXNpZ25pbmctc2VjcmV0LTMyYnl0ZXM="


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TenantFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Tenant

    name = factory.Sequence(lambda n: f"Firm {n}")
    slug = factory.Sequence(lambda n: f"firm-{n}")


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.com")
    name = factory.Sequence(lambda n: f"User {n}")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return model_class.objects.create_user(password=kwargs.pop("password", PASSWORD), **kwargs)


class TenantOwnedFactory(factory.django.DjangoModelFactory):
    """Creates in the scope of the row's tenant; parents are read in the system's."""

    class Meta:
        abstract = True

    tenant = factory.SubFactory(TenantFactory)

    @classmethod
    def _generate(cls, strategy: Any, params: Any) -> Any:
        with system_scope("follow the relations of a test's rows"):
            return super()._generate(strategy, params)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        tenant = kwargs["tenant"]
        with tenant_scope(tenant.pk):
            return super()._create(model_class, *args, **kwargs)


def _tenant_of(parent: str) -> Any:
    return factory.LazyAttribute(lambda made: getattr(made, parent).tenant)


# --- customers ------------------------------------------------------------------------------


class MembershipFactory(TenantOwnedFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory, is_staff=True)
    role = Membership.Role.OWNER


class PartnerFactory(TenantOwnedFactory):
    class Meta:
        model = Partner

    name = factory.Sequence(lambda n: f"Partner {n}")


class CustomerFactory(TenantOwnedFactory):
    class Meta:
        model = Customer

    name = factory.Sequence(lambda n: f"Client {n}")
    email = factory.Sequence(lambda n: f"client{n}@example.com")


class CustomerUserFactory(TenantOwnedFactory):
    class Meta:
        model = CustomerUser

    customer = factory.SubFactory(CustomerFactory)
    tenant = _tenant_of("customer")
    user = factory.SubFactory(UserFactory)


class AccountFactory(TenantOwnedFactory):
    class Meta:
        model = ExchangeAccount

    customer = factory.SubFactory(CustomerFactory)
    tenant = _tenant_of("customer")
    venue = "paper"
    label = factory.Sequence(lambda n: f"Account {n}")
    health = ExchangeAccount.Health.HEALTHY
    initial_balance = Decimal(10_000)


class CredentialFactory(TenantOwnedFactory):
    class Meta:
        model = Credential

    account = factory.SubFactory(AccountFactory)
    tenant = _tenant_of("account")
    api_key = factory.Sequence(lambda n: f"test-api-key-{n}")
    api_secret = factory.Sequence(lambda n: f"test-api-secret-{n}")
    passphrase = "test-passphrase"
    api_key_fingerprint = factory.LazyAttribute(lambda made: sha256(str(made.api_key)))
    status = Credential.Status.ACTIVE
    permissions = ["read_only", "trade"]


class ApiKeyFactory(TenantOwnedFactory):
    """`token` is what the caller sends: `ApiKeyFactory(token="abc")`; default is made up."""

    class Meta:
        model = ApiKey

    class Params:
        token = factory.Sequence(lambda n: f"tk_test_{n:032d}")

    name = factory.Sequence(lambda n: f"Key {n}")
    prefix = factory.LazyAttribute(lambda made: made.token[:12])
    token_hash = factory.LazyAttribute(lambda made: sha256(made.token))
    scopes = [ApiKey.Scope.READ, ApiKey.Scope.SIGNALS_WRITE]


class IdempotencyRecordFactory(TenantOwnedFactory):
    class Meta:
        model = IdempotencyRecord

    api_key = factory.SubFactory(ApiKeyFactory)
    tenant = _tenant_of("api_key")
    key_hash = factory.Sequence(lambda n: sha256(f"idempotency-{n}"))
    request_hash = factory.Sequence(lambda n: sha256(f"request-{n}"))


class EventFactory(TenantOwnedFactory):
    class Meta:
        model = Event

    audience = factory.LazyAttribute(lambda made: f"tenant:{made.tenant.pk}")
    kind = "signal.accepted"
    payload = factory.LazyFunction(dict)
    created_at = factory.LazyFunction(timezone.now)


class AudienceCounterFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = AudienceCounter

    audience = factory.Sequence(lambda n: f"tenant:counter-{n}")


class LeaseFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Lease

    name = factory.Sequence(lambda n: f"lease-{n}")
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=30))


class AuditEntryFactory(factory.django.DjangoModelFactory):
    """A row as such: its hashes are made up, so it does not continue a real chain."""

    class Meta:
        model = AuditEntry

    sequence = factory.Sequence(lambda n: n + 1)
    tenant = factory.SubFactory(TenantFactory)
    actor_label = "tester"
    action = "test.done"
    created_at = factory.LazyFunction(timezone.now)
    previous_hash = "0" * 64
    entry_hash = factory.Sequence(lambda n: sha256(f"entry-{n}"))


class LoginFailureFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = LoginFailure

    key = factory.Sequence(lambda n: f"login-{n}")
    window_started_at = factory.LazyFunction(timezone.now)


# --- signals_app ----------------------------------------------------------------------------


class SourceFactory(TenantOwnedFactory):
    class Meta:
        model = SignalSource

    name = factory.Sequence(lambda n: f"Source {n}")
    kind = SignalSource.Kind.WEBHOOK
    venue = "paper"
    secret = WEBHOOK_SECRET


class SignalFactory(TenantOwnedFactory):
    class Meta:
        model = Signal

    source = factory.SubFactory(SourceFactory)
    tenant = _tenant_of("source")
    external_id = factory.Sequence(lambda n: f"msg_{n}")
    external_id_hash = factory.LazyAttribute(lambda made: sha256(made.external_id))
    action = Signal.Action.OPEN
    symbol = "BTC/USDT:USDT"
    side = Signal.Side.LONG
    size = Decimal("0.1")
    size_basis = Signal.SizeBasis.BASE
    emitted_at = factory.LazyFunction(timezone.now)
    received_at = factory.LazyAttribute(lambda made: made.emitted_at)
    expires_at = factory.LazyAttribute(lambda made: made.received_at + timedelta(seconds=60))


class WebhookRejectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = WebhookRejection

    source_reference = "unknown"
    code = "unknown_source"
    received_at = factory.LazyFunction(timezone.now)


# --- strategies -----------------------------------------------------------------------------


class StrategyFactory(TenantOwnedFactory):
    class Meta:
        model = Strategy

    source = factory.SubFactory(SourceFactory)
    tenant = _tenant_of("source")
    name = factory.Sequence(lambda n: f"Strategy {n}")


class SubscriptionFactory(TenantOwnedFactory):
    class Meta:
        model = Subscription

    strategy = factory.SubFactory(StrategyFactory)
    tenant = _tenant_of("strategy")
    account = factory.SubFactory(
        AccountFactory, customer__tenant=factory.SelfAttribute("...strategy.tenant")
    )
    customer = factory.LazyAttribute(lambda made: made.account.customer)


# --- trading --------------------------------------------------------------------------------


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
    tenant = _tenant_of("signal")
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
    tenant = _tenant_of("signal")
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
    tenant = _tenant_of("subscription")
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
    tenant = _tenant_of("intent")
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
    tenant = _tenant_of("order")
    kind = "claim"
    from_state = Order.State.READY
    to_state = Order.State.CLAIMED
    occurred_at = factory.LazyFunction(timezone.now)


class FillFactory(TenantOwnedFactory):
    class Meta:
        model = Fill

    order = factory.SubFactory(OrderFactory)
    tenant = _tenant_of("order")
    account = factory.LazyAttribute(lambda made: made.order.account)
    symbol = factory.LazyAttribute(lambda made: made.order.symbol)
    trade_id = factory.Sequence(lambda n: f"{n}")
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
    tenant = _tenant_of("subscription")
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
    tenant = _tenant_of("copied_position")
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
    tenant = _tenant_of("account")
    symbol = "BTC/USDT:USDT"
    quantity = Decimal(1)
    average_price = Decimal(50_000)
    updated_at = factory.LazyFunction(timezone.now)


class BalanceFactory(TenantOwnedFactory):
    class Meta:
        model = Balance

    account = factory.SubFactory(AccountFactory)
    tenant = _tenant_of("account")
    currency = "USDT"
    equity = Decimal(10_000)
    available = Decimal(10_000)
    updated_at = factory.LazyFunction(timezone.now)


class InstrumentSettingFactory(TenantOwnedFactory):
    class Meta:
        model = InstrumentSetting

    account = factory.SubFactory(AccountFactory)
    tenant = _tenant_of("account")
    symbol = "BTC/USDT:USDT"
    margin_mode = "cross"
    leverage = Decimal(5)
    confirmed_at = factory.LazyFunction(timezone.now)


# --- notifications --------------------------------------------------------------------------


class NotificationChannelFactory(TenantOwnedFactory):
    class Meta:
        model = NotificationChannel

    name = factory.Sequence(lambda n: f"Channel {n}")
    kind = NotificationChannel.Kind.EMAIL
    addresses = ["ops@example.com"]


class DeliveryFactory(TenantOwnedFactory):
    class Meta:
        model = Delivery

    channel = factory.SubFactory(NotificationChannelFactory)
    tenant = _tenant_of("channel")
    dedupe_key = factory.Sequence(lambda n: f"dedupe-{n}")
    subject = "Signal done"
    body = "57 filled"
    due_at = factory.LazyFunction(timezone.now)
    created_at = factory.LazyFunction(timezone.now)
