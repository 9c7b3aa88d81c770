"""What a sender may do before anything is read: from where, and how often."""

from __future__ import annotations

import ipaddress
import threading
import time

from signals_app.domain.parsers.base import ConfigError
from signals_app.domain.parsers.registry import parsers
from signals_app.models import SignalSource

DELIVERIES_PER_MINUTE = 600
"""Of one source to one web process: more is a flood, which must not fill the disk."""

_minutes: dict[str, tuple[int, int]] = {}
_lock = threading.Lock()


def budget_take(source_id: str) -> bool:
    """Whether one more delivery of the source's own sender may be stored this minute."""
    minute = int(time.monotonic() // 60)
    with _lock:
        begun, taken = _minutes.get(source_id, (minute, 0))
        if begun != minute:
            taken = 0
        _minutes[source_id] = (minute, taken + 1)
    return taken < DELIVERIES_PER_MINUTE


def budgets_clear() -> None:
    with _lock:
        _minutes.clear()


def sender_allowed(source: SignalSource, ip_address: str | None) -> bool:
    """Whether the source takes deliveries from this address. Settings that cannot be used allow
    none but are no reason to lose what has the right token: reading it will say so."""
    parser = parsers().get(source.parser)
    if parser is None:
        return True
    try:
        config = parser.config(source.parser_config)
    except ConfigError:
        return True
    allowed = list(config["only_from"])
    if config.values.get("only_published_addresses"):
        allowed += parser.published_addresses
    if not allowed:
        return True
    if ip_address is None:
        return False
    address = ipaddress.ip_address(ip_address)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # a socket for both kinds shows an IPv4 sender like that
    return any(address in ipaddress.ip_network(network, strict=False) for network in allowed)
