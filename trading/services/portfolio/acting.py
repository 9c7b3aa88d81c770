"""What the risk monitor does, by the services that clients and staff use.

Each may be done twice: a kill switch that is set stays set, a reduction has the action's id, a copy
that is ending goes on to end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.models import Tenant
from customers.tenancy import system_scope, tenant_scope
from strategies.models import Subscription
from strategies.services.subscriptions import SubscriptionRefusedError, subscription_end
from trading.domain.alerts import AlertCode
from trading.domain.portfolio.thresholds import RiskAct, RiskLevel
from trading.models import Alert, Intent, PlatformAction, RiskAction, TradingControl
from trading.models.risk_actions import ReachedThreshold
from trading.services.alerts import alert_raise, alert_resolve
from trading.services.closing import Selection, positions_close
from trading.services.controls import control_set
from trading.services.portfolio.numbers import money_text

logger = logging.getLogger(__name__)

HUNDRED = Decimal(100)


LASTING_COLUMNS = ("open_key", "measure", "action", "threshold__measure", "threshold__action")


def lasting_id(
    threshold_id: str, measure: str, action: str, declared: str | None, act: str | None
) -> str:
    """The threshold of an action that lasts. One that was changed into another since has a name
    that no threshold has, so that it is over, and the new terms are judged for themselves."""
    is_other = declared is not None and (declared, act) != (measure, action)
    return f"{threshold_id}, changed" if is_other else threshold_id


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
    of_platform = PlatformAction.objects.filter(done_at=None).order_by("reached_at", "pk")
    for action in of_platform:
        try:
            _platform_action_do(action)
        except Exception:  # as above
            logger.exception("the platform's risk action %s was not done", action.pk)
    return len(waiting) + len(of_platform)


def risk_actions_end(tenant_id: str, ids: Sequence[str]) -> None:
    """The figure has recovered: what was done may be done again. Runs in the tenant's scope."""
    for pk in ids:
        ended = (
            RiskAction.objects.for_tenant(tenant_id)
            .filter(pk=pk, open_key__isnull=False, done_at__isnull=False)
            .update(open_key=None, over_at=timezone.now())
        )
        if ended:
            for code in (AlertCode.RISK_THRESHOLD, AlertCode.RISK_LEVEL):
                alert_resolve(tenant_id=tenant_id, code=code, subject=alert_subject(pk))


def platform_actions_end(ids: Sequence[str]) -> None:
    rows = PlatformAction.objects.filter(open_key__isnull=False, done_at__isnull=False)
    for pk in ids:
        if not rows.filter(pk=pk).update(open_key=None, over_at=timezone.now()):
            continue
        subject = alert_subject(pk)
        with system_scope("risk: who was told of the platform's threshold"):
            told = Alert.objects.filter(subject=subject, open_key__isnull=False)
            tenant_ids = list(told.values_list("tenant_id", flat=True))
        for tenant_id in tenant_ids:
            with tenant_scope(tenant_id):
                alert_resolve(tenant_id=tenant_id, code=AlertCode.RISK_LEVEL, subject=subject)


# --- one of a firm -------------------------------------------------------------------------------


def risk_action_do(*, tenant_id: str, action_id: str) -> None:
    """Runs in the tenant's scope."""
    action = (
        RiskAction.objects.for_tenant(tenant_id)
        .select_related("account__customer", "customer", "strategy")
        .get(pk=action_id)
    )
    outcome: dict[str, str] = {}
    match RiskAct(action.action):
        case RiskAct.STOP_ENTRIES:
            outcome = _stop_entries(action)
        case RiskAct.REDUCE:
            outcome = _reduce(action, tenant_id, _selection(action)).outcome(action)
        case RiskAct.CLOSE:
            outcome = {"copies": str(_end_copies(action, tenant_id, _selection(action)))}
    params = {
        **action.params,
        **outcome,
        "level": action.level,
        "measure": action.measure,
        "action": action.action,
        "value": money_text(action.value),
        "limit": money_text(action.limit),
    }
    code = AlertCode.RISK_LEVEL
    if action.account is not None:
        code = AlertCode.RISK_THRESHOLD
        params |= {"customer": action.account.customer.name, "account": action.account.label}
    else:
        params["name"] = action.subject_name
    undone = RiskAction.objects.for_tenant(tenant_id).filter(pk=action_id, done_at=None)
    with transaction.atomic():
        if not undone.update(done_at=timezone.now(), outcome=outcome):
            return
        alert_raise(tenant_id=tenant_id, code=code, subject=alert_subject(action_id), params=params)
    logger.warning(
        "risk of %s %s: %s %s of %s, %s %s",
        *(action.level, action.subject_name, action.measure, action.value, action.limit),
        *(action.action, outcome),
    )


_SWITCHES = {
    # Entries ask the customer's switch in the moment in which they leave; an account has none.
    RiskLevel.ACCOUNT: TradingControl.Level.CUSTOMER,
    RiskLevel.CUSTOMER: TradingControl.Level.CUSTOMER,
    RiskLevel.STRATEGY: TradingControl.Level.STRATEGY,
    RiskLevel.TENANT: TradingControl.Level.TENANT,
}


