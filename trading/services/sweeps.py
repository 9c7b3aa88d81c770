"""Finding every row that is due. Wake-ups make things fast; this makes them certain.

Reads across tenants in a system scope, gives ids to the task that would have been woken. Running
twice at once is harmless: each step claims its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from customers.models import Customer, ExchangeAccount
from customers.selectors.streams import live_streams
from customers.tenancy import system_scope, tenant_scope
from signals_app.models import Signal
from strategies.models import Strategy, Subscription
from trading.domain.order_states import LIVE_STATES, OrderState, OrderTrigger
from trading.domain.reasons import Reason, ReasonCode
from trading.models import (
    AccountBooks,
    CopyStart,
    FollowedChange,
    Intent,
    Order,
    Position,
    PositionStops,
    SignalShard,
    StopOrder,
    TradingControl,
)
from trading.services.cancelling import entries_stop
from trading.services.fanout.signals import SETTLE_PATIENCE
from trading.services.leader_changes.deciding import CHANGES
from trading.services.order_updates import OrderUpdate, order_updates_apply
from trading.services.streams.kind import ACCOUNT_KIND
from trading.services.submission.claiming import may_go_now

GRACE = timedelta(seconds=2)
"""Younger rows are left to their wake-up."""
STOPS_GRACE = timedelta(seconds=1)
FOLLOWED_FOR = timedelta(hours=1)
ASK_AGAIN = timedelta(seconds=4)
"""A message that nobody took by then is dropped, and its row asked for again."""
SENDING_PATIENCE = timedelta(seconds=6)
"""The venue has answered or refuses by now (the deadline of sending and its margin): the sender is
dead, or waits for an answer that it may still bring; it is looked up either way."""
FANOUT_PATIENCE = timedelta(seconds=20)
"""So long planning one signal may keep look-ups back."""
BATCH = 500
READ_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (50, 120, 240, 300))
"""Between two readings of an account, by how often it failed in a row. A sweep every ten seconds
makes a minute of the first."""
QUIET_PAUSE = timedelta(seconds=180)
"""Of an account with nothing open and a stream that would tell if there were."""
ORDERS_PAUSE = timedelta(seconds=9)
"""Between two looks at the open orders of an account that has something open."""

_LIVE = [str(state) for state in LIVE_STATES]
_AT_VENUE = [str(state) for state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)]

Due = dict[str, list[str]]
"""Ids by tenant."""


def _by_tenant(rows: Iterable[tuple[str, str]]) -> Due:
    due: Due = defaultdict(list)
    for tenant_id, pk in rows:
        due[tenant_id].append(pk)
    return due


def signals_due() -> Due:
    """Received and not planned, or whose planner died; the oldest first."""
    now = timezone.now()
    with system_scope("sweep: signals to dispatch"):
        rows = Signal.objects.filter(
            Q(status=Signal.Status.RECEIVED, received_at__lt=now - GRACE) & _not_asked(now)
            | Q(status=Signal.Status.PLANNING, claimed_until__lt=now)
        )
        due = _by_tenant(rows.order_by("pk").values_list("tenant_id", "pk")[:BATCH])
    _note_asked(Signal, due, now, status=Signal.Status.RECEIVED)
    return due


def copies_ending() -> Due:
    """Copies that close their positions, or follow exits until they hold nothing."""
    with system_scope("sweep: copies that end"):
        rows = Subscription.objects.filter(status=Subscription.Status.ENDING)
        return _by_tenant(rows.order_by("changed_at").values_list("tenant_id", "pk")[:BATCH])


def copies_starting() -> Due:
    """Copies that enter what their leader held already when they began."""
    with system_scope("sweep: copies that start"):
        rows = CopyStart.objects.filter(status=CopyStart.Status.DUE)
        return _by_tenant(rows.order_by("created_at").values_list("tenant_id", "subscription_id"))


def signals_to_settle() -> Due:
    """Dispatched, with nothing left to wait for or waited for long enough."""
    now = timezone.now()
    unplanned = SignalShard.objects.exclude(status=SignalShard.Status.PLANNED)
    open_intents = Intent.objects.filter(status__in=(Intent.Status.WORKING, Intent.Status.UNKNOWN))
    with system_scope("sweep: signals to settle"):
        rows = Signal.objects.filter(
            ~Exists(unplanned.filter(signal_id=OuterRef("pk"))),
            Q(planned_at__lt=now - SETTLE_PATIENCE)
            | ~Exists(open_intents.filter(signal_id=OuterRef("pk"))),
            status=Signal.Status.DISPATCHED,
            planned_at__lt=now - GRACE,
        )
        return _by_tenant(rows.order_by("pk").values_list("tenant_id", "pk")[:BATCH])


def shards_due() -> Due:
    now = timezone.now()
    with system_scope("sweep: shards to plan"):
        rows = SignalShard.objects.filter(
            Q(status=SignalShard.Status.PENDING, created_at__lt=now - GRACE) & _not_asked(now)
            | Q(status=SignalShard.Status.CLAIMED, claimed_until__lt=now)
        )
        due = _by_tenant(rows.order_by("pk").values_list("tenant_id", "pk")[:BATCH])
    _note_asked(SignalShard, due, now, status=SignalShard.Status.PENDING)
    return due


def _not_asked(now: datetime) -> Q:
    """Nobody claimed the row, so its `claimed_until` says until when its message may wait."""
    return Q(claimed_until=None) | Q(claimed_until__lt=now)


def _note_asked(
    model: type[Signal] | type[SignalShard], due: Due, now: datetime, **still: str
) -> None:
    for tenant_id, ids in due.items():
        with tenant_scope(tenant_id):
            rows = model.objects.for_tenant(tenant_id).filter(pk__in=ids, **still)
            rows.update(claimed_until=now + ASK_AGAIN)


def orders_ready() -> Due:
    """READY, waiting for nothing and not picked up; claims of dead senders are released first."""
    now = timezone.now()
    with system_scope("sweep: orders to send"):
        expired = list(
            Order.objects.filter(state=OrderState.CLAIMED, claimed_until__lt=now).values_list(
                "tenant_id", "pk"
            )[:BATCH]
        )
    for tenant_id, ids in _by_tenant(expired).items():
        with tenant_scope(tenant_id):
            Order.objects.for_tenant(tenant_id).filter(
                pk__in=ids, state=OrderState.CLAIMED, claimed_until__lt=now
            ).update(state=OrderState.READY, claimed_by="", claimed_until=None)
    with system_scope("sweep: orders to send"):
        rows = may_go_now(Order.objects.filter(state=OrderState.READY, created_at__lt=now - GRACE))
        return _by_tenant(rows.order_by("is_entry", "pk").values_list("tenant_id", "pk")[:BATCH])


def entries_stop_where_stopped() -> int:
    """Waiting entries of whoever may not enter any more are to be cancelled: a kill switch is set,
    or the account, customer or strategy is not active, however that came about. How many."""
    with system_scope("sweep: entries that wait although entries are stopped"):
        stopped = _by_switches() | ~Q(account__status=ExchangeAccount.Status.ACTIVE)
        customers = Customer.objects.exclude(status=Customer.Status.ACTIVE)
        strategies = Strategy.objects.exclude(status=Strategy.Status.ACTIVE)
        stopped |= Q(customer_id__in=customers.values("pk"))
        stopped |= Q(strategy_id__in=strategies.values("pk"))
        waiting = Order.objects.filter(
            Q(withdrawn_by="") | Q(amended_price__isnull=False),
            stopped,
            is_entry=True,
            state__in=_LIVE,
            cancel_requested_at=None,
        )
        due = _by_tenant(waiting.order_by("pk").values_list("tenant_id", "pk")[:BATCH])
    now = timezone.now()
    marked = 0
    for tenant_id, ids in due.items():
        with tenant_scope(tenant_id):
            marked += entries_stop(tenant_id=tenant_id, entries=Q(pk__in=ids), now=now)
    return marked


def _by_switches() -> Q:
    """Entries that a kill switch stops. Nothing where none is set."""
    columns = {
        TradingControl.Level.TENANT: "tenant_id",
        TradingControl.Level.STRATEGY: "strategy_id",
        TradingControl.Level.CUSTOMER: "customer_id",
    }
    subjects: dict[str, list[str]] = defaultdict(list)
    switches = TradingControl.objects.exclude(mode=TradingControl.Mode.ACTIVE)
    for level, subject_id in switches.values_list("level", "subject_id"):
        if level == TradingControl.Level.PLATFORM:
            return Q(pk__isnull=False)
        subjects[columns[TradingControl.Level(level)]].append(subject_id)
    stopped = Q(pk__in=[])
    for column, ids in subjects.items():
        stopped |= Q(**{f"{column}__in": ids})
    return stopped


def orders_lose_abandoned() -> int:
    """SENDING rows whose sender died become UNKNOWN; their outcome is looked up from now on."""
    now = timezone.now()
    with system_scope("sweep: orders whose sender died"):
        rows = list(
            Order.objects.filter(
                state=OrderState.SENDING, sent_at__lt=now - SENDING_PATIENCE
            ).values_list("tenant_id", "pk")[:BATCH]
        )
    for tenant_id, ids in _by_tenant(rows).items():
        with tenant_scope(tenant_id):
            reason = Reason(
                ReasonCode.OUTCOME_UNKNOWN, {"code": "-", "message": "the sender stopped"}
            )
            order_updates_apply(
                tenant_id=tenant_id,
                updates=[
                    OrderUpdate(pk, OrderTrigger.LOSE, reason=reason, check_at=now) for pk in ids
                ],
                instruments={},
            )
    return len(rows)


def orders_to_check() -> Due:
    """The first look at what the venue accepted waits while more of the same signal is planned: it
    would take the time of those that are still to be sent."""
    now = timezone.now()
    with system_scope("sweep: orders to look up"):
        planned_now = SignalShard.objects.filter(created_at__gt=now - FANOUT_PATIENCE)
        planned_now = planned_now.exclude(status=SignalShard.Status.PLANNED)
        signal_ids = list(planned_now.values_list("signal_id", flat=True).distinct()[:BATCH])
        rows = Order.objects.filter(check_at__lte=now).exclude(
            signal_id__in=signal_ids,
            state=OrderState.ACCEPTED,
            is_entry=True,
            wants_stops=False,  # nothing is to be guarded as soon as it fills
        )
        return _by_tenant(rows.order_by("check_at").values_list("tenant_id", "pk")[:BATCH])


def accounts_stale() -> Due:
    """Accounts to be read again, keys included: those longest not given to a worker first.

    They are marked as given, so that the next sweep goes on with others, however slow or dead
    the workers are; what fails comes less often.
    """
    now = timezone.now()
    due = Q(tried_at__isnull=True)
    for failed, pause in enumerate(READ_PAUSES):
        again = Q(failed_reads__gte=failed, tried_at__lt=now - pause)
        due |= again if pause is READ_PAUSES[-1] else again & Q(failed_reads=failed)
    with system_scope("sweep: accounts to read"):
        rows = ExchangeAccount.objects.filter(due).exclude(_is_quiet(now))
        rows = rows.exclude(status=ExchangeAccount.Status.CLOSED)
        found = _by_tenant(rows.order_by("tried_at", "pk").values_list("tenant_id", "pk")[:BATCH])
    for tenant_id, ids in found.items():
        with tenant_scope(tenant_id):
            ExchangeAccount.objects.for_tenant(tenant_id).filter(pk__in=ids).update(tried_at=now)
    return found


def _is_quiet(now: datetime) -> Q:
    """Nothing is open on it, its stream is live, and it was read and agreed lately."""
    mine = OuterRef("pk")
    return Q(
        ~Exists(Position.objects.filter(account_id=mine)),
        ~Exists(Order.objects.filter(account_id=mine, state__in=_AT_VENUE)),
        ~Exists(AccountBooks.objects.filter(account_id=mine, differs_since__isnull=False)),
        Exists(live_streams(ACCOUNT_KIND).filter(subject_id=mine)),
        failed_reads=0,
        tried_at__gt=now - QUIET_PAUSE,
    )


def accounts_with_open_orders_due() -> Due:
    """Accounts whose open orders are to be listed: those with an order at the venue or a position,
    longest not given to a worker first, and marked as given like `accounts_stale`.

    What has no books yet, or fails, waits for its reading.
    """
    now = timezone.now()
    with system_scope("sweep: accounts whose open orders are to be listed"):
        orders = Order.objects.filter(state__in=_AT_VENUE).values("account_id")
        positions = Position.objects.values("account_id")
        rows = AccountBooks.objects.filter(
            Q(orders_tried_at=None) | Q(orders_tried_at__lte=now - ORDERS_PAUSE),
            Q(account_id__in=orders) | Q(account_id__in=positions),
            account__failed_reads=0,
        ).exclude(account__status=ExchangeAccount.Status.CLOSED)
        rows = rows.order_by("orders_tried_at", "account_id")
        found = _by_tenant(rows.values_list("tenant_id", "account_id")[:BATCH])
    for tenant_id, ids in found.items():
        with tenant_scope(tenant_id):
            books = AccountBooks.objects.for_tenant(tenant_id).filter(account_id__in=ids)
            books.update(orders_tried_at=now)
    return found


def stops_due() -> Due:
    """Positions whose stops are to be brought in line, a moment after their wake-up."""
    with system_scope("sweep: stops to bring in line"):
        rows = PositionStops.objects.filter(due_at__lt=timezone.now() - STOPS_GRACE)
        return _by_tenant(
            rows.order_by("due_at").values_list("tenant_id", "copied_position_id")[:BATCH]
        )


def stops_to_check() -> Due:
    with system_scope("sweep: stop orders to look up"):
        rows = StopOrder.objects.filter(check_at__lte=timezone.now())
        return _by_tenant(rows.order_by("check_at").values_list("tenant_id", "pk")[:BATCH])


def leader_changes_to_decide() -> Due:
    """Changes of leverage, margin and money that copies have not been decided for."""
    now = timezone.now()
    with system_scope("sweep: leaders' changes"):
        rows = Signal.objects.filter(
            status=Signal.Status.DONE,
            received_at__gt=now - FOLLOWED_FOR,
            received_at__lt=now - GRACE,
            action__in=CHANGES,
            claimed_until=None,
        )
        return _by_tenant(rows.order_by("pk").values_list("tenant_id", "pk")[:BATCH])


def leader_changes_due() -> Due:
    """What copies are to do about them, a moment after its wake-up."""
    with system_scope("sweep: what follows leaders' changes"):
        rows = FollowedChange.objects.filter(check_at__lt=timezone.now() - STOPS_GRACE)
        return _by_tenant(rows.order_by("check_at").values_list("tenant_id", "pk")[:BATCH])


def stops_to_follow() -> Due:
    """Changes of leaders' stops that nobody took in yet."""
    now = timezone.now()
    with system_scope("sweep: changes of leaders' stops"):
        rows = Signal.objects.filter(
            status=Signal.Status.DONE,
            received_at__gt=now - FOLLOWED_FOR,
            received_at__lt=now - GRACE,
            action=Signal.Action.STOPS,
            claimed_until=None,
        )
        return _by_tenant(rows.order_by("pk").values_list("tenant_id", "pk")[:BATCH])
