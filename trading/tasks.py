"""Thin tasks: ids in, one service called. Losing or repeating any of them is harmless."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery import shared_task

from customers.tasks_base import TenantTask
from customers.turns import ahead_of_others
from customers.wakeup import wake_swept
from trading.models import SignalShard
from trading.services import sweeps
from trading.services.account_sync import accounts_refresh as refresh_accounts
from trading.services.breaker.answers import answer_counts_purge as purge_answer_counts
from trading.services.clocks import clocks_check as check_clocks
from trading.services.copy_limits import copies_watch as watch_copies
from trading.services.copy_starts import copy_start as start_copy
from trading.services.ending import copy_end as end_copy
from trading.services.entries_by_settings import entries_stop_where_settings_say
from trading.services.fanout import signals as fanout
from trading.services.fanout.context import shard_context
from trading.services.fanout.market_facts import signal_markets_purge as purge_signal_markets
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.leader_changes.deciding import leader_change_decide
from trading.services.leader_changes.doing import leader_changes_do as do_leader_changes
from trading.services.limit_settings import unreadable_settings_tell
from trading.services.order_checks import orders_check as check_orders
from trading.services.portfolio.watching import risk_watch as watch_risk
from trading.services.reconciliation.alerting import books_alert
from trading.services.reconciliation.open_orders import open_orders_reread
from trading.services.stops.alerting import stops_alert
from trading.services.stops.checking import stops_look_up
from trading.services.stops.keeping import stops_keep as keep_stops
from trading.services.stops.leaders import stops_follow as follow_stops
from trading.services.stops.watching import stops_watch as watch_stops
from trading.services.submission import OrderSender, claimant
from trading.services.submission import orders_submit as submit_orders
from trading.services.submission.refusals import refusals_forget
from trading.services.unreadable import unreadable_alerts_end
from trading.services.unresolved import unresolved_alert

ACCOUNTS_PER_TASK = 50
STOPS_PER_TASK = 50
CHANGES_PER_TASK = 50


@shared_task(base=TenantTask)
@ahead_of_others()
def signal_dispatch(*, signal_id: str, tenant_id: str) -> None:
    """Cut it into shards; a single small one is planned here."""
    claimed_by = claimant()
    shard = fanout.signal_dispatch(signal_id=signal_id, tenant_id=tenant_id, claimed_by=claimed_by)
    if shard is not None:
        _plan_and_send(shard, claimed_by)


@shared_task(base=TenantTask)
def signal_settle(*, signal_id: str, tenant_id: str) -> None:
    fanout.signal_settle(signal_id=signal_id, tenant_id=tenant_id)


@shared_task(base=TenantTask)
@ahead_of_others()
def shard_run(*, shard_id: str, tenant_id: str) -> None:
    claimed_by = claimant()
    shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by=claimed_by)
    if shard is not None:
        _plan_and_send(shard, claimed_by)


def _plan_and_send(shard: SignalShard, claimed_by: str) -> None:
    """Chunk by chunk; each is on its way while the next is planned."""
    sender = OrderSender(shard.tenant_id, claimed_by, follow=False)
    try:
        for orders in shard_plan(shard_context(shard, claimed_by)):
            sender.send(orders)
    finally:
        sender.finish()
    fanout.shard_finished(signal_id=shard.signal_id, tenant_id=shard.tenant_id)


@shared_task(base=TenantTask)
@ahead_of_others()
def orders_submit(*, order_ids: list[str], tenant_id: str) -> None:
    submit_orders(tenant_id=tenant_id, order_ids=order_ids)


@shared_task(base=TenantTask)
def orders_check(*, order_ids: list[str], tenant_id: str) -> None:
    check_orders(tenant_id=tenant_id, order_ids=order_ids)


@shared_task(base=TenantTask)
def accounts_refresh(*, account_ids: list[str], tenant_id: str, since: str = "") -> None:
    """`since`: an ISO 8601 time; accounts that were read, or told of themselves, later are fine."""
    refresh_accounts(tenant_id=tenant_id, account_ids=account_ids, unless_since=_moment_of(since))


@shared_task(base=TenantTask)
def accounts_compare(*, account_ids: list[str], tenant_id: str, since: str = "") -> None:
    """After a gap: what was done by hand meanwhile, too. `since`: an ISO 8601 time; accounts that
    were compared later are fine."""
    refresh_accounts(
        tenant_id=tenant_id,
        account_ids=account_ids,
        compare=True,
        unless_since=_moment_of(since),
    )


def _moment_of(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@shared_task(base=TenantTask)
def account_check(*, account_id: str, tenant_id: str) -> None:
    """After new keys, or when somebody asks for it: permissions, modes, balances, positions."""
    refusals_forget(tenant_id=tenant_id, account_id=account_id)
    refresh_accounts(tenant_id=tenant_id, account_ids=[account_id], check=True)


@shared_task
def sweep() -> None:
    """Every two seconds: whatever is due and was not woken."""
    sweeps.orders_lose_abandoned()
    for tenant_id, ids in sweeps.signals_due().items():
        for signal_id in ids:
            _wake_again("signal_dispatch", signal_id=signal_id, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.shards_due().items():
        for shard_id in ids:
            _wake_again("shard_run", shard_id=shard_id, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.orders_ready().items():
        _wake_again("orders_submit", order_ids=ids, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.orders_to_check().items():
        _wake_again("orders_check", order_ids=ids, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.signals_to_settle().items():
        for signal_id in ids:
            _wake_again("signal_settle", signal_id=signal_id, tenant_id=tenant_id)


@shared_task
def stops_sweep() -> None:
    """Every two seconds: stops that are due and were not woken, and who stays unguarded."""
    for tenant_id, ids in sweeps.stops_due().items():
        for start in range(0, len(ids), STOPS_PER_TASK):
            part = ids[start : start + STOPS_PER_TASK]
            _wake_again("stops_keep", position_ids=part, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.stops_to_check().items():
        _wake_again("stops_check", stop_ids=ids, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.stops_to_follow().items():
        for signal_id in ids:
            _wake_again("stops_follow", signal_id=signal_id, tenant_id=tenant_id)
    wake_swept("trading.tasks.stops_watch", lifetime_seconds=2.0)
    stops_alert()


@shared_task(base=TenantTask)
def stops_keep(*, position_ids: list[str], tenant_id: str) -> None:
    keep_stops(tenant_id=tenant_id, position_ids=position_ids)


@shared_task(base=TenantTask)
def stops_check(*, stop_ids: list[str], tenant_id: str) -> None:
    stops_look_up(tenant_id=tenant_id, stop_ids=stop_ids)


@shared_task(base=TenantTask)
def stops_follow(*, signal_id: str, tenant_id: str) -> None:
    follow_stops(tenant_id=tenant_id, signal_id=signal_id)


@shared_task
def stops_watch() -> None:
    watch_stops()


@shared_task
def copies_sweep() -> None:
    """Every three seconds: copies against their limits, those that start or are ending, and entries
    that wait although entries are stopped."""
    sweeps.entries_stop_where_stopped()
    entries_stop_where_settings_say()
    wake_swept("trading.tasks.copies_watch", lifetime_seconds=3.0)
    for tenant_id, ids in sweeps.copies_starting().items():
        for subscription_id in ids:
            _wake_again("copy_start", subscription_id=subscription_id, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.copies_ending().items():
        for subscription_id in ids:
            _wake_again("copy_end", subscription_id=subscription_id, tenant_id=tenant_id)


@shared_task
def copies_watch() -> None:
    """Copies against their limits of loss."""
    watch_copies()


@shared_task
def risk_sweep() -> None:
    """Every three seconds: all accounts against their thresholds."""
    wake_swept("trading.tasks.risk_watch", lifetime_seconds=3.0)


@shared_task
def risk_watch() -> None:
    watch_risk()


@shared_task(base=TenantTask)
@ahead_of_others()
def copy_end(*, subscription_id: str, tenant_id: str) -> None:
    """One step of ending a copy: close what it holds, or find that it holds nothing."""
    end_copy(tenant_id=tenant_id, subscription_id=subscription_id)


@shared_task
def leader_changes_sweep() -> None:
    """Every two seconds: what leaders changed without trading, and what copies do about it."""
    for tenant_id, ids in sweeps.leader_changes_to_decide().items():
        for signal_id in ids:
            _wake_again("leader_change_follow", signal_id=signal_id, tenant_id=tenant_id)
    for tenant_id, ids in sweeps.leader_changes_due().items():
        for start in range(0, len(ids), CHANGES_PER_TASK):
            part = ids[start : start + CHANGES_PER_TASK]
            _wake_again("leader_changes_do", change_ids=part, tenant_id=tenant_id)


@shared_task(base=TenantTask)
def leader_change_follow(*, signal_id: str, tenant_id: str) -> None:
    """Decide for all copies; what is to be done is done in parts."""
    ids = leader_change_decide(tenant_id=tenant_id, signal_id=signal_id)
    for start in range(0, len(ids), CHANGES_PER_TASK):
        part = ids[start : start + CHANGES_PER_TASK]
        _wake_again("leader_changes_do", change_ids=part, tenant_id=tenant_id)


@shared_task(base=TenantTask)
def leader_changes_do(*, change_ids: list[str], tenant_id: str) -> None:
    do_leader_changes(tenant_id=tenant_id, change_ids=change_ids)


@shared_task(base=TenantTask)
@ahead_of_others()
def copy_start(*, subscription_id: str, tenant_id: str) -> None:
    """One step of a copy's start: enter what its leader holds already."""
    start_copy(tenant_id=tenant_id, subscription_id=subscription_id)


