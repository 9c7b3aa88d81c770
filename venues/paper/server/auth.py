"""Who is asking: OKX's request signature and WebSocket login, checked on the raw bytes.

Nothing is parsed and serialised again before the check: clients differ in how they escape
commas and space their JSON, and the signature covers exactly what they sent.
"""

from __future__ import annotations

import hmac
import re
from binascii import b2a_base64
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from venues.paper.server.codes import RefusedError

MAX_SKEW_MS = 30_000
LOGIN_TARGET = b"GET/users/self/verify"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

AccountByKey = Callable[[str], Any]
KeyByName = Callable[[str], Any]


def sign(secret: bytes, message: bytes) -> bytes:
    return b2a_base64(hmac.digest(secret, message, "sha256"), newline=False)


@lru_cache(maxsize=65536)
def _secret_bytes(secret: str) -> bytes:
    return secret.encode()


@lru_cache(maxsize=4096)
def ip_allowed(address: str, allowed: tuple[str, ...]) -> bool:
    """An empty list allows every address, as an OKX key without an IP binding does."""
    if not allowed:
        return True
    try:
        peer = ip_address(address)
        return any(peer in ip_network(entry.strip(), strict=False) for entry in allowed)
    except ValueError:
        return False


def _parse_timestamp(text: str) -> int | None:
    if len(text) < 20 or text[-1] != "Z" or text[10] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp() * 1000)


def unknown_key(key: str) -> RefusedError:
    """OKX tells a malformed key (50111) from a well-formed one that does not exist (50119)."""
    return RefusedError("50119" if _UUID.fullmatch(key) else "50111")


def check_environment(account: Any, demo: bool) -> None:
    simulated = getattr(account, "simulated", None)
    if simulated is not None and bool(simulated) != demo:
        raise RefusedError("50101")


def check_ip(account: Any, ip: str) -> None:
    ips = account.ips
    if ips and not ip_allowed(ip, tuple(ips)):
        raise RefusedError("50110", ip=ip, key=account.api_key)


def authenticate(
    headers: dict[bytes, bytes],
    method: bytes,
    target: bytes,
    body: bytes,
    *,
    ip: str,
    now_ms: int,
    key_by_name: KeyByName,
) -> Any:
    """The key behind a signed request; raises RefusedError with OKX's code and HTTP status."""
    get = headers.get
    key = get(b"ok-access-key")
    if not key:
        raise RefusedError("50103")
    passphrase = get(b"ok-access-passphrase")
    if not passphrase:
        raise RefusedError("50104")
    signature = get(b"ok-access-sign")
    if not signature:
        raise RefusedError("50106")
    timestamp = get(b"ok-access-timestamp")
    if not timestamp:
        raise RefusedError("50107")
    sent_ms = _parse_timestamp(timestamp.decode("latin-1"))
    if sent_ms is None:
        raise RefusedError("50112")
    if abs(now_ms - sent_ms) > MAX_SKEW_MS:
        raise RefusedError("50102")
    api_key = key.decode("latin-1")
    signer = key_by_name(api_key)
    if signer is None:
        raise unknown_key(api_key)
    if signer.simulated is not None:
        check_environment(signer, get(b"x-simulated-trading") == b"1")
    if signer.ips:
        check_ip(signer, ip)
    expected = sign(_secret_bytes(signer.secret_key), timestamp + method + target + body)
    if not hmac.compare_digest(expected, signature):
        raise RefusedError("50113")
    if not hmac.compare_digest(_secret_bytes(signer.passphrase), passphrase):
        raise RefusedError("50105")
    return signer


def login(arg: Any, *, ip: str, now_ms: int, demo: bool, account_by_key: AccountByKey) -> Any:
    """The account behind one WebSocket login argument; raises RefusedError with a 600xx code."""
    if not isinstance(arg, dict):
        raise RefusedError("60013")
    key = arg.get("apiKey")
    signature = arg.get("sign")
    passphrase = arg.get("passphrase")
    # One SDK sends the timestamp as a JSON integer, the others as text.
    timestamp = arg.get("timestamp")
    if not key:
        raise RefusedError("60001")
    if not signature:
        raise RefusedError("60002")
    if not passphrase:
        raise RefusedError("60003")
    if isinstance(timestamp, bool) or not isinstance(timestamp, (str, int, float)):
        raise RefusedError("60004")
    text = str(timestamp)
    try:
        sent_ms = int(float(text) * 1000)
    except (ValueError, OverflowError):
        raise RefusedError("60004") from None
    if abs(now_ms - sent_ms) > MAX_SKEW_MS:
        raise RefusedError("60006")
    account = account_by_key(str(key))
    if account is None:
        raise RefusedError("60032" if _UUID.fullmatch(str(key)) else "60005")
    simulated = account.simulated
    if simulated is not None and bool(simulated) != demo:
        raise RefusedError("50101")
    if account.ips and not ip_allowed(ip, tuple(account.ips)):
        raise RefusedError("50110", ip=ip, key=account.api_key)
    expected = sign(_secret_bytes(account.secret_key), text.encode() + LOGIN_TARGET)
    if not hmac.compare_digest(expected, str(signature).encode()):
        raise RefusedError("60007")
    if str(passphrase) != account.passphrase:
        raise RefusedError("60024")
    return account
