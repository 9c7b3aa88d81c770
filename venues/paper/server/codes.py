"""Error codes that the transport itself answers with; the engine brings its own for orders."""

from __future__ import annotations

from typing import Any

from venues.paper.engine.types import OkxError

# code -> (HTTP status, message). Statuses matter: some clients look at them first.
TRANSPORT_ERRORS: dict[str, tuple[int, str]] = {
    "404": (404, "Not Found"),
    "413": (413, "Request entity too large"),
    "1": (200, "Operation failed."),
    "50000": (400, "Body for POST request cannot be empty."),
    "50001": (503, "Service temporarily unavailable. Please try again later."),
    "50002": (400, "JSON syntax error"),
    "50004": (
        400,
        "API endpoint request timeout (does not mean that the request was successful "
        "or failed, please check the request result).",
    ),
    "50006": (400, 'Invalid Content-Type. Please use "application/json".'),
    "50011": (429, "Too Many Requests"),
    "50013": (429, "Systems are busy. Please try again later."),
    "50014": (400, "Parameter {param} cannot be empty."),
    "50026": (500, "System error. Please try again later."),
    "50036": (
        200,
        "The expTime can't be earlier than the current system time. Please adjust "
        "the expTime and try again.",
    ),
    "50037": (200, "Order expired."),
    "50061": (200, "Sub-account rate limit exceeded"),
    "50101": (401, "APIKey does not match current environment."),
    "50102": (401, "Timestamp request expired."),
    "50103": (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50110": (401, "Your IP {ip} is not included in your API key's {key} IP whitelist."),
    "50111": (401, "Invalid OK-ACCESS-KEY."),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": (401, "Invalid signature."),
    "50115": (405, "Invalid request method."),
    "50119": (200, "API key doesn't exist."),
    "50120": (200, "This API key doesn't have permission to use this function."),
    "50121": (200, "You can't access our services through the IP address ({ip})."),
    "51000": (400, "Parameter {param} error."),
    "51054": (500, "Request timed out. Please try again."),
    "51149": (500, "Order timed out. Please try again later."),
    # WebSocket
    "60001": (200, '"OK_ACCESS_KEY" cannot be empty.'),
    "60002": (200, '"OK_ACCESS_SIGN" cannot be empty.'),
    "60003": (200, '"OK_ACCESS_PASSPHRASE" cannot be empty.'),
    "60004": (200, "Invalid OK_ACCESS_TIMESTAMP."),
    "60005": (200, "Invalid OK_ACCESS_KEY."),
    "60006": (200, "Timestamp request expired."),
    "60007": (200, "Invalid signature."),
    "60008": (
        200,
        "The current WebSocket endpoint does not support subscribing to {channel} "
        "channels. Please check the WebSocket URL.",
    ),
    "60009": (200, "Login failed."),
    "60011": (200, "Please log in."),
    "60012": (200, "Invalid request: {frame}"),
    "60013": (200, "Invalid args"),
    "60014": (200, "Requests too frequent"),
    "60018": (
        200,
        "Wrong URL or {arg} doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document.",
    ),
    "60024": (200, "Wrong passphrase"),
    "60029": (
        200,
        "Only users who are VIP5 and above in trading fee tier are allowed to "
        "subscribe to this channel.",
    ),
    "60032": (200, "API key doesn't exist"),
}


class RefusedError(OkxError):
    """A request that the transport refuses, with the message and status that belong to a code."""

    def __init__(
        self, code: str, msg: str | None = None, status: int | None = None, **params: Any
    ) -> None:
        known_status, template = TRANSPORT_ERRORS.get(code, (200, "Operation failed."))
        if msg is None:
            msg = template.format(**params) if params else template
        super().__init__(code, msg, known_status if status is None else status)


def orders_code(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The envelope's code and message over per-row results."""
    failed = 0
    for row in rows:
        if row["sCode"] != "0":
            failed += 1
    if not failed:
        return "0", ""
    if failed == len(rows):
        return "1", "All operations failed"
    return "2", "Bulk operation partially succeeded"
