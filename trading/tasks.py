"""Thin tasks: ids in, one service called. Losing or repeating any of them is harmless."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from customers.tasks_base import TenantTask
from customers.wakeup import wake_swept
from trading.services import sweeps
from trading.services.account_sync import accounts_refresh as refresh_accounts
from trading.services.breaker.answers import answer_counts_purge as purge_answer_counts
from trading.services.clocks import clocks_check as check_clocks
from trading.services.fanout import signals as fanout
from trading.services.fanout.context import shard_context
from trading.services.fanout.shards import shard_claim, shard_plan
from trading.services.order_checks import orders_check as check_orders
from trading.services.submission import OrderSender, claimant
from trading.services.submission import orders_submit as submit_orders
from trading.services.unresolved import unresolved_alert

ACCOUNTS_PER_TASK = 50


@shared_task(base=TenantTask)
def signal_dispatch(*, signal_id: str, tenant_id: str) -> None:
    fanout.signal_dispatch(signal_id=signal_id, tenant_id=tenant_id)


@shared_task(base=TenantTask)
def signal_settle(*, signal_id: str, tenant_id: str) -> None:
    fanout.signal_settle(signal_id=signal_id, tenant_id=tenant_id)


@shared_task(base=TenantTask)
def shard_run(*, shard_id: str, tenant_id: str) -> None:
    """Plan the shard chunk by chunk; each chunk is on its way while the next is planned."""
    claimed_by = claimant()
    shard = shard_claim(shard_id=shard_id, tenant_id=tenant_id, claimed_by=claimed_by)
    if shard is None:
        return
    sender = OrderSender(tenant_id, claimed_by, follow=False)
    try:
        for orders in shard_plan(shard_context(shard, claimed_by)):
            sender.send(orders)
    finally:
        sender.finish()
    fanout.shard_finished(signal_id=shard.signal_id, tenant_id=tenant_id)


@shared_task(base=TenantTask)
def orders_submit(*, order_ids: list[str], tenant_id: str) -> None:
    submit_orders(tenant_id=tenant_id, order_ids=order_ids)


@shared_task(base=TenantTask)
def orders_check(*, order_ids: list[str], tenant_id: str) -> None:
    check_orders(tenant_id=tenant_id, order_ids=order_ids)


@shared_task(base=TenantTask)
def accounts_refresh(*, account_ids: list[str], tenant_id: str) -> None:
    refresh_accounts(tenant_id=tenant_id, account_ids=account_ids)


@shared_task(base=TenantTask)
def account_check(*, account_id: str, tenant_id: str) -> None:
    """After new keys: permissions, modes, balances, positions."""
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


def _wake_again(task: str, **kwargs: Any) -> None:
    lifetime = sweeps.ASK_AGAIN.total_seconds()
    wake_swept(f"trading.tasks.{task}", lifetime_seconds=lifetime, **kwargs)


@shared_task
def alerts_sweep() -> None:
    """Every ten seconds: troubles that no single order tells of."""
    unresolved_alert()


@shared_task
def clocks_check() -> None:
    """Every thirty seconds: this host's clock against the venues'."""
    check_clocks()


@shared_task
def answer_counts_purge() -> None:
    """Every ten minutes: what no circuit breaker looks back to."""
    purge_answer_counts()


@shared_task
def accounts_sweep() -> None:
    """Every twenty seconds: accounts whose picture is getting old, key and modes included."""
    for tenant_id, ids in sweeps.accounts_stale().items():
        for start in range(0, len(ids), ACCOUNTS_PER_TASK):
            wake_swept(
                "trading.tasks.accounts_reread",
                lifetime_seconds=sweeps.READ_PAUSES[0].total_seconds(),
                account_ids=ids[start : start + ACCOUNTS_PER_TASK],
                tenant_id=tenant_id,
            )


@shared_task(base=TenantTask)
def accounts_reread(*, account_ids: list[str], tenant_id: str) -> None:
    refresh_accounts(tenant_id=tenant_id, account_ids=account_ids, check=True)
