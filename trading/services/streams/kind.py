"""Customer accounts for the streamer."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from customers.models import Credential, ExchangeAccount
from customers.selectors.streams import live_streams
from customers.wakeup import wake_swept
from trading.domain.order_states import OrderState
from trading.models import Order, Position
from trading.services.credentials import credentials_of_accounts
from trading.services.streams.gathering import Gatherer
from trading.services.streams.writing import told_apply
from venues.domain.types import Credentials
from venues.streams.registry import Delivery, Subject

ACCOUNT_KIND = "account"
HOLDS_SOMETHING, HOLDS_NOTHING = 1, 2
POLL_SECONDS = 10.0
"""A reading may be lost with its worker: the next one still finds what a silent line kept from us
within half a minute."""
LIFETIME_SECONDS = 60.0
"""Of a message: later, what holds something has had its own turn (services/sweeps.py)."""
GATHER_SECONDS = 0.05
"""Longer than a sender takes to write its answers (20 ms): an order that is being acknowledged in
this moment is left to who sent it."""
FAILED_READS = 3
"""In a row: an account that is read seldom until it answers again."""
SICK_TURNS = 6
"""Such an account is handed over in one of so many polls: once a minute."""
UNHEALTHY = ExchangeAccount.Health.UNHEALTHY
AT_VENUE = (OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class AccountStreams:
    name = ACCOUNT_KIND
    poll_seconds = POLL_SECONDS
    gather_seconds = GATHER_SECONDS

    def __init__(self) -> None:
        self._gatherer = Gatherer()

    def subjects(self) -> Sequence[Subject]:
        """Accounts with a key in use. Three queries."""
        keys = dict(
            Credential.objects.filter(status=Credential.Status.ACTIVE).values_list(
                "account_id", "pk"
            )
        )
        holding = set(Position.objects.values_list("account_id", flat=True).distinct())
        accounts = (
            ExchangeAccount.objects.exclude(status=ExchangeAccount.Status.CLOSED)
            .filter(venue__in=list(settings.VENUES))
            .values_list("pk", "tenant_id", "venue", "health")
        )
        return [
            Subject(
                id=pk,
                tenant_id=tenant_id,
                venue=venue,
                priority=HOLDS_SOMETHING if pk in holding else HOLDS_NOTHING,
                # A key that the venue takes again over REST is tried again.
                key_mark=f"{keys[pk]}!" if health == UNHEALTHY else keys[pk],
            )
            for pk, tenant_id, venue, health in accounts
            if pk in keys
        ]

    def names(self, subject_ids: Collection[str]) -> Mapping[str, str]:
        accounts = ExchangeAccount.objects.filter(pk__in=subject_ids)
        rows = accounts.values_list("pk", "label", "customer__name")
        return {pk: f"{label} · {customer}" for pk, label, customer in rows}

    def credentials(self, subject: Subject) -> Credentials | None:
        keys = credentials_of_accounts(tenant_id=subject.tenant_id, account_ids=[subject.id])
        opened = keys.get(subject.id)
        return opened if isinstance(opened, Credentials) else None

    def deliver(self, tenant_id: str, deliveries: Sequence[Delivery]) -> None:
        try:
            told = self._gatherer.gather(deliveries)
            if told:
                told_apply(tenant_id=tenant_id, accounts=told)
        except BaseException:
            self._gatherer.forget(delivery.subject.id for delivery in deliveries)
            raise

    def reconcile(self, tenant_id: str, subjects: Sequence[Subject]) -> None:
        """Balances, positions and fills are read and the books compared, and orders at the venue
        looked up, by the workers that have the rate limits for it. What was read after this was
        asked is not read again, so asking often costs workers that are behind little."""
        now = timezone.now()
        sick = _sick(tenant_id, [subject.id for subject in subjects])
        ids = [
            subject.id
            for subject in subjects
            if subject.id not in sick or _is_turn_of(subject, now)
        ]
        if not ids:
            return
        Order.objects.for_tenant(tenant_id).filter(
            account_id__in=ids, state__in=[str(state) for state in AT_VENUE], check_at__gt=now
        ).update(check_at=now)
        wake_swept(
            "trading.tasks.accounts_compare",
            lifetime_seconds=LIFETIME_SECONDS,
            account_ids=ids,
            tenant_id=tenant_id,
            since=now.isoformat(),
        )


def _sick(tenant_id: str, account_ids: Sequence[str]) -> set[str]:
    """Those that do not answer and have no stream: each attempt may hold up a worker for ten
    seconds, and healthy accounts behind it."""
    failing = ExchangeAccount.objects.for_tenant(tenant_id).filter(
        pk__in=account_ids, failed_reads__gte=FAILED_READS
    )
    live = live_streams(ACCOUNT_KIND).filter(subject_id=OuterRef("pk"))
    return set(failing.exclude(Exists(live)).values_list("pk", flat=True))


def _is_turn_of(subject: Subject, now: datetime) -> bool:
    """The venue may have been away, and not this account."""
    poll = int(now.timestamp() / POLL_SECONDS)
    return (poll + zlib.crc32(subject.id.encode())) % SICK_TURNS == 0
