"""How an exchange account is being watched, on its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from customers.admin_pages import Panel, register_panel
from customers.models import ExchangeAccount
from customers.selectors.streams import stream_views
from trading.services.streams.kind import ACCOUNT_KIND


def _stream_panel(request: HttpRequest, account: ExchangeAccount) -> dict[str, Any]:
    return {"stream": stream_views(account.tenant_id, ACCOUNT_KIND, [account.pk])[account.pk]}


register_panel(ExchangeAccount, Panel("admin/console/panel_stream.html", _stream_panel))
