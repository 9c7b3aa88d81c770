"""What can be wrong with a signal: a code for machines, a sentence for people, the field."""

from enum import StrEnum


class FormatCode(StrEnum):
    """Every code that the canonical parser answers; docs/signals.md explains them."""

    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_FIELD = "duplicate_field"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    FIELD_NOT_ALLOWED = "field_not_allowed"
    WRONG_TYPE = "wrong_type"
    BAD_CHOICE = "bad_choice"
    BAD_SYMBOL = "bad_symbol"
    NOT_A_NUMBER = "not_a_number"
    NOT_FINITE = "not_finite"
    NOT_POSITIVE = "not_positive"
    OUT_OF_RANGE = "out_of_range"
    BAD_RANGE = "bad_range"
    BAD_TARGETS = "bad_targets"
    WRONG_SIDE_OF_PRICE = "wrong_side_of_price"
    BAD_TIME = "bad_time"
    IN_THE_FUTURE = "in_the_future"
    TOO_OLD = "too_old"
    BAD_EXPIRY = "bad_expiry"


class SignalFormatError(Exception):
    """The payload is no signal. `field` is empty when the whole body is meant."""

    def __init__(self, code: FormatCode, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
