"""How an event travels: its JSON frame for a browser and its audience's channel group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PUSH = "events.push"
"""Channel-layer message {audience, frames: [[sequence, frame text], ...]}, sequences ascending."""
TICK = "events.tick"
"""Channel-layer message {audience, sequence}: there are events up to here; read what is missing."""


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event with its place in its audience's sequence: 1, 2, 3, … without gaps."""

    id: str
    tenant_id: str
    audience: str
    sequence: int
    kind: str
    payload: dict[str, Any]
    created_at: datetime

    def frame(self) -> str:
        return json.dumps(
            {
                "type": "event",
                "audience": self.audience,
                "sequence": self.sequence,
                "kind": self.kind,
                "payload": self.payload,
                "at": self.created_at.isoformat(),
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )


def audience_group(audience: str) -> str:
    """The channel layer allows no colon in a group's name."""
    return "events." + audience.replace(":", ".")
