"""One error shape for the API: {"error": {"code", "message", "fields"?}}."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    detail = response.data
    if isinstance(detail, dict) and set(detail) == {"detail"}:
        error = {
            "code": getattr(detail["detail"], "code", "error"),
            "message": str(detail["detail"]),
        }
    else:
        error = {"code": "invalid", "message": "The request is not valid.", "fields": detail}
    response.data = {"error": error}
    return response
