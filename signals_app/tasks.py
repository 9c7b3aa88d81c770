"""Reading deliveries, and periodic work of this app (signals_app/schedule.py says when)."""

from celery import shared_task

from customers.tasks_base import TenantTask
from customers.wakeup import wake_swept
from signals_app.services import deliveries
from signals_app.services.leaders import sweeping
from signals_app.services.leaders.reconciling import leader_reconcile
from signals_app.services.parsing import deliveries_parse as parse_deliveries
from signals_app.services.rejections import rejections_purge

ASK_AGAIN_SECONDS = 4.0


@shared_task(name="signals_app.tasks.rejections_clean_up")
def rejections_clean_up() -> int:
    return rejections_purge()


@shared_task(base=TenantTask)
def leader_check(*, leader_id: str, tenant_id: str) -> None:
    """Its key, its positions, and what was missed of its trades."""
    leader_reconcile(tenant_id=tenant_id, leader_id=leader_id)


@shared_task
def leaders_sweep() -> None:
    """Every two seconds: leaders that are due to be read."""
    for tenant_id, ids in sweeping.leaders_due().items():
        for leader_id in ids:
            wake_swept(
                "signals_app.tasks.leader_check",
                lifetime_seconds=ASK_AGAIN_SECONDS,
                leader_id=leader_id,
                tenant_id=tenant_id,
            )


@shared_task
def leader_trades_clean_up() -> int:
    return sweeping.leader_trades_purge()


@shared_task(base=TenantTask, name=deliveries.PARSE_TASK)
def deliveries_parse(*, source_id: str, tenant_id: str) -> None:
    parse_deliveries(source_id=source_id, tenant_id=tenant_id)


@shared_task(name="signals_app.tasks.deliveries_sweep")
def deliveries_sweep() -> None:
    """Every two seconds: what waits and was not woken, or whose reader died."""
    for tenant_id, source_id in deliveries.deliveries_due():
        wake_swept(
            deliveries.PARSE_TASK,
            lifetime_seconds=ASK_AGAIN_SECONDS,
            source_id=source_id,
            tenant_id=tenant_id,
        )


@shared_task(name="signals_app.tasks.deliveries_clean_up")
def deliveries_clean_up() -> int:
    return deliveries.deliveries_purge()
