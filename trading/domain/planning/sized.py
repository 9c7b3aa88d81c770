"""What the copy's sizing says of a signal, or the reason why it cannot say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Context, Decimal

from strategies.domain.sizing import (
    DynamicSizing,
    FollowerTerms,
    LeaderSize,
    MissingFact,
    SizingError,
    entry_quantity,
    reduction_quantity,
)
from trading.domain.planning.shapes import Follower, Instruction
from trading.domain.reasons import Reason, ReasonCode
from venues.domain.types import Instrument

_MISSING = {
    MissingFact.OWN_AMOUNT: ReasonCode.SIZE_NOT_SET,
    MissingFact.LEADER_SIZE: ReasonCode.LEADER_SIZE_UNKNOWN,
    MissingFact.LEADER_EQUITY: ReasonCode.LEADER_EQUITY_UNKNOWN,
    MissingFact.LEADER_FUNDS: ReasonCode.LEADER_WITHOUT_EQUITY,
    MissingFact.LEADER_PRICE: ReasonCode.PRICE_UNKNOWN,
    MissingFact.SAME_CURRENCY: ReasonCode.OTHER_CURRENCY,
    MissingFact.FOLLOWER_EQUITY: ReasonCode.BALANCE_UNKNOWN,
    MissingFact.FOLLOWER_FUNDS: ReasonCode.NO_EQUITY,
    MissingFact.STOP: ReasonCode.STOP_UNKNOWN,
    MissingFact.STOP_PASSED: ReasonCode.STOP_PASSED,
    MissingFact.VOLATILITY: ReasonCode.VOLATILITY_UNKNOWN,
    MissingFact.DRAWDOWN: ReasonCode.PEAK_EQUITY_UNKNOWN,
    MissingFact.DRAWN_DOWN: ReasonCode.SCALED_TO_NOTHING,
}

_ABOUT_A_MARKET = (
    ReasonCode.PRICE_UNKNOWN,
    ReasonCode.OTHER_CURRENCY,
    ReasonCode.STOP_UNKNOWN,
    ReasonCode.STOP_PASSED,
    ReasonCode.VOLATILITY_UNKNOWN,
)

_READABLE = Context(prec=8, rounding=ROUND_DOWN)


def market_denial(follower: Follower) -> Reason | None:
    """Why the market itself takes no entry. An exit is sent all the same: the venue may know
    better than a list that could not be read."""
    symbol = follower.instrument.symbol
    if follower.entry.market_doubt is not None:
        return follower.entry.market_doubt
    if not follower.instrument.is_live:
        params = {"symbol": symbol, "venue": follower.entry.venue}
        return Reason(ReasonCode.SYMBOL_NOT_LISTED, params)
    if follower.price is None:
        return Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": symbol})
    return None


def entry_size(instruction: Instruction, follower: Follower) -> Decimal | Reason:
    """What the copy enters for the signal."""
    return _by(entry_quantity, instruction, follower, instruction.direction)


def reduction_size(
    instruction: Instruction, follower: Follower, direction: int
) -> Decimal | Reason:
    """What the copy takes off for a reduction that is said as an amount; `direction` of what is
    held."""
    return _by(reduction_quantity, instruction, follower, direction)


def _by(
    rule: Callable[[LeaderSize, FollowerTerms, Instrument, Decimal, int], Decimal],
    instruction: Instruction,
    follower: Follower,
    direction: int,
) -> Decimal | Reason:
    symbol = {"symbol": follower.instrument.symbol}
    price = follower.entry_price
    if price is None:
        return Reason(ReasonCode.PRICE_UNKNOWN, symbol)
    try:
        return rule(instruction.leader, _terms(follower), follower.instrument, price, direction)
    except SizingError as error:
        if follower.entry.settings_doubt is not None:  # sized by defaults: that is why
            return follower.entry.settings_doubt
        code = _MISSING[error.missing]
        return Reason(code, symbol if code in _ABOUT_A_MARKET else {})


def _terms(follower: Follower) -> FollowerTerms:
    """With the equity that the account is scaled down by, where it is."""
    terms, account = follower.terms, follower.entry.account
    if terms.scaling.by is not DynamicSizing.DRAWDOWN:
        return terms
    scaling = replace(terms.scaling, equity=account.now, peak_equity=account.peak)
    return replace(terms, scaling=scaling)


def readable(quantity: Decimal) -> str:
    """Eight digits, cut off."""
    return format(_READABLE.plus(quantity).normalize(), "f")


def below_minimum(
    quantity: Decimal,
    minimum: Decimal,
    instrument: Instrument,
    code: ReasonCode = ReasonCode.BELOW_MINIMUM_SIZE,
) -> Reason:
    return Reason(
        code,
        {
            "size": readable(quantity),
            "minimum": format(minimum, "f"),
            "unit": "contracts" if instrument.kind != "spot" else instrument.base,
        },
    )
