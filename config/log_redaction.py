"""Keeps tokens that stand in a webhook's address out of every log line."""

from __future__ import annotations

import logging
from typing import Any

from signals_app.domain.intake_tokens import TOKEN_PREFIX, text_without_tokens


def _clean(value: Any) -> Any:
    if isinstance(value, str) and TOKEN_PREFIX in value:
        return text_without_tokens(value)
    return value


def redact_tokens() -> None:
    """For all loggers of this process, the server's own included; a second call does nothing."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts_tokens", False):
        return

    def record(*arguments: Any, **more: Any) -> logging.LogRecord:
        made = make(*arguments, **more)
        made.msg = _clean(made.msg)
        if isinstance(made.args, tuple):
            made.args = tuple(map(_clean, made.args))
        return made

    record.redacts_tokens = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(record)
