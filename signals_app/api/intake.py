"""POST /api/v1/signals/: a signal from a partner or from the operator's own program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from customers.api.errors import ApiError
from customers.api.idempotency import answer_once, idempotency_key
from customers.api.views import ScopedView
from customers.models import ApiKey
from customers.turns import ahead_of_others
from signals_app.domain.canonical import MAX_BODY_BYTES, canonical_from_json
from signals_app.domain.errors import FormatCode, SignalFormatError
from signals_app.domain.exact_json import load_json
from signals_app.models import SignalSource
from signals_app.services.price_checks import signal_price_check
from signals_app.services.signals import SignalRefusedError, signal_accept

_EXTERNAL_ID = re.compile(r"[\x21-\x7e]{1,128}")
_FIELDS = frozenset({"source", "signal", "external_id"})


class SignalIntake(ScopedView):
    """The create half of the signals viewset."""

    def create(self, request: Any) -> HttpResponse:
        key = idempotency_key(request)
        body = _raw_body(request._request)
        api_key = self.api_key
        with ahead_of_others():
            return answer_once(
                api_key=api_key,
                key=key,
                request=b"POST signals\n" + body,
                status=202,
                work=lambda: _accept(api_key, key, body),
            )


def _accept(api_key: ApiKey, key: str, body: bytes) -> dict[str, Any]:
    received_at = timezone.now()
    try:
        document = _envelope(load_json(body))
        source = _source(api_key, document["source"])
        try:
            canonical = canonical_from_json(document["signal"], received_at)
        except SignalFormatError as error:
            path = f"signal.{error.field}" if error.field else "signal"
            raise SignalFormatError(error.code, error.message, path) from error
        signal_price_check(source, canonical)
        signal, _ = signal_accept(
            source=source,
            canonical=canonical,
            external_id=document.get("external_id", f"{api_key.pk}:{key}"),
            raw_payload=body.decode("utf-8"),
            received_at=received_at,
        )
    except SignalFormatError as error:
        status = 400 if error.code is FormatCode.INVALID_JSON else 422
        raise ApiError(status, error.code, error.message, error.field) from error
    except SignalRefusedError as error:
        raise ApiError(error.status, error.code, error.message, error.field) from error
    return {"id": signal.pk}


def _envelope(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise SignalFormatError(FormatCode.NOT_AN_OBJECT, "The body is a JSON object.")
    for name in document:
        if name not in _FIELDS:
            raise SignalFormatError(
                FormatCode.UNKNOWN_FIELD, f"There is no field {name[:40]!r}.", name[:40]
            )
    for name in ("source", "signal"):
        if name not in document:
            raise SignalFormatError(FormatCode.MISSING_FIELD, f"{name} is missing.", name)
    for name in ("source", "external_id"):
        if name in document and not isinstance(document[name], str):
            raise SignalFormatError(FormatCode.WRONG_TYPE, f"{name} must be a string.", name)
    if "external_id" in document and not _EXTERNAL_ID.fullmatch(document["external_id"]):
        raise SignalFormatError(
            FormatCode.OUT_OF_RANGE,
            "external_id has 1 to 128 visible ASCII characters.",
            "external_id",
        )
    return document


def _source(api_key: ApiKey, source_id: str) -> SignalSource:
    """A source of the key's tenant that it may write to; any other one does not exist for it."""
    allowed = Q(kind=SignalSource.Kind.PARTNER, partner_id=api_key.partner_id)
    if api_key.partner_id is None:
        allowed = Q(kind__in=[SignalSource.Kind.PARTNER, SignalSource.Kind.MANUAL])
    source: SignalSource | None = None
    if source_id.isascii():
        source = (
            SignalSource.objects.for_tenant(api_key.tenant_id)
            .select_related("tenant")
            .filter(allowed, pk=source_id)
            .first()
        )
    if source is None:
        raise ApiError(404, "unknown_source", "This key has no such source.", "source")
    return source


def _raw_body(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if len(length) < 10 and length.isdigit() and int(length) <= MAX_BODY_BYTES:
        body = request.read(MAX_BODY_BYTES + 1)
        if len(body) <= MAX_BODY_BYTES:
            return body
    raise ApiError(413, "body_too_large", f"A signal has at most {MAX_BODY_BYTES} bytes.")
