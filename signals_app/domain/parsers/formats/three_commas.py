"""The JSON of 3Commas' signal bots (strategy and custom type) and of its DCA bots.

The token goes where their secret was: `secret`, or `email_token` of a DCA bot's message.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from signals_app.domain.canonical import (
    MAX_LIFETIME,
    Action,
    CanonicalSignal,
    OrderType,
    Side,
    SizeBasis,
    equal_targets,
)
from signals_app.domain.parsers.base import Parsed, Parser, ParserConfig, Payload, Setting
from signals_app.domain.parsers.position_steps import PositionReport, Step, sized, step_of
from signals_app.domain.parsers.problems import Ignored, ParseProblem, ProblemCode
from signals_app.domain.parsers.reading import (
    first,
    json_of,
    moment,
    number,
    positive,
    refuse_placeholders,
    symbol_in,
    text_of,
    word,
)
from signals_app.domain.symbol_aliases import SymbolBook

_CUSTOM: dict[str, tuple[Action, Side]] = {
    "enter_long": (Action.OPEN, Side.LONG),
    "enter_short": (Action.OPEN, Side.SHORT),
    "exit_long": (Action.CLOSE, Side.LONG),
    "exit_short": (Action.CLOSE, Side.SHORT),
}
_DCA_CLOSES = ("close_at_market_price", "close_at_market_price_all", "panic_sell")
_DCA_COMMANDS = (
    "start_bot",
    "stop_bot",
    "start_bot_and_start_deal",
    "stop_bot_and_cancel_deals",
    "cancel_deals",
    "disable",
    "enable",
)
_HUNDRED = Decimal(100)


class ThreeCommas(Parser):
    name = "three_commas"
    title = "3Commas"
    settings = (Setting("dca_side", "long", ("long", "short")),)
    example = """{
  "secret": "tdm_…",
  "max_lag": "300",
  "timestamp": "{{timenow}}",
  "trigger_price": "{{close}}",
  "tv_exchange": "{{exchange}}",
  "tv_instrument": "{{ticker}}",
  "action": "{{strategy.order.action}}",
  "strategy_info": {
    "market_position": "{{strategy.market_position}}",
    "market_position_size": "{{strategy.market_position_size}}",
    "prev_market_position": "{{strategy.prev_market_position}}",
    "prev_market_position_size": "{{strategy.prev_market_position_size}}"
  },
  "order": {"amount": "{{strategy.order.contracts}}", "currency_type": "base"}
}"""

    def read(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        refuse_placeholders(text_of(payload))
        document = json_of(payload)
        if not isinstance(document, Mapping):
            raise ParseProblem(ProblemCode.NOT_AN_OBJECT)
        if word(document.get("message_type")) == "bot" or "email_token" in document:
            return Parsed((_dca_signal(document, payload, config, symbols),))
        return _signal(document, payload, symbols)


def _dca_signal(
    document: Mapping[str, Any], payload: Payload, config: ParserConfig, symbols: SymbolBook
) -> CanonicalSignal:
    action = word(document.get("action"))
    if action in _DCA_COMMANDS:
        raise Ignored(ProblemCode.BOT_COMMAND, command=action)
    if action and action not in _DCA_CLOSES:
        raise ParseProblem(ProblemCode.ACTION_UNKNOWN, value=action)
    pair = document.get("pair")
    quote, _, base = pair.partition("_") if isinstance(pair, str) else ("", "", "")
    return CanonicalSignal(
        # A DCA bot's pair is quote first: USDT_BTC.
        symbol=symbol_in(symbols, f"{base}/{quote}" if base else None),
        action=Action.CLOSE if action else Action.OPEN,
        side=Side(config["dca_side"]),
        emitted_at=payload.received_at,
    )


def _signal(document: Mapping[str, Any], payload: Payload, symbols: SymbolBook) -> Parsed:
    order = _object(document, "order")
    step = _step(document, order)
    entry = step.action in (Action.OPEN, Action.INCREASE, Action.FLIP)
    size, basis = _sized(step, order)
    emitted = moment(document.get("timestamp"), "timestamp")
    emitted_at = emitted or payload.received_at
    lag = positive(document.get("max_lag"), "max_lag")
    lifetime = None
    if lag is not None:
        lifetime = min(timedelta(seconds=max(1, min(int(lag), 10**6))), MAX_LIFETIME)
    if lifetime is not None and entry and payload.received_at > emitted_at + lifetime:
        raise ParseProblem(ProblemCode.LAGGED, seconds=str(lag))
    limit = word(order.get("order_type")) == "limit" and entry
    goals = _goals(document) if entry else []
    stop = _object(document, "stop_loss") if entry else {}
    signal = CanonicalSignal(
        action=step.action,
        symbol=symbol_in(symbols, first(document, "tv_instrument", "pair", "instrument")),
        side=step.side,
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        price=positive(order.get("price") if limit else document.get("trigger_price"), "price"),
        size=size,
        size_basis=basis,
        leverage=positive(_object(document, "leverage").get("value"), "leverage"),
        stop_loss=positive(first(stop, "price", "trigger_price"), "stop_loss"),
        take_profit=goals[0] if len(goals) == 1 else None,
        targets=equal_targets(goals) if len(goals) > 1 else (),
        emitted_at=emitted_at,
        expires_at=emitted_at + lifetime if lifetime is not None and entry else None,
    )
    return Parsed((signal,), alert_time=str(document["timestamp"]) if emitted else "")


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _goals(document: Mapping[str, Any]) -> list[Decimal]:
    steps = _object(document, "take_profit").get("steps")
    prices = []
    for step in steps if isinstance(steps, list) else []:
        price = step.get("price") if isinstance(step, Mapping) else None
        value = price.get("value") if isinstance(price, Mapping) else price
        amount = positive(value, "take_profit")
        if amount is None:
            raise ParseProblem(ProblemCode.TARGET_NOT_A_PRICE, field="take_profit")
        prices.append(amount)
    return prices


def _step(document: Mapping[str, Any], order: Mapping[str, Any]) -> Step:
    action = word(document.get("action"))
    amount = positive(order.get("amount"), "order.amount")
    if action in _CUSTOM:
        known, side = _CUSTOM[action]
        partly = known is Action.CLOSE and word(order.get("currency_type")) == "position_percent"
        if partly and amount is not None and amount < _HUNDRED:
            return Step(Action.REDUCE, side, fraction=amount / _HUNDRED)
        return Step(known, side, size=amount)
    if action in _DCA_COMMANDS:
        raise Ignored(ProblemCode.BOT_COMMAND, command=action)
    if action not in ("buy", "sell"):
        code = ProblemCode.ACTION_UNKNOWN if action else ProblemCode.DIRECTION_MISSING
        raise ParseProblem(code, value=action)
    info = _object(document, "strategy_info")
    if not info:
        raise ParseProblem(ProblemCode.DIRECTION_UNCLEAR, value=action)
    return step_of(
        PositionReport(
            before=word(info.get("prev_market_position")),
            after=word(info.get("market_position")),
            order_side=action,
            order_size=amount,
            size_before=_unsigned(info.get("prev_market_position_size")),
            size_after=_unsigned(info.get("market_position_size")),
        )
    )


def _unsigned(value: Any) -> Decimal | None:
    amount = number(value, "market_position_size")
    return None if amount is None else abs(amount)


def _sized(step: Step, order: Mapping[str, Any]) -> tuple[Decimal | None, SizeBasis | None]:
    currency = word(order.get("currency_type")) or "base"
    if step.action is Action.CLOSE or step.fraction is not None or currency in ("base", "quote"):
        return sized(step, currency)
    if currency == "margin_percent" and step.size is not None:
        return step.size / _HUNDRED, SizeBasis.EQUITY_FRACTION
    raise ParseProblem(ProblemCode.BAD_VALUE, field="order.currency_type", value=currency)


PARSER = ThreeCommas()
