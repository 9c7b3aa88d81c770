"""What the risk monitor does, by the services that clients and staff use.

Each may be done twice: a kill switch that is set stays set, a reduction has the action's id, a copy
that is ending goes on to end.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from django.utils import timezone

from customers.tenancy import system_scope, tenant_scope
from strategies.models import Subscription
from strategies.services.subscriptions import SubscriptionRefusedError, subscription_end
from trading.domain.alerts import AlertCode
from trading.domain.portfolio.thresholds import RiskAct
from trading.models import Intent, RiskAction, TradingControl
from trading.services.alerts import alert_raise
from trading.services.closing import Selection, positions_close
from trading.services.controls import control_set

logger = logging.getLogger(__name__)

HUNDRED = Decimal(100)


def alert_subject(action_id: str) -> str:
    return f"risk:{action_id}"


def risk_actions_do() -> int:
    """All that is written down and not done; what fails is tried again in the next round."""
    with system_scope("risk: what is to be done"):
        rows = RiskAction.objects.filter(done_at=None).order_by("reached_at", "pk")
        waiting = list(rows.values_list("tenant_id", "pk"))
    for tenant_id, pk in waiting:
        try:
            with tenant_scope(tenant_id):
                risk_action_do(tenant_id=tenant_id, action_id=pk)
        except Exception:  # one account's trouble is not the others'; it stays on the list
            logger.exception("the risk action %s was not done", pk)
    return len(waiting)


def risk_action_do(*, tenant_id: str, action_id: str) -> None:
    """Runs in the tenant's scope."""
    action = (
        RiskAction.objects.for_tenant(tenant_id)
        .select_related("account__customer")
        .get(pk=action_id)
    )
    outcome: dict[str, str] = {}
    match RiskAct(action.action):
        case RiskAct.STOP_ENTRIES:
            outcome = _stop_entries(action)
        case RiskAct.REDUCE:
            outcome = _reduce(action)
        case RiskAct.CLOSE:
            outcome = _end_copies(action)
    if (
        not RiskAction.objects.for_tenant(tenant_id)
        .filter(pk=action_id, done_at=None)
        .update(done_at=timezone.now(), outcome=outcome)
    ):
        return
    alert_raise(
        tenant_id=tenant_id,
        code=AlertCode.RISK_THRESHOLD,
        subject=alert_subject(action_id),
        params={
            **action.params,
            **outcome,
            "customer": action.account.customer.name,
            "account": action.account.label,
            "measure": action.measure,
            "action": action.action,
            "value": _number(action.value),
            "limit": _number(action.limit),
        },
    )
    logger.warning(
        "account %s: %s %s of %s, %s %s",
        *(action.account_id, action.measure, action.value, action.limit, action.action, outcome),
    )


def _stop_entries(action: RiskAction) -> dict[str, str]:
    """Of the whole customer: entries ask this switch in the moment in which they leave. Staff let
    him go again."""
    control_set(
        level=TradingControl.Level.CUSTOMER,
        subject_id=action.account.customer_id,
        mode=TradingControl.Mode.REDUCING,
        reason=f"risk monitor: {action.measure} {_number(action.value)}",
        actor=None,
        only_from_active=True,
    )
    return {}


def _reduce(action: RiskAction) -> dict[str, str]:
    assert action.reduce_percent is not None
    done = positions_close(
        tenant_id=action.tenant_id,
        selection=Selection(account_id=action.account_id),
        cause=Intent.Cause.RISK,
        action_id=action.pk,
        part=action.reduce_percent / HUNDRED,
    )
    return {
        "reduce_percent": _number(action.reduce_percent),
        "orders": str(len(done.order_ids)),
        "refused": str(done.refused.total()),
    }


def _end_copies(action: RiskAction) -> dict[str, str]:
    """Their positions are closed by what ends every copy. What is the client's own stays."""
    copies = (
        Subscription.objects.for_tenant(action.tenant_id)
        .filter(account_id=action.account_id)
        .exclude(status=Subscription.Status.STOPPED)
    )
    ended = 0
    for copy in copies.order_by("pk"):
        try:
            subscription_end(
                subscription=copy, code=Subscription.EndCode.RISK, params={"action": action.pk}
            )
        except SubscriptionRefusedError:
            continue  # stopped in the meantime
        ended += 1
    return {"copies": str(ended)}


def _number(value: Decimal) -> str:
    return format(value.quantize(Decimal("0.01")), "f")
