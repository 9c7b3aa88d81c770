"""A signal as canonical JSON."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from signals_app.domain.canonical.shape import CanonicalSignal


def canonical_to_json(signal: CanonicalSignal) -> dict[str, Any]:
    """The canonical JSON document; parsing it gives the same signal again."""
    document: dict[str, Any] = {}
    for field in fields(signal):
        value = getattr(signal, field.name)
        if value is None or value == ():
            continue
        if field.name == "targets":
            document["targets"] = [
                {"price": format(target.price, "f"), "fraction": format(target.fraction, "f")}
                for target in value
            ]
        elif isinstance(value, int):
            document[field.name] = value
        elif isinstance(value, Decimal):
            document[field.name] = format(value, "f")
        elif isinstance(value, datetime):
            document[field.name] = value.isoformat().replace("+00:00", "Z")
        else:
            document[field.name] = str(value)
    return document
