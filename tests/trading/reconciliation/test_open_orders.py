"""The second opinion on working orders: often where something is open, and nobody is left out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.models import AuditEntry, ExchangeAccount
from customers.tenancy import system_scope, tenant_scope
from strategies.models import Subscription
from tests.factories import (
    AccountBooksFactory,
    AccountFactory,
    IntentFactory,
    LeaseFactory,
    OrderFactory,
    PositionFactory,
    ReconciliationPolicyFactory,
    SourceFactory,
    StrategyFactory,
    StreamStateFactory,
    SubscriptionFactory,
)
from tests.trading.reconciliation.test_by_hand import Hand, found, reread
from tests.trading.world import World
from trading import tasks
from trading.models import AccountBooks, Finding, Order
from trading.services import sweeps
from trading.services.reconciliation import unknown_orders
from trading.services.reconciliation.deciding import FindingDecisionError, finding_cancel_order

NOT_OURS = "01jcqk4v6w8x9yzabcdefghjkm"


def order_of(account: ExchangeAccount, **fields: str) -> Order:
    tenant = account.tenant
    subscription = SubscriptionFactory(
        tenant=tenant,
        strategy=StrategyFactory(tenant=tenant, source=SourceFactory(tenant=tenant)),
        account=account,
        customer=account.customer,
    )
    return OrderFactory(intent=IntentFactory(subscription=subscription, signal=None), **fields)


def rest(world: World) -> Order:
    """A limit order of ours that works at the exchange, its next look-up far away."""
    world.run(world.entry(order_type="limit", price=Decimal(40_000)), rounds=1)
    with tenant_scope(world.tenant.pk):
        Order.objects.update(check_at=timezone.now() + timedelta(hours=1))
    (order,) = world.orders()
    assert order.state == "accepted"
    return order


def look(world: World, follower: Subscription) -> None:
    tasks.accounts_orders_reread(account_ids=[follower.account_id], tenant_id=world.tenant.pk)


def is_due(world: World, order: Order) -> bool:
    return bool(world.reload(order).check_at <= timezone.now())


def test_an_order_cancelled_by_hand_is_looked_up_by_the_next_look_at_what_is_open(
    world: World,
) -> None:
    follower = world.follower()
    order = rest(world)
    look(world, follower)
    assert not is_due(world, order), "the list shows it as we know it"
    Hand(world, follower).cancel(order.pk)
    look(world, follower)
    assert is_due(world, order)
    tasks.orders_check(order_ids=[order.pk], tenant_id=world.tenant.pk)
    assert world.reload(order).state == "cancelled"
    with tenant_scope(world.tenant.pk):
        assert AccountBooks.objects.get(account=follower.account).orders_read_at is not None


def test_an_order_of_unknown_outcome_that_is_listed_is_looked_up_and_an_unlisted_one_is_not(
    world: World,
) -> None:
    follower = world.follower()
    order = rest(world)
    with tenant_scope(world.tenant.pk):
        Order.objects.update(state="unknown")
    look(world, follower)
    assert is_due(world, order)
    Hand(world, follower).cancel(order.pk)
    with tenant_scope(world.tenant.pk):
        Order.objects.update(check_at=timezone.now() + timedelta(hours=1))
    look(world, follower)
    assert not is_due(world, order), "its absence is not proven by a list"


def test_what_is_accepted_after_the_question_is_not_missed_on_the_list(world: World) -> None:
    follower = world.follower()
    order = rest(world)
    Hand(world, follower).cancel(order.pk)
    with tenant_scope(world.tenant.pk):
        Order.objects.update(acknowledged_at=timezone.now() + timedelta(minutes=1))
    look(world, follower)
    assert not is_due(world, order)


# --- whose turn it is -----------------------------------------------------------------------------


def due() -> list[str]:
    return [pk for ids in sweeps.accounts_with_open_orders_due().values() for pk in ids]


@pytest.mark.django_db
def test_accounts_with_an_order_or_a_position_are_listed_every_ten_seconds_and_no_others() -> None:
    with_order, with_position, idle, failing = (AccountFactory() for _ in range(4))
    for account in (with_order, with_position, idle, failing):
        AccountBooksFactory(account=account)
    order_of(with_order, state="accepted")
    order_of(idle, state="filled")
    for account in (with_position, failing):
        PositionFactory(account=account)
    with system_scope("test"):
        ExchangeAccount.objects.filter(pk=failing.pk).update(failed_reads=1)

    assert sorted(due()) == sorted([with_order.pk, with_position.pk])
    assert due() == [], "given to a worker"
    with system_scope("test"):
        tried_at = timezone.now() - sweeps.ORDERS_PAUSE
        AccountBooks.objects.update(orders_tried_at=tried_at)
    assert sorted(due()) == sorted([with_order.pk, with_position.pk])


@pytest.mark.django_db
def test_more_accounts_than_a_sweep_takes_have_their_turn_one_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeps, "BATCH", 3)
    now = timezone.now()
    accounts = []
    for seconds in (60, 50, 40, 30, 20):
        account = AccountFactory()
        AccountBooksFactory(account=account, orders_tried_at=now - timedelta(seconds=seconds))
        PositionFactory(account=account)
        accounts.append(account.pk)
    assert sorted(due()) == sorted(accounts[:3])
    assert sorted(due()) == sorted(accounts[3:])


@pytest.mark.django_db
def test_a_quiet_account_with_a_live_stream_is_read_every_three_minutes() -> None:
    tried_at = timezone.now() - timedelta(seconds=100)
    accounts = {
        name: AccountFactory(tried_at=tried_at)
        for name in ("quiet", "unstreamed", "dead streamer", "holding", "working", "differing")
    }
    lease = LeaseFactory(holder="somebody")
    for name, account in accounts.items():
        if name != "unstreamed":
            StreamStateFactory(
                tenant=account.tenant,
                subject_id=account.pk,
                lease="gone" if name == "dead streamer" else lease.name,
            )
    PositionFactory(account=accounts["holding"])
    order_of(accounts["working"], state="accepted")
    AccountBooksFactory(account=accounts["differing"], differs_since=tried_at)

    def handed_out() -> set[str]:
        ids = {pk for found in sweeps.accounts_stale().values() for pk in found}
        return {name for name, account in accounts.items() if account.pk in ids}

    assert handed_out() == set(accounts) - {"quiet"}
    with system_scope("test"):
        tried_at = timezone.now() - sweeps.QUIET_PAUSE
        ExchangeAccount.objects.filter(pk=accounts["quiet"].pk).update(tried_at=tried_at)
    assert handed_out() == {"quiet"}


def test_what_differs_is_read_again_soon_in_its_turn_and_not_for_ever(world: World) -> None:
    follower = world.follower()
    tried_at = timezone.now()

    def read() -> float:
        """Seconds by which it is read sooner than otherwise."""
        with tenant_scope(world.tenant.pk):
            ExchangeAccount.objects.update(tried_at=tried_at)
        reread(world, follower.account_id, times=1)
        return (tried_at - world.reload(follower.account).tried_at).total_seconds()

    assert read() == 0
    hand = Hand(world, follower)
    with tenant_scope(world.tenant.pk):
        # No trade is listed that would explain what follows.
        AccountBooks.objects.update(since=timezone.now() + timedelta(hours=1))
    hand.order("buy", "4")
    assert read() == 45
    with tenant_scope(world.tenant.pk):
        AccountBooks.objects.update(differs_since=timezone.now() - timedelta(minutes=4))
    hand.order("buy", "1")
    assert read() == 0


# --- orders that nobody placed ----------------------------------------------------------------


def place_theirs(world: World, policy: str) -> tuple[Subscription, Hand]:
    follower = world.follower()
    ReconciliationPolicyFactory(tenant=world.tenant, subscription=None, policy=policy)
    hand = Hand(world, follower)
    hand.order("buy", "1", ordType="limit", px="1000", clOrdId=NOT_OURS)
    look(world, follower)
    assert found(world) == [("unknown_order", "")]
    return follower, hand


def let_the_grace_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(world.tenant.pk):
        Finding.objects.update(first_seen_at=timezone.now() - unknown_orders.GRACE)
    monkeypatch.setattr(unknown_orders, "GRACE", timedelta(0))


def test_by_the_policy_to_repair_an_order_of_nobody_is_cancelled_after_the_grace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, hand = place_theirs(world, "repair")
    look(world, follower)
    assert hand.is_working(NOT_OURS), "not within the grace"
    let_the_grace_pass(world, monkeypatch)
    look(world, follower)
    assert not hand.is_working(NOT_OURS)
    assert found(world) == [("unknown_order", "repaired")]
    with tenant_scope(world.tenant.pk):
        assert AuditEntry.objects.filter(action="finding.repaired").count() == 1


def test_what_is_in_anybodys_books_is_never_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, hand = place_theirs(world, "repair")
    elsewhere = AccountFactory()
    order_of(elsewhere, id=NOT_OURS, state="unknown")
    let_the_grace_pass(world, monkeypatch)
    look(world, follower)
    assert hand.is_working(NOT_OURS)
    assert found(world) == [("unknown_order", "")]


def test_without_that_policy_it_is_cancelled_when_staff_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, hand = place_theirs(world, "adopt")
    let_the_grace_pass(world, monkeypatch)
    look(world, follower)
    assert hand.is_working(NOT_OURS)
    with tenant_scope(world.tenant.pk):
        (finding,) = Finding.objects.all()
        finding_cancel_order(
            tenant_id=world.tenant.pk, finding_id=finding.pk, actor=None, note="by phone"
        )
    look(world, follower)
    assert not hand.is_working(NOT_OURS)
    assert found(world) == [("unknown_order", "repaired")]
    with tenant_scope(world.tenant.pk), pytest.raises(FindingDecisionError):
        finding_cancel_order(tenant_id=world.tenant.pk, finding_id=finding.pk, actor=None, note="")


def test_a_cancellation_that_is_not_answered_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower, hand = place_theirs(world, "repair")
    let_the_grace_pass(world, monkeypatch)
    world.paper.control.add_fault(
        "http_status", status=503, endpoint="trade/cancel-order", method="POST", count=1
    )
    look(world, follower)
    assert hand.is_working(NOT_OURS) and found(world) == [("unknown_order", "")]
    look(world, follower)
    assert not hand.is_working(NOT_OURS) and found(world) == [("unknown_order", "repaired")]
