"""One error shape for the API: {"error": {"code", "message", "field"?, "fields"?}}.

`field` names the one field that is wrong; `fields` maps names to messages when a serializer or a
filter complains about several.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404
from rest_framework import status as http
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

logger = logging.getLogger(__name__)


class ApiError(APIException):
    """An answer with its own code; see docs/api.md for all of them."""

    def __init__(self, status: int, code: str, message: str, field: str = "") -> None:
        super().__init__(detail=message, code=code)
        self.status_code = status
        self.field = field


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    if isinstance(exc, SuspiciousOperation):
        exc = ApiError(http.HTTP_400_BAD_REQUEST, "bad_request", "The request is not valid.")
    response = drf_exception_handler(exc, context)
    if response is None:
        return _unexpected(exc, context)
    response.data = {"error": _error(exc, response.data)}
    return response


def _error(exc: Exception, detail: Any) -> dict[str, Any]:
    if isinstance(exc, ValidationError):
        return {"code": "invalid", "message": "The request is not valid.", "fields": detail}
    if isinstance(exc, Http404):
        return {"code": "not_found", "message": "There is nothing here by this address."}
    if isinstance(exc, PermissionDenied):
        return {"code": "permission_denied", "message": "The API key may not do this."}
    text = detail["detail"]
    error = {"code": getattr(text, "code", "error"), "message": str(text)}
    if isinstance(exc, ApiError) and exc.field:
        error["field"] = exc.field
    return error


def _unexpected(exc: Exception, context: dict[str, Any]) -> Response:
    """A fault of ours: reported like any other in Django, answered in the API's shape."""
    set_rollback()
    request = context.get("request")
    logger.error("unexpected error in the API", exc_info=exc)
    got_request_exception.send(sender=None, request=getattr(request, "_request", request))
    return Response(
        {"error": {"code": "server_error", "message": "Something went wrong on our side."}},
        status=http.HTTP_500_INTERNAL_SERVER_ERROR,
    )
