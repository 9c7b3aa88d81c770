"""What an OKX answer to a placement proves. Pure; the table comes from OKX's documentation.

Rule: accepted only with sCode 0 and a non-empty order id; rejected only by a code on the
definite list; everything else, however it looks, is unknown and must be looked up. So is an
answer that contradicts itself.
"""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from venues.domain.types import Placement, PlacementResult, RejectKind

# The request never became an order.
_CREDENTIAL_CODES = frozenset(
    "50100 50101 50103 50104 50105 50106 50107 50108 50109 50110 50111 50113 50114"
    " 50119 50120 50121".split()
)
_CLOCK_CODES = frozenset(["50102", "50112"])
SUB_ACCOUNT_LIMIT_CODE = "50061"
_RATE_LIMIT_CODES = frozenset(["50011", SUB_ACCOUNT_LIMIT_CODE])
INSTRUMENT_UNKNOWN_CODE = "51001"
_LATE_CODES = frozenset(["50036", "50037"])
_ORDER_CODES = frozenset(
    "50002 50006 50014 50015 50024"  # malformed request
    " 51000 51003 51005 51006 51020 51100 51121 51137 51138 51201 51202 51203".split()
)
# Not on any list; to be listed, suspended, expired; being delivered, settled, its funding settled.
_CLOSED_CODES = frozenset(f"{INSTRUMENT_UNKNOWN_CODE} 51021 51022 51027 51028 51029 51030".split())
CLOSED_RETRY_MS = 30_000
_ACCOUNT_CODES = frozenset(
    "51008 51127 51131"  # funds
    " 51004 51174".split()  # its tier, orders on its book
)
_ACCOUNT_MODE_CODE = "51010"
_PARAMETER_CODE = "51000"
# Nothing to reduce, or less than the order would close (the latter in hedge mode).
_POSITION_CODES = frozenset("51112 51169 51170 51205".split())
# The trigger of a take profit or stop loss is on the wrong side of the price.
_PASSED_CODES = frozenset("51277 51278 51279 51280".split())
_MARGIN_CODES = "593"
# A live order already carries this client id: ours, from an earlier delivery. Look it up.
DUPLICATE_CODES = frozenset(["50071", "51016"])


def is_mode_refusal(code: str, message: str) -> bool:
    """For the account mode, or for a side that the position mode does not have: of the latter,
    the code is that of any parameter, and the words name it."""
    return code == _ACCOUNT_MODE_CODE or (code == _PARAMETER_CODE and "posSide" in message)


def _definite(code: str, message: str) -> RejectKind | None:
    if is_mode_refusal(code, message):
        return RejectKind.MODE
    if code in _ORDER_CODES:
        return RejectKind.ORDER
    if code in _ACCOUNT_CODES:
        return RejectKind.ACCOUNT
    if code in _POSITION_CODES:
        return RejectKind.POSITION
    if code in _CLOSED_CODES:
        return RejectKind.CLOSED
    if code in _CREDENTIAL_CODES:
        return RejectKind.CREDENTIALS
    if code in _CLOCK_CODES:
        return RejectKind.CLOCK
    if code in _RATE_LIMIT_CODES:
        return RejectKind.RATE_LIMIT
    if code in _LATE_CODES:
        return RejectKind.LATE
    if code in _PASSED_CODES:
        return RejectKind.PASSED
    return None


def _unknown(code: str, message: str) -> Placement:
    return Placement(PlacementResult.UNKNOWN, code=printable(code, 32), message=message)


def printable(value: object, length: int) -> str:
    """Text as a database takes it: a lone surrogate, which JSON can spell, becomes `?`."""
    if not isinstance(value, str):
        return ""
    return value[:length].encode("utf-8", "replace").decode()


def _is_order_id(value: object) -> TypeGuard[str]:
    """Whether it can be an id of OKX, which is a number as text, with room for a change of mind."""
    return isinstance(value, str) and value.isascii() and value.isalnum() and len(value) <= 64


def classify_placement(
    body: bytes, client_order_id: str, *, names: tuple[str, str] = ("ordId", "clOrdId")
) -> Placement:
    """The outcome of one placement from the raw response body, whatever its HTTP status.

    `names`: under which the answer has the venue's id and ours.
    """
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return _unknown("unreadable", "the answer is not JSON")
    if not isinstance(answer, dict) or not isinstance(answer.get("code"), str):
        return _unknown("unreadable", "the answer has no code")
    code: str = answer["code"]
    text = printable(answer.get("msg"), 200)
    rows = answer.get("data")
    row = rows[0] if isinstance(rows, list) and len(rows) == 1 else None
    if isinstance(row, dict) and isinstance(row.get("sCode"), str):
        return _classify_row(code, row, client_order_id, names)
    if code in {"0", "1", "2"}:
        return _unknown(code, "the answer names no order")
    if rows:
        return _unknown(code, "the answer is about something else")
    return _refused(code, text)


def _classify_row(
    envelope: str, row: dict[str, Any], client_order_id: str, names: tuple[str, str]
) -> Placement:
    venue_name, client_name = names
    code: str = row["sCode"]
    text = printable(row.get("sMsg"), 200)
    if row.get(client_name) not in (None, "", client_order_id):
        # Neither its success nor its refusal says anything of ours.
        return _unknown(code, "the answer is about another order")
    order_id = row.get(venue_name)
    if code == "0":
        if not _is_order_id(order_id):
            return _unknown("0", "success without an order id")
        if envelope != "0":
            return _unknown(envelope, "success inside a failure")
        return Placement(PlacementResult.ACCEPTED, venue_order_id=order_id)
    if envelope not in ("1", "2", code) or order_id:
        return _unknown(code, "a refusal that has an order, or is inside a success")
    return _refused(code, text)


def _refused(code: str, text: str) -> Placement:
    kind = _definite(code, text)
    if kind is None:
        return _unknown(code, text)
    return Placement(
        PlacementResult.REJECTED,
        code=code,
        message=text,
        reject_kind=kind,
        retry_after_ms=CLOSED_RETRY_MS if kind is RejectKind.CLOSED else 0,
    )


def is_passed_code(code: str) -> bool:
    return code in _PASSED_CODES


def is_margin_refusal(code: str) -> bool:
    """Of added margin: it is certain that none was."""
    return code.startswith(_MARGIN_CODES) or _definite(code, "") is not None


def is_credential_code(code: str) -> bool:
    return code in _CREDENTIAL_CODES


def is_clock_code(code: str) -> bool:
    return code in _CLOCK_CODES


def is_rate_limit_code(code: str) -> bool:
    return code in _RATE_LIMIT_CODES
