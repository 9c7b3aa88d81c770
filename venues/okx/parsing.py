"""OKX's refusals."""

from __future__ import annotations

from typing import Any

from venues.domain.okx_outcomes import (
    is_clock_code,
    is_credential_code,
    is_mode_refusal,
    is_rate_limit_code,
    printable,
)
from venues.domain.types import VenueError, VenueErrorKind


def venue_error(answer: Any, code: Any) -> VenueError:
    """What an answer without code 0 means for a request that places nothing."""
    message = ""
    if isinstance(answer, dict):
        told = answer.get("data")
        row = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
        code = row.get("sCode") or code
        message = printable(row.get("sMsg") or answer.get("msg"), 200)
    code = printable(code, 32)
    if is_credential_code(code):
        return VenueError(VenueErrorKind.CREDENTIALS, code, message)
    if is_mode_refusal(code, message):
        return VenueError(VenueErrorKind.MODE, code, message)
    if is_rate_limit_code(code):
        return VenueError(VenueErrorKind.RATE_LIMIT, code, message)
    if not code or code.startswith("500") or is_clock_code(code):
        return VenueError(VenueErrorKind.UNAVAILABLE, code, message)
    return VenueError(VenueErrorKind.REFUSED, code, message)
