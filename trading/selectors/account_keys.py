"""What may be shown of accounts' API keys: what they may do and what is wrong, never the keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from customers.models import Credential
from trading.reason_texts import reason_text

Status = Credential.Status

_SHOWN = (
    "account_id", "tenant_id", "status", "permissions", "ip_restricted", "checked_at",
    "created_at", "api_key_fingerprint", "problem_code", "problem_params",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyNote:
    """Something that the client and the operator should know. `tone`: danger, warning or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One stored key in words."""

    credential: Credential
    problem: str


def stored_keys(*, tenant_id: str, account_ids: Iterable[str]) -> dict[str, list[StoredKey]]:
    """By account, the key in use first. One query; no secret is read."""
    found: dict[str, list[StoredKey]] = defaultdict(list)
    rows = Credential.objects.for_tenant(tenant_id).filter(account_id__in=list(account_ids))
    for row in rows.only(*_SHOWN):
        text = reason_text(row.problem_code, row.problem_params)
        found[row.account_id].append(StoredKey(row, text))
    order = [Status.ACTIVE, Status.UNCHECKED, Status.REFUSED]
    for keys in found.values():
        keys.sort(key=lambda key: order.index(Status(key.credential.status)))
    return found


def key_notes(keys: Iterable[StoredKey]) -> list[KeyNote]:
    """What the account's health does not tell already: that is about the key in use, or, without
    one, about the new or the refused one."""
    by_status = {key.credential.status: key for key in keys}
    notes = []
    active = by_status.get(Status.ACTIVE)
    if active is not None:
        new, refused = by_status.get(Status.UNCHECKED), by_status.get(Status.REFUSED)
        if refused is not None:
            text = _("The new API key is not used: %(reason)s The one before it stays in use.")
            notes.append(KeyNote(text % {"reason": refused.problem}, "danger"))
        if new is not None and new.problem:
            text = _("The new API key is not used yet: %(reason)s The one before it stays in use.")
            notes.append(KeyNote(text % {"reason": new.problem}, "danger"))
        elif new is not None:
            text = _("A new API key is being checked. Until then the old one is used.")
            notes.append(KeyNote(text))
        if active.credential.ip_restricted is False:
            notes.append(
                KeyNote(
                    _(
                        "The API key works from any address. At the exchange, restrict it to the "
                        "addresses of your provider: then nobody else could use it if it leaked."
                    ),
                    "warning",
                )
            )
    return notes
