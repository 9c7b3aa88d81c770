"""What was found on accounts, as rows by name, with the policy that applies to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from customers.domain.ids import new_id
from customers.models import ExchangeAccount
from customers.services.events import EventDraft, events_record, staff_audience
from trading.domain.reconciliation import FindingKind, Policy
from trading.models import Finding, ReconciliationPolicy
from trading.services.reconciliation.ledger import Key

ALWAYS_OPEN = frozenset(
    {
        FindingKind.LIQUIDATION,
        FindingKind.ADL,
        FindingKind.MISSING_FILL,
        FindingKind.UNKNOWN_ORDER,
        FindingKind.BALANCE_UNEXPLAINED,
    }
)
"""Staff are to see these whatever the policy."""


@dataclass(frozen=True, slots=True)
class Found:
    kind: FindingKind
    key: Key
    params: Mapping[str, str]
    subscription_id: str | None = None
    open_key: str | None = None
    """Of what lasts: one finding at a time."""


def findings_note(account: ExchangeAccount, found: Sequence[Found], now: datetime) -> list[Finding]:
    """One row each, in the caller's transaction; open unless the policy is to adopt it."""
    if not found:
        return []
    policies = policies_of(account.tenant_id, [item.subscription_id for item in found])
    rows = [_row(account, item, policies[item.subscription_id], now) for item in found]
    Finding.objects.bulk_create(rows, ignore_conflicts=True)
    events_record(
        EventDraft(
            account.tenant_id,
            staff_audience(account.tenant_id),
            "finding.made",
            {"finding": row.pk, "account": account.pk, "kind": row.kind, "symbol": row.symbol},
        )
        for row in rows
    )
    return rows


def _row(account: ExchangeAccount, item: Found, policy: Policy, now: datetime) -> Finding:
    adopted = policy is Policy.ADOPT and item.kind not in ALWAYS_OPEN
    return Finding(
        id=new_id(),
        tenant_id=account.tenant_id,
        account_id=account.pk,
        subscription_id=item.subscription_id,
        symbol=item.key[0],
        position_side=item.key[1],
        kind=item.kind,
        params=dict(item.params),
        open_key=None if adopted else item.open_key,
        policy=policy,
        state=Finding.State.RESOLVED if adopted else Finding.State.OPEN,
        outcome=Finding.Outcome.ADOPTED if adopted else "",
        first_seen_at=now,
        last_seen_at=now,
        resolved_at=now if adopted else None,
    )


def policies_of(tenant_id: str, subscription_ids: Sequence[str | None]) -> dict[str | None, Policy]:
    """By subscription, None for the account as a whole; the tenant's where there is no own one."""
    rows = dict(
        ReconciliationPolicy.objects.for_tenant(tenant_id)
        .filter(Q(subscription=None) | Q(subscription_id__in=[*filter(None, subscription_ids)]))
        .values_list("subscription_id", "policy")
    )
    fallback = Policy(rows.get(None, Policy.ADOPT))
    return {key: Policy(rows.get(key, fallback)) for key in {None, *subscription_ids}}
