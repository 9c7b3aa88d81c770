"""Alerts of TradingView: JSON of any template, `name=value` text, and its own default sentence.

No headers can be set there, a delivery is given up after 3 s and tried again up to three times.
`{{timenow}}` is when the alert fired; `{{time}}` is when its bar began, which may be hours before,
so it tells alerts apart and is never taken for their age.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    OrderType,
    Side,
    equal_targets,
)
from signals_app.domain.errors import SignalFormatError
from signals_app.domain.parsers.base import Parsed, Parser, ParserConfig, Payload, Setting
from signals_app.domain.parsers.position_steps import (
    POSITIONS,
    SIDES,
    PositionReport,
    Step,
    sized,
    step_of,
)
from signals_app.domain.parsers.problems import ParseProblem, ProblemCode
from signals_app.domain.parsers.reading import (
    first,
    flattened,
    json_of,
    moment,
    number,
    positive,
    refuse_placeholders,
    sequence_of,
    symbol_in,
    text_of,
    word,
)
from signals_app.domain.symbol_aliases import SymbolBook, plain_text

_NESTED = ("strategy", "order", "strategy_info", "bar", "data", "alert", "position")
_DEFAULT_SENTENCE = re.compile(
    r"order (?P<side>buy|sell) @ (?P<size>[0-9.,eE+-]+) filled on (?P<symbol>[\w:./!-]+?)\.? +"
    r"New strategy position is (?P<position>-?[0-9.,eE+-]*[0-9])",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(?P<key>[A-Za-z][\w.]{0,40})\s*[=:]\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;|]+)")
_ACTIONS: dict[str, tuple[Action, Side | None]] = {
    **dict.fromkeys(
        ("long", "open_long", "enter_long", "buy_long", "go_long", "long_entry", "entry_long"),
        (Action.OPEN, Side.LONG),
    ),
    **dict.fromkeys(
        ("short", "open_short", "enter_short", "sell_short", "go_short", "short_entry",
         "entry_short"),
        (Action.OPEN, Side.SHORT),
    ),
    **dict.fromkeys(
        ("close_long", "exit_long", "sell_long", "long_exit"), (Action.CLOSE, Side.LONG)
    ),
    **dict.fromkeys(
        ("close_short", "exit_short", "buy_short", "cover", "short_exit", "buy_to_cover"),
        (Action.CLOSE, Side.SHORT),
    ),
    **dict.fromkeys(
        ("close", "exit", "flat", "close_all", "exit_all", "flatten", "close_position"),
        (Action.CLOSE, None),
    ),
    **dict.fromkeys(("add_long", "increase_long"), (Action.INCREASE, Side.LONG)),
    **dict.fromkeys(("add_short", "increase_short"), (Action.INCREASE, Side.SHORT)),
    **dict.fromkeys(("flip_long", "reverse_long"), (Action.FLIP, Side.LONG)),
    **dict.fromkeys(("flip_short", "reverse_short"), (Action.FLIP, Side.SHORT)),
}  # fmt: skip
_PLAIN_ORDERS: dict[str, dict[str, tuple[Action, Side]]] = {
    "entries": {"buy": (Action.OPEN, Side.LONG), "sell": (Action.OPEN, Side.SHORT)},
    "long_only": {"buy": (Action.OPEN, Side.LONG), "sell": (Action.CLOSE, Side.LONG)},
    "flip": {"buy": (Action.FLIP, Side.LONG), "sell": (Action.FLIP, Side.SHORT)},
}


class TradingView(Parser):
    name = "tradingview"
    title = "TradingView"
    settings = (
        Setting("size_basis", "base", ("base", "contracts", "quote", "none")),
        Setting("plain_orders", "refuse", ("refuse", *_PLAIN_ORDERS)),
        Setting("only_published_addresses", False, kind=bool),
    )
    published_addresses = ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
    example = """{
  "ticker": "{{ticker}}",
  "action": "{{strategy.order.action}}",
  "contracts": "{{strategy.order.contracts}}",
  "price": "{{strategy.order.price}}",
  "market_position": "{{strategy.market_position}}",
  "market_position_size": "{{strategy.market_position_size}}",
  "prev_market_position": "{{strategy.prev_market_position}}",
  "prev_market_position_size": "{{strategy.prev_market_position_size}}",
  "order_id": "{{strategy.order.id}}",
  "timenow": "{{timenow}}",
  "token": "tdm_…"
}"""

    def read(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        text = text_of(payload)
        refuse_placeholders(text)
        fields = _fields(payload, text)
        signal = _signal(fields, payload, config, symbols)
        timed = first(fields, "timenow", "timestamp", "alert_time", "time", "bar_time")
        return Parsed((signal,), alert_time="" if timed is None else str(timed))


def _fields(payload: Payload, text: str) -> dict[str, Any]:
    """One table of fields, whatever the template looks like."""
    if text.lstrip()[:1] in "{[":
        try:
            document = json_of(payload)
        except SignalFormatError as error:
            raise ParseProblem(ProblemCode.INVALID_JSON, message=error.message) from error
        if not isinstance(document, Mapping):
            raise ParseProblem(ProblemCode.NOT_AN_OBJECT)
        return flattened(document, nested=_NESTED)
    sentence = _DEFAULT_SENTENCE.search(plain_text(text))
    if sentence:
        return _from_sentence(sentence)
    pairs = {
        match["key"]: match["value"].strip("\"'") for match in _PAIR.finditer(plain_text(text))
    }
    fields = flattened(pairs)
    return fields or _from_words(plain_text(text))


def _from_sentence(sentence: re.Match[str]) -> dict[str, Any]:
    """The default message tells the position after the order only; the one before follows."""
    after = number(sentence["position"], "position") or Decimal(0)
    size = positive(sentence["size"], "contracts") or Decimal(0)
    side = sentence["side"].lower()
    before = after - (size if side == "buy" else -size)
    return {
        "ticker": sentence["symbol"],
        "action": side,
        "contracts": size,
        "market_position": _name(after),
        "market_position_size": abs(after),
        "prev_market_position": _name(before),
        "prev_market_position_size": abs(before),
    }


def _name(position: Decimal) -> str:
    return "long" if position > 0 else "short" if position < 0 else "flat"


def _from_words(text: str) -> dict[str, Any]:
    """`BUY BTCUSDT`, `close long BTCUSDT.P`: an action and a symbol, and nothing else."""
    words = text.split()
    for length in (2, 1):
        for ours, other in ((words[:length], words[length:]), (words[-length:], words[:-length])):
            action = "_".join(ours).lower()
            if len(other) == 1 and (action in _ACTIONS or action in ("buy", "sell")):
                return {"action": action, "ticker": other[0]}
    raise ParseProblem(ProblemCode.TEMPLATE_UNKNOWN)


def _signal(
    fields: Mapping[str, Any], payload: Payload, config: ParserConfig, symbols: SymbolBook
) -> CanonicalSignal:
    written = first(fields, "ticker", "symbol", "instrument", "pair", "tv_instrument", "market")
    symbol = symbol_in(symbols, written)
    step = _step(fields, config)
    size, basis = sized(step, config["size_basis"])
    entry = step.action in (Action.OPEN, Action.INCREASE, Action.FLIP)
    stop = positive(first(fields, "stop_loss", "sl", "stop"), "stop_loss") if entry else None
    goals = _goals(fields) if entry else []
    limit = word(fields.get("order_type")) == "limit" and entry
    emitted = first(fields, "timenow", "timestamp", "alert_time")
    return CanonicalSignal(
        action=step.action,
        symbol=symbol,
        side=step.side,
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        price=positive(first(fields, "order_price", "price", "close", "entry"), "price"),
        size=size,
        size_basis=basis,
        leverage=positive(fields.get("leverage"), "leverage"),
        stop_loss=stop,
        take_profit=goals[0] if len(goals) == 1 else None,
        targets=equal_targets(goals) if len(goals) > 1 else (),
        emitted_at=_emitted_at(emitted, payload.received_at),
        sequence=sequence_of(fields.get("sequence")),
    )


def _emitted_at(value: Any, received_at: datetime) -> datetime:
    return moment(value, "timenow") or received_at


def _goals(fields: Mapping[str, Any]) -> list[Decimal]:
    names = ("take_profit", "tp", "tp1", "tp2", "tp3", "tp4", "take_profit_1", "take_profit_2")
    found = [positive(fields.get(name), name) for name in names]
    return [goal for goal in found if goal is not None]


def _step(fields: Mapping[str, Any], config: ParserConfig) -> Step:
    action = word(first(fields, "action", "order_action", "side", "order", "signal", "direction"))
    after = word(first(fields, "market_position", "position"))
    before = word(first(fields, "prev_market_position", "previous_market_position"))
    contracts = positive(
        first(fields, "contracts", "order_contracts", "quantity", "qty", "size", "amount"),
        "contracts",
    )
    after_size = _unsigned(first(fields, "market_position_size", "position_size"))
    if before in POSITIONS and after in POSITIONS:
        report = PositionReport(
            before=before,
            after=after,
            order_side=action,
            order_size=contracts,
            size_before=_unsigned(fields.get("prev_market_position_size")),
            size_after=after_size,
        )
        return step_of(report)
    if action in _ACTIONS:
        known, side = _ACTIONS[action]
        return _plain(known, side, contracts)
    if action not in SIDES:
        code = ProblemCode.ACTION_UNKNOWN if action else ProblemCode.DIRECTION_MISSING
        raise ParseProblem(code, value=action)
    if after == "flat":
        # An order that ends flat closed what was on its other side.
        return Step(Action.CLOSE, Side.LONG if action == "sell" else Side.SHORT)
    plain = _PLAIN_ORDERS.get(config["plain_orders"])
    if plain is None:
        raise ParseProblem(ProblemCode.DIRECTION_UNCLEAR, value=action)
    known, side = plain[action]
    return _plain(known, side, contracts)


def _plain(action: Action, side: Side | None, contracts: Decimal | None) -> Step:
    return Step(action, side, size=contracts)


def _unsigned(value: Any) -> Decimal | None:
    amount = number(value, "market_position_size")
    return None if amount is None else abs(amount)


PARSER = TradingView()
