"""Why a payload gave no signal: a code, the numbers and words that explain it, no text."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from signals_app.domain.errors import SignalFormatError


class ProblemCode(StrEnum):
    """What parsers find, beside what FormatCode has; problem_texts.py has the sentences."""

    NOT_TEXT = "not_text"
    EMPTY = "empty"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    SEVERAL_VALUES = "several_values"
    BAD_VALUE = "bad_value"
    NOT_A_NUMBER = "not_a_number"
    BAD_TIME = "bad_time"
    IN_THE_FUTURE = "in_the_future"
    TOO_OLD = "too_old"
    LAGGED = "lagged"
    WRONG_SIDE_OF_PRICE = "wrong_side_of_price"
    BAD_TARGETS = "bad_targets"
    PLACEHOLDER_NOT_FILLED = "placeholder_not_filled"
    TEMPLATE_UNKNOWN = "template_unknown"
    DIRECTION_MISSING = "direction_missing"
    DIRECTION_CONFLICT = "direction_conflict"
    DIRECTION_UNCLEAR = "direction_unclear"
    NOT_NOW = "not_now"
    POSITION_CONTRADICTS = "position_contradicts"
    ACTION_UNKNOWN = "action_unknown"
    SYMBOL_MISSING = "symbol_missing"
    SYMBOL_SEVERAL = "symbol_several"
    SYMBOL_UNKNOWN = "symbol_unknown"
    SYMBOL_AMBIGUOUS = "symbol_ambiguous"
    SYMBOL_MULTIPLIER = "symbol_multiplier"
    PRICES_FAR_APART = "prices_far_apart"
    TARGET_NOT_A_PRICE = "target_not_a_price"
    PRICE_UNEXPLAINED = "price_unexplained"
    NOTHING_CHANGES = "nothing_changes"
    BOT_COMMAND = "bot_command"
    CHAT = "chat"
    # Found by who reads the deliveries, not by a format.
    FORMAT_UNUSABLE = "format_unusable"
    VENUE_UNKNOWN = "venue_unknown"
    MARKETS_UNAVAILABLE = "markets_unavailable"
    ID_REUSED = "id_reused"
    NOT_READ = "not_read"


class ParseProblem(Exception):  # noqa: N818  (it is a finding about a payload, not our error)
    """The payload is no signal. `params` are shown and stored, so nothing secret goes in."""

    def __init__(self, code: str, **params: str) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, str] = {name: value[:200] for name, value in params.items()}


class Ignored(ParseProblem):
    """Well understood, and nothing to do: not a problem of the sender."""


def problem_of(error: SignalFormatError) -> ParseProblem:
    """What the rules of all signals say, as a problem of the payload."""
    return ParseProblem(error.code, field=error.field, message=error.message)
