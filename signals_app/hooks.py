"""POST /hooks/<source>/: signed signals from outside (docs/signals.md).

Nothing is read, stored or looked up that is not needed: one query finds the source, one short
transaction stores the signal, ahead of others who want to write. Redis is never asked
(customers.wakeup sends from a thread).
"""

from __future__ import annotations

import ipaddress
import logging
import time

from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from customers.tenancy import system_scope, tenant_scope
from customers.turns import ahead_of_others
from signals_app.domain.canonical import MAX_BODY_BYTES, canonical_from_json
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.exact_json import load_json
from signals_app.domain.intake_tokens import token_fits, tokens_in
from signals_app.domain.parsers.registry import TANDEM
from signals_app.domain.webhook_signature import (
    DeliveryError,
    DeliveryHeaders,
    check_headers,
    check_signature,
)
from signals_app.models import SignalSource
from signals_app.services.deliveries import MAX_DELIVERY_BYTES, Arrival, delivery_store
from signals_app.services.intake_limits import budget_take, sender_allowed
from signals_app.services.misbehaviour import source_check_problems
from signals_app.services.price_checks import signal_price_check
from signals_app.services.rejections import rejection_record
from signals_app.services.signals import SignalRefusedError, signal_accept

logger = logging.getLogger(__name__)


class _RefusedError(Exception):
    def __init__(
        self, status: int, code: str, message: str, field: str = "", *, counts: bool = False
    ) -> None:
        """`counts`: its sender was authentic, so it says something about the source."""
        super().__init__(message)
        self.counts = counts
        self.status = status
        self.code = code
        self.message = message
        self.field = field


@csrf_exempt
def webhook_receive(request: HttpRequest, source_id: str, token: str | None = None) -> JsonResponse:
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
        if source.parser == TANDEM:
            body = _body(request, MAX_BODY_BYTES)
            accepted_id = _accept(source, headers, body)
        else:
            body = _body(request, MAX_DELIVERY_BYTES)
            accepted_id = _store(source, headers, body, request, token)
    except _RefusedError as refusal:
        rejection_record(
            source=source,
            code=refusal.code,
            delivery_id=headers.delivery_id,
            ip_address=_ip_address(request),
            body=body,
            body_bytes=len(body) if body is not None else _declared_length(request),
        )
        if source is not None and refusal.counts:
            with tenant_scope(source.tenant_id):
                source_check_problems(source)
        return _error(refusal.status, refusal.code, refusal.message, refusal.field)
    return JsonResponse({"id": accepted_id}, status=202)


def _source(source_id: str) -> SignalSource | None:
    with system_scope("find the source of a webhook delivery"):
        found: SignalSource | None = (
            SignalSource.objects.select_related("tenant")
            .filter(pk=source_id, kind=SignalSource.Kind.WEBHOOK)
            .first()
        )
    return found


def _body(request: HttpRequest, limit: int) -> bytes:
    """The raw bytes; a body that is too large is not read (see config.body_limit for ASGI)."""
    if _declared_length(request) <= limit:
        try:
            body = request.read(limit + 1)
        except UnreadablePostError as error:
            raise _RefusedError(400, "unreadable_body", "The body broke off.") from error
        if len(body) <= limit:
            return body
    raise _RefusedError(413, "body_too_large", f"A signal has at most {limit} bytes.")


def _store(
    source: SignalSource,
    headers: DeliveryHeaders,
    body: bytes,
    request: HttpRequest,
    token: str | None,
) -> str:
    """A format of others: stored as it is once its sender is known, and read afterwards."""
    received_at = timezone.now()
    ip_address = _ip_address(request)
    delivery_id = ""
    if headers.signatures:
        try:
            check_headers(headers, time.time())
            check_signature(headers, body, _live_secrets(source))
        except DeliveryError as error:
            raise _RefusedError(error.status, error.code, error.message) from error
        delivery_id = headers.delivery_id
    else:
        _check_token(source, token, body)
    if not sender_allowed(source, ip_address):
        raise _RefusedError(403, "address_not_allowed", "This address may not send here.")
    # Last: a stranger who knows the address must not use up what the sender may send.
    if not budget_take(source.pk):
        raise _RefusedError(429, "too_many_deliveries", "Too many deliveries in a minute.")
    arrival = Arrival(
        body=body,
        content_type=request.headers.get("content-type", ""),
        ip_address=ip_address,
        received_at=received_at,
        delivery_id=delivery_id,
    )
    with ahead_of_others():
        return str(delivery_store(source=source, arrival=arrival).pk)


def _check_token(source: SignalSource, token: str | None, body: bytes) -> None:
    live = (source.token_hash, source.previous_token_hash)
    if not any(live):
        raise _RefusedError(401, "source_without_token", "This source has no token yet.")
    offered = [token] if token else []
    if not token_fits([*offered, *tokens_in(body)], live):
        raise _RefusedError(
            401, "wrong_token", "The source's token is neither in the address nor in the message."
        )


def _accept(source: SignalSource, headers: DeliveryHeaders, body: bytes) -> str:
    received_at = timezone.now()
    try:
        check_headers(headers, time.time())
        check_signature(headers, body, _live_secrets(source))
        canonical = canonical_from_json(load_json(body), received_at)
        signal_price_check(source, canonical)
        with ahead_of_others():
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
        raise _RefusedError(status, error.code, error.message, error.field, counts=True) from error
    except SignalRefusedError as error:
        raise _RefusedError(
            error.status, error.code, error.message, error.field, counts=True
        ) from error
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
