"""Factories of the models of customers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import factory
from django.utils import timezone

from customers.domain.ids import new_id
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
    StreamState,
)
from tests.factories.base import TenantFactory, TenantOwnedFactory, UserFactory, sha256, tenant_of


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
    tenant = tenant_of("customer")
    user = factory.SubFactory(UserFactory)


class AccountFactory(TenantOwnedFactory):
    class Meta:
        model = ExchangeAccount

    customer = factory.SubFactory(CustomerFactory)
    tenant = tenant_of("customer")
    venue = "paper"
    label = factory.Sequence(lambda n: f"Account {n}")
    health = ExchangeAccount.Health.HEALTHY
    initial_balance = Decimal(10_000)
    reconciled_at = factory.LazyFunction(timezone.now)


class CredentialFactory(TenantOwnedFactory):
    class Meta:
        model = Credential

    account = factory.SubFactory(AccountFactory)
    tenant = tenant_of("account")
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
    tenant = tenant_of("api_key")
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


class StreamStateFactory(TenantOwnedFactory):
    class Meta:
        model = StreamState

    kind = "account"
    subject_id = factory.LazyFunction(new_id)
    lease = "stream-shard:000"
    state = StreamState.State.LIVE
    since = factory.LazyFunction(timezone.now)
    changed_at = factory.LazyFunction(timezone.now)


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
