"""POST /hooks/<source>/: signed signals from outside (docs/signals.md).

Nothing is read, stored or looked up that is not needed: one query finds the source, one short
transaction stores the signal. Redis is never asked (customers.wakeup sends from a thread).
"""

from __future__ import annotations

import ipaddress
import logging
import time

from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from customers.tenancy import system_scope
from signals_app.domain.canonical import MAX_BODY_BYTES, canonical_from_json
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.exact_json import load_json
from signals_app.domain.webhook_signature import (
    DeliveryError,
    DeliveryHeaders,
    check_headers,
    check_signature,
)
from signals_app.models import SignalSource
from signals_app.services.rejections import rejection_record
from signals_app.services.signals import SignalRefusedError, signal_accept

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


@csrf_exempt
def webhook_receive(request: HttpRequest, source_id: str) -> JsonResponse:
    if request.method != "POST":
        response = _error(405, "method_not_allowed", "Deliver signals with POST.")
        response["Allow"] = "POST"
        return response
    headers = DeliveryHeaders(
        delivery_id=request.headers.get("webhook-id", ""),
        timestamp=request.headers.get("webhook-timestamp", ""),
        signatures=request.headers.get("webhook-signature", ""),
    )
    source = _source(source_id)
    body: bytes | None = None
    try:
        if source is None:
            raise _RefusedError(404, "unknown_source", "No webhook source has this address.")
        body = _body(request)
        signal_id = _accept(source, headers, body)
    except _RefusedError as refusal:
        rejection_record(
            source=source,
            code=refusal.code,
            delivery_id=headers.delivery_id,
            ip_address=_ip_address(request),
            body=body,
            body_bytes=len(body) if body is not None else _declared_length(request),
        )
        return _error(refusal.status, refusal.code, refusal.message, refusal.field)
    return JsonResponse({"id": signal_id}, status=202)


def _source(source_id: str) -> SignalSource | None:
    with system_scope("find the source of a webhook delivery"):
        found: SignalSource | None = (
            SignalSource.objects.select_related("tenant")
            .filter(pk=source_id, kind=SignalSource.Kind.WEBHOOK)
            .first()
        )
    return found


def _body(request: HttpRequest) -> bytes:
    """The raw bytes; a body that is too large is not read (see config.body_limit for ASGI)."""
    if _declared_length(request) <= MAX_BODY_BYTES:
        try:
            body = request.read(MAX_BODY_BYTES + 1)
        except UnreadablePostError as error:
            raise _RefusedError(400, "unreadable_body", "The body broke off.") from error
        if len(body) <= MAX_BODY_BYTES:
            return body
    raise _RefusedError(413, "body_too_large", f"A signal has at most {MAX_BODY_BYTES} bytes.")


def _accept(source: SignalSource, headers: DeliveryHeaders, body: bytes) -> str:
    received_at = timezone.now()
    try:
        check_headers(headers, time.time())
        check_signature(headers, body, _live_secrets(source))
        canonical = canonical_from_json(load_json(body), received_at)
        signal, _ = signal_accept(
            source=source,
            canonical=canonical,
            external_id=headers.delivery_id,
            raw_payload=body.decode("utf-8"),
            received_at=received_at,
        )
    except DeliveryError as error:
        raise _RefusedError(error.status, error.code, error.message) from error
    except SignalFormatError as error:
        status = 400 if error.code is FormatCode.INVALID_JSON else 422
        raise _RefusedError(status, error.code, error.message, error.field) from error
    except SignalRefusedError as error:
        raise _RefusedError(error.status, error.code, error.message, error.field) from error
    return str(signal.pk)


def _live_secrets(source: SignalSource) -> list[str]:
    """Opened anew for each delivery: 12 µs, so nothing has to stay open in memory."""
    secrets = [source.reveal(name) for name in ("secret", "previous_secret")]
    live = [secret for secret in secrets if secret]
    if not live:
        raise _RefusedError(401, "source_without_secret", "This source has no secret yet.")
    return live


def _declared_length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length[:18]) if length.isascii() and length.isdigit() else 0


def _ip_address(request: HttpRequest) -> str | None:
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:  # a unix socket has no address
        return None


def _error(status: int, code: str, message: str, field: str = "") -> JsonResponse:
    error = {"code": str(code), "message": message}
    if field:
        error["field"] = field
    return JsonResponse({"error": error}, status=status)
