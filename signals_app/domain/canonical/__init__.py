"""A signal in canonical form, and the parser of the canonical JSON (docs/signals.md).

`signal.schema.json` beside this says the same for other programs; a property test holds the
two together. What the schema cannot express is only checked here: prices against each other and
times against the clock.
"""

from signals_app.domain.canonical.checking import MAX_LIFETIME, check_canonical
from signals_app.domain.canonical.reading import MAX_BODY_BYTES, canonical_from_json
from signals_app.domain.canonical.shape import (
    AMOUNT_LIMIT,
    EXIT_ACTIONS,
    FIELD_NAMES,
    INSTRUCTIONS,
    LEADER_EVENTS,
    MAX_DECIMALS,
    MAX_SEQUENCE,
    MAX_TARGETS,
    Action,
    CanonicalSignal,
    MarginMode,
    OrderType,
    Side,
    SizeBasis,
    Target,
    equal_targets,
)
from signals_app.domain.canonical.writing import canonical_to_json

__all__ = [
    "AMOUNT_LIMIT",
    "EXIT_ACTIONS",
    "FIELD_NAMES",
    "INSTRUCTIONS",
    "LEADER_EVENTS",
    "MAX_BODY_BYTES",
    "MAX_DECIMALS",
    "MAX_LIFETIME",
    "MAX_SEQUENCE",
    "MAX_TARGETS",
    "Action",
    "CanonicalSignal",
    "MarginMode",
    "OrderType",
    "Side",
    "SizeBasis",
    "Target",
    "canonical_from_json",
    "canonical_to_json",
    "check_canonical",
    "equal_targets",
]
