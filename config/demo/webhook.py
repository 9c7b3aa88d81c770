"""Posting signed signals, as any sender outside would: Standard Webhooks over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


def post_signal(
    *, url: str, secret: str, message_id: str, signal: Mapping[str, str], timeout: float = 10
) -> Answer:
    """One delivery; a refusal is an Answer too. Raises OSError when nobody answers."""
    body = json.dumps(dict(signal))
    now = datetime.now(UTC)
    request = urllib.request.Request(  # noqa: S310  (the caller's own http URL)
        url,
        data=body.encode(),
        method="POST",
        headers={
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as refusal:
        return Answer(refusal.code, refusal.read().decode(errors="replace"))
