"""What staff decide about a finding: adopt it, dismiss it, or exit what nobody copied."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.models import ExchangeAccount, User
from customers.services.audit import audit_record
from trading.domain.order_states import LIVE_STATES
from trading.domain.reconciliation import FindingKind, Policy
from trading.models import Finding, Order, Position, UnattributedPosition
from trading.services.instruments import instrument_of_order
from trading.services.repair import repair_exit_write
from venues.domain.types import Instrument

_BY_POLICY = (FindingKind.MANUAL_OPEN, FindingKind.MANUAL_INCREASE)
EXITS_REPAIR = frozenset({*_BY_POLICY, FindingKind.HELD_BEFORE, FindingKind.MISSING_FILL})
"""What leaves a position that no copy accounts for."""


class FindingDecisionError(ValueError):
    """Why this cannot be done, as one of the codes below."""

    CLOSED = "closed"
    NOTHING_TO_EXIT = "nothing_to_exit"
    NOT_REPAIRABLE = "not_repairable"
    UNDER_WAY = "under_way"
    UNKNOWN_SYMBOL = "unknown_symbol"


def finding_settle(
    *,
    tenant_id: str,
    finding_id: str,
    outcome: Finding.Outcome,
    actor: User | None,
    note: str,
    ip_address: str | None = None,
) -> Finding:
    """Close an open finding, adopted or dismissed; the books followed already. Audited.

    Raises FindingDecisionError when it is closed.
    """
    with transaction.atomic():
        finding = _open(tenant_id, finding_id)
        return _close(finding, outcome, actor, note, ip_address)


def finding_repair(
    *, tenant_id: str, finding_id: str, actor: User | None, note: str, ip_address: str | None = None
) -> Order:
    """Exit what no copy accounts for in the finding's symbol by a reduce-only market order.

    Never more than the unattributed part, never an entry. Raises FindingDecisionError when there
    is nothing to exit, when an exit of it is under way, when the finding is closed, or of another
    kind.
    """
    known = Finding.objects.for_tenant(tenant_id).select_related("account").get(pk=finding_id)
    if known.kind not in EXITS_REPAIR:
        raise FindingDecisionError(FindingDecisionError.NOT_REPAIRABLE)
    instrument = instrument_of_order(known.account.venue, known.symbol)
    if instrument is None:
        raise FindingDecisionError(FindingDecisionError.UNKNOWN_SYMBOL)
    with transaction.atomic():
        finding = _open(tenant_id, finding_id)
        order = _exit(known.account, finding, instrument)
        _close(finding, Finding.Outcome.REPAIRED, actor, note, ip_address)
    return order


def findings_repair_by_policy(*, account: ExchangeAccount) -> list[Order]:
    """Where the policy is to repair, exit what the client opened by hand, as `finding_repair`."""
    rows = Finding.objects.for_tenant(account.tenant_id).filter(
        account_id=account.pk,
        state=Finding.State.OPEN,
        policy=Policy.REPAIR,
        kind__in=_BY_POLICY,
    )
    orders = []
    for pk in rows.order_by("pk").values_list("pk", flat=True):
        try:
            orders.append(
                finding_repair(tenant_id=account.tenant_id, finding_id=pk, actor=None, note="")
            )
        except FindingDecisionError as refused:
            if str(refused) != FindingDecisionError.NOTHING_TO_EXIT:
                continue
            finding_settle(
                tenant_id=account.tenant_id,
                finding_id=pk,
                outcome=Finding.Outcome.PASSED,
                actor=None,
                note="",
            )
    return orders


def finding_cancel_order(
    *, tenant_id: str, finding_id: str, actor: User | None, note: str, ip_address: str | None = None
) -> Finding:
    """Have an order that we did not place cancelled, as the policy to repair would: by the next
    look at the account's open orders, never while it may be ours. Audited.

    Raises FindingDecisionError when the finding is closed, or of another kind.
    """
    with transaction.atomic():
        finding = _open(tenant_id, finding_id)
        if finding.kind != FindingKind.UNKNOWN_ORDER:
            raise FindingDecisionError(FindingDecisionError.NOT_REPAIRABLE)
        finding.policy, finding.note = Policy.REPAIR, note[:300]
        finding.save(update_fields=["policy", "note"])
        audit_record(
            action="finding.cancel_ordered",
            actor=actor,
            tenant_id=tenant_id,
            target=str(finding.pk),
            details={"reason": note, "kind": finding.kind, "account": finding.account_id},
            ip_address=ip_address,
        )
    return finding


def _open(tenant_id: str, finding_id: str) -> Finding:
    finding = Finding.objects.for_tenant(tenant_id).select_for_update().get(pk=finding_id)
    if finding.state != Finding.State.OPEN:
        raise FindingDecisionError(FindingDecisionError.CLOSED)
    return finding


def _close(
    finding: Finding, outcome: str, actor: User | None, note: str, ip_address: str | None
) -> Finding:
    finding.state, finding.outcome = Finding.State.RESOLVED, outcome
    finding.note, finding.open_key = note[:300], None
    finding.resolved_at = timezone.now()
    finding.save(update_fields=["state", "outcome", "note", "open_key", "resolved_at"])
    audit_record(
        action=f"finding.{outcome}",
        actor=actor,
        tenant_id=finding.tenant_id,
        target=str(finding.pk),
        details={"reason": note, "kind": finding.kind, "account": finding.account_id},
        ip_address=ip_address,
    )
    return finding


def _margin_mode(account: ExchangeAccount, finding: Finding) -> str:
    """In which the exchange shows the position: an exit in another one finds nothing to close."""
    shown = Position.objects.for_tenant(finding.tenant_id).filter(
        account_id=account.pk, symbol=finding.symbol, position_side=finding.position_side
    )
    return shown.values_list("margin_mode", flat=True).first() or account.margin_mode


def _exit(account: ExchangeAccount, finding: Finding, instrument: Instrument) -> Order:
    row = (
        UnattributedPosition.objects.for_tenant(finding.tenant_id)
        .select_for_update()
        .filter(account_id=account.pk, symbol=finding.symbol, position_side=finding.position_side)
        .first()
    )
    held = Decimal(0) if row is None else row.quantity
    # Of what the client opened; what he held before he is left with.
    opened = Decimal(finding.params.get("opened") or abs(held))
    quantity = instrument.quantity_down(min(abs(held), opened))
    if quantity < instrument.min_size:
        raise FindingDecisionError(FindingDecisionError.NOTHING_TO_EXIT)
    of_account = Order.objects.for_tenant(finding.tenant_id).filter(
        account_id=account.pk,
        symbol=finding.symbol,
        position_side=finding.position_side,
        subscription_id="",
        state__in=[str(state) for state in LIVE_STATES],
    )
    if of_account.exists():
        raise FindingDecisionError(FindingDecisionError.UNDER_WAY)
    return repair_exit_write(
        key=f"repair:{finding.pk}",
        cause_id=finding.pk,
        order=Order(
            tenant_id=finding.tenant_id,
            account_id=account.pk,
            customer_id=account.customer_id,
            symbol=finding.symbol,
            side="sell" if held > 0 else "buy",
            position_side=finding.position_side,
            reduce_only=True,
            quantity=quantity,
            margin_mode=_margin_mode(account, finding),
        ),
        details={"finding": finding.pk},
        now=timezone.now(),
    )