def _wake_again(task: str, **kwargs: Any) -> None:
    lifetime = sweeps.ASK_AGAIN.total_seconds()
    wake_swept(f"trading.tasks.{task}", lifetime_seconds=lifetime, **kwargs)


@shared_task
def alerts_sweep() -> None:
    """Every ten seconds: troubles that no single order tells of."""
    unresolved_alert()
    books_alert()
    unreadable_alerts_end()


@shared_task
def settings_check() -> None:
    """Every minute: levels of copy settings that cannot be read."""
    unreadable_settings_tell()


@shared_task
def clocks_check() -> None:
    """Every thirty seconds: this host's clock against the venues'."""
    check_clocks()


@shared_task
def answer_counts_purge() -> None:
    """Every ten minutes: what no circuit breaker looks back to."""
    purge_answer_counts()


@shared_task
def signal_markets_purge() -> None:
    """Every hour: what venues said of the markets of signals that are long done."""
    purge_signal_markets()


@shared_task
def accounts_sweep() -> None:
    """Every ten seconds: accounts whose picture is getting old, key and modes included."""
    for tenant_id, ids in sweeps.accounts_stale().items():
        for start in range(0, len(ids), ACCOUNTS_PER_TASK):
            wake_swept(
                "trading.tasks.accounts_reread",
                lifetime_seconds=sweeps.READ_PAUSES[0].total_seconds(),
                account_ids=ids[start : start + ACCOUNTS_PER_TASK],
                tenant_id=tenant_id,
            )


@shared_task
def accounts_orders_sweep() -> None:
    """Every three seconds: the open orders of accounts that have something open."""
    for tenant_id, ids in sweeps.accounts_with_open_orders_due().items():
        for start in range(0, len(ids), ACCOUNTS_PER_TASK):
            wake_swept(
                "trading.tasks.accounts_orders_reread",
                lifetime_seconds=sweeps.ORDERS_PAUSE.total_seconds(),
                account_ids=ids[start : start + ACCOUNTS_PER_TASK],
                tenant_id=tenant_id,
            )


@shared_task(base=TenantTask)
def accounts_orders_reread(*, account_ids: list[str], tenant_id: str) -> None:
    open_orders_reread(tenant_id=tenant_id, account_ids=account_ids)


@shared_task(base=TenantTask)
def accounts_reread(*, account_ids: list[str], tenant_id: str) -> None:
    refresh_accounts(tenant_id=tenant_id, account_ids=account_ids, check=True)
