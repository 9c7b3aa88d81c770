"""Opening stored keys, only where a request is about to be signed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from customers.fields import SealedSecret, SecretError, secret_binding
from customers.models import Credential
from trading.domain.key_rules import can_move_money
from trading.domain.reasons import Reason, ReasonCode
from trading.services.account_health import account_key_failed
from trading.services.outgoing import OutgoingOrder
from venues.domain.types import Credentials

logger = logging.getLogger(__name__)

Status = Credential.Status


@dataclass(frozen=True, slots=True)
class Key:
    """One stored key. `opened` is the reason when it does not open, or was refused."""

    row: Credential
    opened: Credentials | Reason


@dataclass(slots=True)
class AccountKeys:
    """What an account has, for the checks. Nothing but its own check is signed with `new`."""

    active: Key | None = None
    new: Key | None = None
    refused: Key | None = None


def credentials_of_accounts(
    *, tenant_id: str, account_ids: Sequence[str]
) -> dict[str, Credentials | Reason]:
    """Keys in use by account id, in one query. One that does not open is its own account's
    reason only; an account without a checked key is missing."""
    return {account_id: opened for account_id, opened, _ in _in_use(tenant_id, account_ids)}


def credentials_for_orders(
    *, tenant_id: str, orders: Sequence[OutgoingOrder]
) -> dict[str, Credentials | Reason]:
    """What each order is signed with, or why it is not, by order id.

    One query. An account without a key that can be used is marked, so that its exits wait for one.
    """
    account_ids = {order.account_id for order in orders}
    keys: dict[str, Credentials | Reason] = dict.fromkeys(
        account_ids, Reason(ReasonCode.KEY_MISSING)
    )
    exits_only = set()
    for account_id, opened, permissions in _in_use(tenant_id, account_ids):
        keys[account_id] = opened
        if can_move_money(frozenset(permissions)):
            exits_only.add(account_id)
    for account_id, opened in keys.items():
        if isinstance(opened, Reason):
            account_key_failed(tenant_id=tenant_id, account_id=account_id, reason=opened)
    return {
        order.id: (
            Reason(ReasonCode.KEY_GAINED_WITHDRAWAL)
            if order.is_entry and order.account_id in exits_only
            else keys[order.account_id]
        )
        for order in orders
    }


def keys_of_accounts(*, tenant_id: str, account_ids: Sequence[str]) -> dict[str, AccountKeys]:
    """All that is stored for these accounts, for checking it. One query."""
    found = {account_id: AccountKeys() for account_id in account_ids}
    rows = Credential.objects.for_tenant(tenant_id)
    for row in rows.filter(account_id__id_in=set(account_ids)):
        keys = found[row.account_id]
        if row.status == Status.REFUSED:
            keys.refused = Key(row, Reason(ReasonCode(row.problem_code), row.problem_params))
            continue
        key = Key(row, _open(row.pk, [getattr(row, name) for name in Credential.SECRETS]))
        if row.status == Status.ACTIVE:
            keys.active = key
        else:
            keys.new = key
    return found


def _in_use(
    tenant_id: str, account_ids: Iterable[str]
) -> Iterator[tuple[str, Credentials | Reason, list[str]]]:
    """(account, its opened key, what the venue allows it)."""
    rows = (
        Credential.objects.for_tenant(tenant_id)
        .filter(account_id__id_in=set(account_ids), status=Status.ACTIVE)
        .values_list("pk", "account_id", "permissions", *Credential.SECRETS)
    )
    for pk, account_id, permissions, *sealed in rows:
        yield account_id, _open(pk, sealed), permissions


def _open(pk: str, sealed: Sequence[SealedSecret | str]) -> Credentials | Reason:
    label = Credential._meta.label_lower
    try:
        return Credentials(
            *(
                secret.open(secret_binding(label, pk, name)) if secret else ""  # type: ignore[union-attr]
                for name, secret in zip(Credential.SECRETS, sealed, strict=True)
            )
        )
    except SecretError as error:
        logger.error("credential %s: %s", pk, error)
        return Reason(ReasonCode.KEY_UNREADABLE)
