"""Standard Webhooks signatures, checked on the raw bytes of a delivery.

The signed text is `<webhook-id>.<webhook-timestamp>.<body>`; `webhook-signature` holds one or
more `v1,<base64 of HMAC-SHA256>` separated by spaces, of which one must fit one live secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105  (the public marker in front of a secret)
MAX_SIGNATURES = 8

_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")


class DeliveryError(Exception):
    """The delivery is not authentic, or does not say what it must."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class DeliveryHeaders:
    """The three headers as sent; an absent one is empty."""

    delivery_id: str
    timestamp: str
    signatures: str


def check_headers(headers: DeliveryHeaders, now_seconds: float) -> None:
    """Form and time window of the headers. Raises DeliveryError."""
    for name, value in (
        ("webhook-id", headers.delivery_id),
        ("webhook-timestamp", headers.timestamp),
        ("webhook-signature", headers.signatures),
    ):
        if not value:
            raise DeliveryError("missing_header", f"The header {name} is missing.", status=400)
    if not _ID.fullmatch(headers.delivery_id):
        raise DeliveryError(
            "bad_header", "webhook-id must be 1 to 128 visible ASCII characters.", status=400
        )
    if not _TIMESTAMP.fullmatch(headers.timestamp):
        raise DeliveryError(
            "bad_header", "webhook-timestamp must be unix seconds, digits only.", status=400
        )
    if abs(now_seconds - int(headers.timestamp)) > TOLERANCE_SECONDS:
        raise DeliveryError(
            "timestamp_out_of_window",
            f"webhook-timestamp is more than {TOLERANCE_SECONDS} s from the server's time.",
            status=401,
        )


def check_signature(headers: DeliveryHeaders, body: bytes, secrets: Iterable[str]) -> None:
    """One of the signatures fits one of the live secrets. Raises DeliveryError."""
    signed = f"{headers.delivery_id}.{headers.timestamp}.".encode("ascii") + body
    offered = [
        signature
        for version, _, signature in (
            part.partition(",") for part in headers.signatures.split()[:MAX_SIGNATURES]
        )
        if version == "v1" and signature.isascii()
    ]
    for secret in secrets:
        digest = hmac.new(secret_key(secret), signed, hashlib.sha256).digest()
        expected = base64.b64encode(digest).decode()
        if any(hmac.compare_digest(expected, signature) for signature in offered):
            return
    raise DeliveryError(
        "wrong_signature", "No signature fits this source's secret and the body.", status=401
    )


def secret_key(secret: str) -> bytes:
    """The key bytes of `whsec_<base64>`. Raises ValueError, without the secret in its text."""
    try:
        encoded = secret.removeprefix(SECRET_PREFIX)
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("A webhook secret is whsec_ followed by base64.")
    return key