def _stop_entries(action: RiskAction) -> dict[str, str]:
    """By the kill switch of the level; staff let it go again."""
    account_customer = action.account.customer_id if action.account is not None else None
    subject_id = account_customer or action.customer_id or action.strategy_id or action.tenant_id
    control_set(
        level=_SWITCHES[action.risk_level],
        subject_id=subject_id,
        mode=TradingControl.Mode.REDUCING,
        reason=f"risk monitor: {action.measure} {money_text(action.value)} "
        f"(threshold {money_text(action.limit)})",
        actor=None,
        only_from_active=True,
    )
    return {}


def _selection(action: RiskAction) -> Selection:
    """Nothing narrows down what the firm's whole sum concerns."""
    return Selection(
        account_id=action.account_id or "",
        customer_id=action.customer_id or "",
        strategy_id=action.strategy_id or "",
    )


@dataclass(frozen=True, slots=True)
class _Reduced:
    orders: int
    refused: int

    def outcome(self, action: ReachedThreshold) -> dict[str, str]:
        assert action.reduce_percent is not None
        return {
            "reduce_percent": money_text(action.reduce_percent),
            "orders": str(self.orders),
            "refused": str(self.refused),
        }


def _reduce(action: ReachedThreshold, tenant_id: str, selection: Selection) -> _Reduced:
    """Tells all that was done for this action, whichever process did it."""
    assert action.reduce_percent is not None
    positions_close(
        tenant_id=tenant_id,
        selection=selection,
        cause=Intent.Cause.RISK,
        action_id=action.pk,
        part=action.reduce_percent / HUNDRED,
    )
    written = Intent.objects.for_tenant(tenant_id).filter(
        created_at__gte=action.reached_at, cause=Intent.Cause.RISK, cause_id=action.pk
    )
    refused = written.filter(status=Intent.Status.SKIPPED).count()
    return _Reduced(written.count() - refused, refused)


def _end_copies(action: ReachedThreshold, tenant_id: str, selection: Selection) -> int:
    """Their positions are closed by what ends every copy. What is the client's own stays. Returns
    how many ended by this action, whichever process saw to it."""
    copies = selection.narrow(Subscription.objects.for_tenant(tenant_id), strategy="strategy_id")
    with _to_the_end() as attempt:
        for copy in copies.exclude(status=Subscription.Status.STOPPED).order_by("pk"):
            with attempt(), suppress(SubscriptionRefusedError):  # stopped in the meantime
                subscription_end(
                    subscription=copy,
                    code=Subscription.EndCode.RISK,
                    params={"action": action.pk, "level": action.risk_level.value},
                )
    return copies.filter(end_code=Subscription.EndCode.RISK, end_params__action=action.pk).count()


@contextmanager
def _to_the_end() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """What fails for one does not keep the others from it; the first failure is raised after all
    were tried, so that the action is not done yet."""
    failures: list[Exception] = []

    @contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except Exception as failure:
            failures.append(failure)

    yield attempt
    if failures:
        raise failures[0]


# --- one of the platform -------------------------------------------------------------------------


def _platform_action_do(action: PlatformAction) -> None:
    """Its numbers are made of all firms: they stay on its own row, which superusers read. A firm
    hears only what was done to it."""
    with system_scope("risk: all firms"):
        tenant_ids = list(Tenant.objects.order_by("pk").values_list("pk", flat=True))
    act, outcome = RiskAct(action.action), dict[str, str]()
    match act:
        case RiskAct.STOP_ENTRIES:
            with system_scope("risk: the platform's kill switch"):
                control_set(
                    level=TradingControl.Level.PLATFORM,
                    mode=TradingControl.Mode.REDUCING,
                    reason=f"risk monitor: the platform's threshold of {action.measure}, "
                    f"action {action.pk}",
                    actor=None,
                    only_from_active=True,
                )
        case RiskAct.REDUCE:
            orders, refused = 0, 0
            with _to_the_end() as attempt:
                for tenant_id in tenant_ids:
                    with attempt():
                        with tenant_scope(tenant_id):
                            reduced = _reduce(action, tenant_id, Selection())
                        _tell_firm(action, tenant_id, reduced.outcome(action))
                        orders, refused = orders + reduced.orders, refused + reduced.refused
            outcome = _Reduced(orders, refused).outcome(action)
        case RiskAct.CLOSE:
            copies = 0
            with _to_the_end() as attempt:
                for tenant_id in tenant_ids:
                    with attempt():
                        with tenant_scope(tenant_id):
                            ended = _end_copies(action, tenant_id, Selection())
                        _tell_firm(action, tenant_id, {"copies": str(ended)})
                        copies += ended
            outcome = {"copies": str(copies)}
    if act is RiskAct.STOP_ENTRIES:
        for tenant_id in tenant_ids:
            _tell_firm(action, tenant_id, {})
    undone = PlatformAction.objects.filter(pk=action.pk, done_at=None)
    if undone.update(done_at=timezone.now(), outcome=outcome):
        logger.error(  # the platform has no staff to send messages to: its logs and console do
            "risk of the platform: %s %s of %s, %s %s",
            *(action.measure, action.value, action.limit, action.action, outcome),
        )


def _tell_firm(action: PlatformAction, tenant_id: str, outcome: dict[str, str]) -> None:
    params = {**outcome, "level": action.risk_level.value, "action": action.action}
    with tenant_scope(tenant_id):
        alert_raise(
            tenant_id=tenant_id,
            code=AlertCode.RISK_LEVEL,
            subject=alert_subject(action.pk),
            params=params,
        )
