"""Why a delivery gave no signal, and why a source was paused, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from signals_app.domain.errors import FormatCode
from signals_app.domain.parsers.problems import ProblemCode

_TEXTS: dict[str, str] = {
    ProblemCode.NOT_TEXT: gettext_noop("This is no text in UTF-8 (from byte %(position)s on)."),
    ProblemCode.EMPTY: gettext_noop("The message is empty."),
    ProblemCode.INVALID_JSON: gettext_noop("This is no JSON: %(message)s"),
    ProblemCode.NOT_AN_OBJECT: gettext_noop("This is JSON, but no object with fields."),
    ProblemCode.MISSING_FIELD: gettext_noop("The field %(field)s is missing."),
    ProblemCode.SEVERAL_VALUES: gettext_noop(
        "There is more than one value for %(field)s, and nothing says which one is meant."
    ),
    ProblemCode.BAD_VALUE: gettext_noop("“%(value)s” is no value that %(field)s can have here."),
    ProblemCode.NOT_A_NUMBER: gettext_noop("“%(value)s” in %(field)s is no usable number."),
    ProblemCode.BAD_TIME: gettext_noop(
        "“%(value)s” in %(field)s is no time with a zone, and no unix time."
    ),
    ProblemCode.IN_THE_FUTURE: gettext_noop(
        "The signal is from the future: the sender's clock is ahead."
    ),
    ProblemCode.TOO_OLD: gettext_noop("The signal is more than a day old."),
    ProblemCode.LAGGED: gettext_noop(
        "The alert came later than the %(seconds)s s that it allows itself."
    ),
    ProblemCode.WRONG_SIDE_OF_PRICE: gettext_noop(
        "%(field)s is on the wrong side of the entry for this direction."
    ),
    ProblemCode.BAD_TARGETS: gettext_noop(
        "The targets do not go away from the entry, or take more than the whole position."
    ),
    ProblemCode.PLACEHOLDER_NOT_FILLED: gettext_noop(
        "The placeholder %(placeholder)s was not filled in. Is the alert made from a strategy?"
    ),
    ProblemCode.TEMPLATE_UNKNOWN: gettext_noop(
        "The message is neither JSON nor a list of name=value, nor the default message of a "
        "strategy."
    ),
    ProblemCode.DIRECTION_MISSING: gettext_noop("Nothing says whether to buy or to sell."),
    ProblemCode.DIRECTION_CONFLICT: gettext_noop("The message says both long and short."),
    ProblemCode.DIRECTION_UNCLEAR: gettext_noop(
        "“%(value)s” alone may open or close. Send the position before and after it, or choose in "
        "the settings what it means."
    ),
    ProblemCode.NOT_NOW: gettext_noop(
        "“%(value)s” says what is not to be done, or only later and under a condition."
    ),
    ProblemCode.POSITION_CONTRADICTS: gettext_noop(
        "The order is to %(order)s, but the position goes from %(before)s to %(after)s."
    ),
    ProblemCode.ACTION_UNKNOWN: gettext_noop("The action “%(value)s” is not known here."),
    ProblemCode.SYMBOL_MISSING: gettext_noop("The message names no symbol."),
    ProblemCode.SYMBOL_SEVERAL: gettext_noop("The message names several symbols: %(symbols)s."),
    ProblemCode.SYMBOL_UNKNOWN: gettext_noop("%(venue)s lists no symbol “%(text)s”."),
    ProblemCode.SYMBOL_AMBIGUOUS: gettext_noop(
        "“%(text)s” can be any of %(candidates)s. Choose a market in the settings, or name it."
    ),
    ProblemCode.SYMBOL_MULTIPLIER: gettext_noop(
        "“%(text)s” is quoted in another unit than %(listed)s, which %(venue)s lists: prices and "
        "sizes would be wrong by a factor. Map it in the settings only if you know that they fit."
    ),
    ProblemCode.PRICES_FAR_APART: gettext_noop(
        "The prices are too far apart to belong together: from %(low)s to %(high)s."
    ),
    ProblemCode.TARGET_NOT_A_PRICE: gettext_noop(
        "%(field)s is given as a distance, not as a price."
    ),
    ProblemCode.PRICE_UNEXPLAINED: gettext_noop("Nothing says what the number %(value)s means."),
    ProblemCode.NOTHING_CHANGES: gettext_noop("The position is the same before and after it."),
    ProblemCode.BOT_COMMAND: gettext_noop("“%(command)s” is for their bot, not for followers."),
    FormatCode.DUPLICATE_FIELD: gettext_noop("The field %(field)s is there twice."),
    FormatCode.UNKNOWN_FIELD: gettext_noop("There is no field %(field)s."),
    FormatCode.FIELD_NOT_ALLOWED: gettext_noop("%(field)s does not go with this action."),
    FormatCode.WRONG_TYPE: gettext_noop("%(field)s is of the wrong type."),
    FormatCode.BAD_CHOICE: gettext_noop("%(field)s is none of the allowed words."),
    FormatCode.BAD_SYMBOL: gettext_noop("%(field)s is not written as a symbol."),
    FormatCode.NOT_FINITE: gettext_noop("%(field)s must be a finite number."),
    FormatCode.NOT_POSITIVE: gettext_noop("%(field)s must be above 0."),
    FormatCode.OUT_OF_RANGE: gettext_noop("%(field)s is too large, or has too many digits."),
    FormatCode.BAD_RANGE: gettext_noop(
        "The lower end of the entry range must be below the upper, and the price between them."
    ),
    FormatCode.BAD_EXPIRY: gettext_noop(
        "The signal must expire after it was made, by at most a day."
    ),
    ProblemCode.FORMAT_UNUSABLE: gettext_noop(
        "The source's format (%(format)s) or its settings cannot be used: correct them, then read "
        "the delivery again."
    ),
    ProblemCode.VENUE_UNKNOWN: gettext_noop("The source's venue %(venue)s is not known here."),
    ProblemCode.MARKETS_UNAVAILABLE: gettext_noop(
        "%(venue)s could not be asked for its symbols for ten minutes."
    ),
    ProblemCode.ID_REUSED: gettext_noop("Its id was used before, for another message."),
    ProblemCode.NOT_READ: gettext_noop(
        "Reading it failed by a defect of this system; the log says more. What came after it was "
        "read all the same."
    ),
    "duplicate_id_different_body": gettext_noop("Its id was used before, for another message."),
    "source_paused": gettext_noop("The source is paused. %(reason)s"),
    "price_unavailable": gettext_noop("There is no current price to compare with; try again."),
    "rate_limited": gettext_noop("The source sent more than %(limit)s entries in a minute."),
    "price_off_market": gettext_noop(
        "The price %(price)s is further from the market's %(market)s than the %(limit)s %% allowed."
    ),
    "wrong_side_of_market": gettext_noop(
        "%(field)s at %(price)s is on the wrong side of the market's %(market)s: it would close "
        "the position at once."
    ),
    "too_many_problems": gettext_noop(
        "Paused by the system: %(problems)s unusable messages within %(minutes)s minutes. "
        "Exits are still followed."
    ),
    "tenant_suspended": gettext_noop("The operator of this source is suspended."),
    "unknown_symbol": gettext_noop("%(venue)s lists no symbol “%(text)s”."),
    ProblemCode.CHAT: gettext_noop("Chat, or a report of what happened: no instruction in it."),
}


_WITHOUT: dict[str, tuple[str, str]] = {
    ProblemCode.BAD_VALUE: (
        "value",
        gettext_noop("%(field)s has a value that it cannot have here."),
    ),
    ProblemCode.NOT_A_NUMBER: ("value", gettext_noop("%(field)s is no usable number.")),
    ProblemCode.BAD_TIME: ("value", gettext_noop("%(field)s is no time with a zone.")),
}
"""Texts for when this parameter is not there: the rules of all signals do not repeat what is in a
field."""


def problem_text(code: str, params: Mapping[str, object] | None = None) -> str:
    """The sentence for staff; a code without a text here shows itself. Empty for no code."""
    if not code:
        return ""
    known = dict(params or {})
    template = _TEXTS.get(code)
    if code in _WITHOUT and not known.get(_WITHOUT[code][0]):
        template = _WITHOUT[code][1]
    if template is None:
        return code
    return (_(template) % _Given(known)).rstrip()


class _Given(dict[str, object]):
    """What is not given, as of rows that were written before it was noted, is left out."""

    def __missing__(self, name: str) -> str:
        return ""


_CONFIG_TEXTS: dict[str, str] = {
    "not_an_object": gettext_noop("The settings must be a JSON object."),
    "unknown_setting": gettext_noop("There is no setting “%(name)s”."),
    "wrong_type": gettext_noop("“%(name)s” must be of the type %(type)s."),
    "bad_choice": gettext_noop("“%(name)s” must be one of: %(choices)s."),
    "bad_symbol": gettext_noop("“%(name)s” must lead to a symbol like BTC/USDT:USDT."),
    "bad_network": gettext_noop("“%(name)s” is no address and no network."),
    "bad_path": gettext_noop(
        "The path of “%(name)s” (%(path)s) is no JSONPath like $.order.side, or may take too long: "
        "it calls match() or search(), is too long, or branches at too many places."
    ),
    "unknown_field": gettext_noop("A signal has no field “%(name)s” (in %(group)s)."),
    "mapping_incomplete": gettext_noop("These fields need a path or a constant: %(needed)s."),
}


def config_error_text(code: str, params: Mapping[str, object]) -> str:
    """What is wrong with the settings of a format."""
    template = _CONFIG_TEXTS.get(code)
    return _(template) % dict(params) if template else code
