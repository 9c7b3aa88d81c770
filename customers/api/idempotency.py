"""The Idempotency-Key header: needed where a request makes something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from customers.api.errors import ApiError
from customers.deadlocks import retry_on_deadlock
from customers.models import ApiKey
from customers.services.idempotency import (
    IdempotencyInFlightError,
    IdempotencyMismatchError,
    StoredAnswer,
    idempotency_claim,
    idempotency_release,
    idempotency_store,
)

MAX_KEY_LENGTH = 100
_KEY = re.compile(r"[\x21-\x7e]{1,100}")


def idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise ApiError(
            400, "idempotency_key_missing", "Send an Idempotency-Key, new for each new request."
        )
    if not _KEY.fullmatch(key):
        raise ApiError(
            400,
            "idempotency_key_invalid",
            f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} visible ASCII characters.",
        )
    return key


def answer_once(
    *,
    api_key: ApiKey,
    key: str,
    request: bytes,
    status: int,
    work: Callable[[], dict[str, Any]],
    before: Callable[[], object] | None = None,
) -> HttpResponse:
    """Do `work` once for the key and answer its JSON; afterwards the same bytes again.

    `request` is what must be the same: the route and the raw body. `before` is what `work` needs
    that may ask a network: it runs outside the transaction, and not for an answer that is stored.
    An error that either raises is not kept, so a corrected request may use the key again.
    """
    try:
        claim = idempotency_claim(api_key=api_key, key=key, request=request)
    except IdempotencyInFlightError as error:
        raise ApiError(
            409, "idempotency_in_flight", "A request with this Idempotency-Key is under way."
        ) from error
    except IdempotencyMismatchError as error:
        raise ApiError(
            422, "idempotency_key_reused", "This Idempotency-Key was used for another request."
        ) from error
    if isinstance(claim, StoredAnswer):
        replay = _json(claim.body, claim.status)
        replay["Idempotent-Replayed"] = "true"
        return replay

    @transaction.atomic
    def work_and_store() -> str:
        body = JSONRenderer().render(work()).decode()
        idempotency_store(claim=claim, status=status, body=body)
        return body

    try:
        if before is not None:
            before()
        body = retry_on_deadlock(work_and_store)
    except BaseException:
        idempotency_release(claim=claim)
        raise
    return _json(body, status)


def _json(body: str, status: int) -> HttpResponse:
    return HttpResponse(body.encode(), status=status, content_type="application/json")
