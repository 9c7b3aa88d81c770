"""The keys of an exchange account on its page: what they may do and what is wrong with them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from customers.admin_pages import Panel, register_panel
from customers.models import ExchangeAccount
from trading.selectors.account_keys import key_notes, stored_keys


def _keys_panel(request: HttpRequest, account: ExchangeAccount) -> dict[str, Any]:
    """Never the keys. No query joins them (DESIGN §7)."""
    keys = stored_keys(tenant_id=account.tenant_id, account_ids=[account.pk])[account.pk]
    return {"keys": keys, "notes": key_notes(keys)}


register_panel(ExchangeAccount, Panel("admin/console/panel_keys.html", _keys_panel))
