"""Messages of trading channels: `LONG BTC 64000-64500 SL 62000 TP1 66000 TP2 68000 10x`.

English and Chinese. A message is a signal only if it says one direction and one listed symbol and
if every price in it is explained; all else is a problem with its reason. Chat is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from signals_app.domain.canonical import (
    Action,
    CanonicalSignal,
    OrderType,
    Side,
    SizeBasis,
    Target,
    equal_targets,
)
from signals_app.domain.errors import SignalFormatError
from signals_app.domain.parsers import channel_words as words
from signals_app.domain.parsers.base import Parsed, Parser, ParserConfig, Payload, Setting
from signals_app.domain.parsers.problems import Ignored, ParseProblem, ProblemCode
from signals_app.domain.parsers.reading import json_of, moment, symbol_in, text_of
from signals_app.domain.symbol_aliases import SymbolBook, SymbolProblem

MAX_PRICE_RATIO = Decimal(10)
"""Between the lowest and the highest price of one message."""
MAX_ENTRIES = 6
_NEAR = 40
_MARK = "\x01"
"""Where a symbol stood."""
_UNLISTED = "\x02"
"""Where a tag stood that names no listed symbol."""
_HUNDRED = Decimal(100)
_TEXT_PATHS = ("text", "message", "content", "caption", "body", "msg")
_ENVELOPES = ("message", "channel_post", "edited_channel_post", "edited_message", "data")


class ChannelText(Parser):
    name = "channel_text"
    title = "Channel message"
    settings = (
        Setting("entry_order", "limit", ("limit", "market")),
        Setting("use_size", False, kind=bool),
    )
    example = "LONG BTC 64000-64500 SL 62000 TP1 66000 TP2 68000 10x"

    def read(self, payload: Payload, config: ParserConfig, symbols: SymbolBook) -> Parsed:
        message = _message(payload)
        text = words.tidy(message.text)
        symbol, rest = _symbol(text, symbols)
        stance = _stance(rest, symbol)
        if symbol is None:
            raise ParseProblem(ProblemCode.SYMBOL_MISSING)
        emitted_at = message.sent_at or payload.received_at
        if stance.action in (Action.CLOSE, Action.REDUCE):
            signal = CanonicalSignal(
                action=stance.action,
                symbol=symbol,
                side=stance.side,
                size=stance.fraction,
                size_basis=SizeBasis.POSITION_FRACTION if stance.fraction else None,
                emitted_at=emitted_at,
            )
        else:
            signal = _entry(stance, symbol, rest, emitted_at, config)
        return Parsed((signal,), alert_id=message.id)


@dataclass(frozen=True, slots=True)
class _Message:
    text: str
    id: str = ""
    sent_at: datetime | None = None


def _message(payload: Payload) -> _Message:
    """The text itself, or what a forwarder wraps it in (`{"text": …}`, a Telegram update)."""
    text = text_of(payload)
    if not text.lstrip().startswith("{"):
        return _Message(text)
    try:
        document = json_of(payload)
    except SignalFormatError:
        return _Message(text)
    for name in _ENVELOPES:
        inner = document.get(name)
        if isinstance(inner, Mapping):
            document = inner
    for name in _TEXT_PATHS:
        value = document.get(name)
        if isinstance(value, str) and value.strip():
            return _Message(value, _message_id(document), moment(document.get("date"), "date"))
    raise ParseProblem(ProblemCode.MISSING_FIELD, field="text")


def _message_id(document: Mapping[str, Any]) -> str:
    number = document.get("message_id", document.get("id"))
    chat = document.get("chat")
    where = chat.get("id") if isinstance(chat, Mapping) else ""
    return "" if number is None else f"{where}/{number}"[:80]


# --- which symbol -------------------------------------------------------------------------------


def _symbol(text: str, book: SymbolBook) -> tuple[str | None, str]:
    """The one symbol and the text without it. Pairs and #tags count before bare words."""
    found: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        written = re.sub(r" ", "", match[0])
        found.setdefault(symbol_in(book, written), match[0])
        return _MARK

    rest = words.PAIR.sub(take, text)

    def take_tag(match: re.Match[str]) -> str:
        if match[0][1:] in words.NEVER_SYMBOLS:
            return match[0][1:]
        try:
            found.setdefault(book.resolve(match[0]), match[0])
        except SymbolProblem:
            unresolved.append(match[0])
            return _UNLISTED
        return _MARK

    unresolved: list[str] = []
    rest = words.TAG.sub(take_tag, rest)
    rest = words.without_noise(rest)
    rest = _take_words(rest, book, found)
    if len(found) > 1:
        raise ParseProblem(ProblemCode.SYMBOL_SEVERAL, symbols=", ".join(sorted(found)))
    if unresolved and not found:
        symbol_in(book, unresolved[0])  # raises the precise problem
    if unresolved and _names_another(rest, unresolved):
        named = ", ".join([*sorted(found), *unresolved])
        raise ParseProblem(ProblemCode.SYMBOL_SEVERAL, symbols=named)
    return next(iter(found), None), rest


def _names_another(text: str, unresolved: list[str]) -> bool:
    """A tag that names no listed symbol is a remark, as #signals is: but not with a $ before it,
    nor beside the direction, nor joined to a symbol."""
    return any(tag.startswith("$") for tag in unresolved) or bool(_ANOTHER.search(text))


_DIRECTION = f"(?:{words.LONG.pattern}|{words.SHORT.pattern}|{words.EXIT.pattern})"
_BESIDE = r"[\s:,-]*"
_JOINT = r" ?(?:AND|OR|&|,|/|\+|和|与|或) ?"
_ANOTHER = re.compile(
    f"{_DIRECTION}{_BESIDE}{_UNLISTED}"
    f"|{_UNLISTED}{_BESIDE}{_DIRECTION}(?!{_BESIDE}{_MARK})"
    f"|{_UNLISTED}{_JOINT}{_MARK}|{_MARK}{_JOINT}{_UNLISTED}"
)


def _take_words(text: str, book: SymbolBook, found: dict[str, str]) -> str:
    for name, base in words.NAMES.items():
        if name in text and base in book.bases:
            found.setdefault(symbol_in(book, base), name)
            text = text.replace(name, _MARK)

    def take(match: re.Match[str]) -> str:
        word = match[0]
        base = {"XBT": "BTC"}.get(word, word)
        multiplied = words.MULTIPLIED.fullmatch(word)
        if multiplied and multiplied[1] in book.bases:
            symbol_in(book, word)  # raises, unless the venue lists it like that
        if word in words.NEVER_SYMBOLS or base not in book.bases:
            return word
        if word in words.COMMON_WORDS or len(word) == 1:
            return word
        found.setdefault(symbol_in(book, word), word)
        return _MARK

    text = words.WORD.sub(take, text)

    def take_common(match: re.Match[str]) -> str:
        word = match[0]
        if word in words.NEVER_SYMBOLS or word not in book.bases or not _is_meant(match, found):
            return word
        found.setdefault(symbol_in(book, word), word)
        return _MARK

    return words.WORD.sub(take_common, text)


def _is_meant(match: re.Match[str], found: Mapping[str, str]) -> bool:
    """A coin whose name is a word: beside the direction, or joined to another coin."""
    if found:
        return bool(_JOINED.search(match.string[max(0, match.start() - _NEAR) : match.start()]))
    return _beside_direction(match)


_JOINED = re.compile(f"{_MARK} ?(?:AND|&|,|/|\\+|和|与) ?$")


def _beside_direction(match: re.Match[str]) -> bool:
    # A word is that near: in a long text it is not looked for from the beginning each time.
    near = match.string[max(0, match.start() - _NEAR) : match.start()]
    far = match.string[match.end() : match.end() + _NEAR]
    before = re.split(r"[\s:,/-]+", near.rstrip(" :,-"))[-1]
    after = re.split(r"[\s:,/-]+", far.lstrip(" :,-"))[0]
    return any(
        pattern.fullmatch(beside)
        for pattern in (words.LONG, words.SHORT, words.EXIT)
        for beside in (before, after)
    )


# --- what to do ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stance:
    action: Action
    side: Side | None
    fraction: Decimal | None = None


def _stance(text: str, symbol: str | None) -> _Stance:
    amendment = words.AMENDMENT.search(text) or words.CANCEL.search(text)
    # What SELL and EXIT name in "Buy 64000, sell 66000" is where to take profit.
    plain = _LABELLED_EXIT.sub(" ", text)
    not_now = words.NOT_NOW.search(plain)
    exits = words.EXIT.search(plain)
    reduces = words.REDUCE.search(plain)
    is_long, is_short = bool(words.LONG.search(plain)), bool(words.SHORT.search(plain))
    if amendment:
        raise ParseProblem(ProblemCode.ACTION_UNKNOWN, value=amendment[0].strip())
    if not (exits or reduces) and words.REPORT.search(plain):
        raise Ignored(ProblemCode.CHAT)
    closing = exits or reduces
    if closing and (is_long or is_short) and _is_a_plan(text):
        raise ParseProblem(ProblemCode.NOT_NOW, value=closing[0])
    if not_now:
        raise ParseProblem(ProblemCode.NOT_NOW, value=_readable(not_now[0]))
    if exits or reduces:
        return _exit(plain, is_long, is_short, only_part=bool(reduces) and not exits)
    if is_long and is_short:
        raise ParseProblem(ProblemCode.DIRECTION_CONFLICT)
    if not (is_long or is_short):
        if symbol is not None and words.PRICED.search(plain):
            raise ParseProblem(ProblemCode.DIRECTION_MISSING, value="")
        raise Ignored(ProblemCode.CHAT)
    if symbol is not None and ":" not in symbol and is_short and words.SELL_ONLY.search(plain):
        raise ParseProblem(ProblemCode.DIRECTION_UNCLEAR, value="SELL")
    side = Side.LONG if is_long else Side.SHORT
    if words.FLIP.search(plain):
        return _Stance(Action.FLIP, side)
    if words.INCREASE.search(plain):
        return _Stance(Action.INCREASE, side)
    return _Stance(Action.OPEN, side)


def _is_a_plan(text: str) -> bool:
    return bool(
        words.STOPPED_AT.search(text)
        and words.AIMS_AT.search(text)
        and not words.REPORT.search(text)
    )


def _readable(part: str) -> str:
    return re.sub(f"[{_MARK}{_UNLISTED}]", "…", part).strip()


_LABELLED_EXIT = re.compile(
    r"(?<![A-Z])(?:EXIT|SELL)(?: (?:TARGETS?|ZONE|PRICES?|AT))? ?[:=] ?(?=\$?\d)"
)


def _exit(text: str, is_long: bool, is_short: bool, *, only_part: bool) -> _Stance:
    is_long = is_long or bool(words.EXIT_LONG.search(text))
    is_short = is_short or bool(words.EXIT_SHORT.search(text))
    if is_long and is_short:
        raise ParseProblem(ProblemCode.DIRECTION_CONFLICT)
    side = Side.LONG if is_long else Side.SHORT if is_short else None
    fraction = _fraction(text)
    if fraction is None and only_part:
        raise ParseProblem(ProblemCode.MISSING_FIELD, field="size")
    if fraction is None or fraction >= 1:
        return _Stance(Action.CLOSE, side)
    return _Stance(Action.REDUCE, side, fraction)


def _fraction(text: str) -> Decimal | None:
    """Which part an exit names; None for all of it. Two different ones are a problem."""
    found = {Decimal(match[1]) / _HUNDRED for match in words.PERCENT.finditer(text)}
    if words.HALF.search(text):
        found.add(Decimal("0.5"))
    for match in words.PARTS.finditer(text):
        found.add(_part(int(match[1]), int(match[2])))
    for match in words.CHINESE_PARTS.finditer(text):
        found.add(_part(words.CHINESE_DIGITS[match[2]], words.CHINESE_DIGITS[match[1]]))
    found.discard(Decimal(0))
    if len(found) > 1:
        raise ParseProblem(ProblemCode.SEVERAL_VALUES, field="size", path="")
    return next(iter(found), None)


def _part(of: int, parts: int) -> Decimal:
    return (Decimal(of) / parts).quantize(Decimal("1e-16"))


# --- at which prices ----------------------------------------------------------------------------


@dataclass
class _Prices:
    """Numbers by what stands before them, as found."""

    loose: list[Decimal] = field(default_factory=list)
    entry: list[Decimal] = field(default_factory=list)
    stop: list[Decimal] = field(default_factory=list)
    target: list[Decimal] = field(default_factory=list)
    percents: dict[str, list[Decimal]] = field(default_factory=dict)
    leverage: list[Decimal] = field(default_factory=list)


_SCAN = re.compile(
    f"{words.LABELS.pattern}|(?P<mark>[{_MARK}{_UNLISTED}])|(?P<skip>{words.ENUMERATOR.pattern})"
    f"|(?P<number>{words.NUMBER.pattern})"
)


def _prices(text: str) -> _Prices:
    prices = _Prices()

    def lever(match: re.Match[str]) -> str:
        value = match["low"] or match["one"] or match["after"]
        prices.leverage.append(Decimal(value))
        return " "

    text = words.LEVERAGE.sub(lever, text)
    text = _LABELLED_EXIT.sub(" TARGET ", text)
    label, position = "loose", 0
    while match := _SCAN.search(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind in ("entry", "target", "stop", "leverage", "size"):
            label = kind
            index = words.INDEX.match(text, position) if kind != "leverage" else None
            position = index.end() if index else position
        elif match["number"] is not None:
            following = text[position : position + 12]
            _note(prices, label, match, following)
    return prices


def _note(prices: _Prices, label: str, match: re.Match[str], following: str) -> None:
    value = Decimal(match["digits"].replace(",", ""))
    if match["percent"]:
        prices.percents.setdefault(label, []).append(value)
        return
    unit = match["unit"]
    if not unit:
        # 64-65k: the unit at the end of a range is meant for both.
        shared = re.match(r" ?- ?\$?(\d+(?:\.\d+)?) ?(K|W|万|千)(?![A-Z])", following)
        unit = shared[2] if shared and value < Decimal(shared[1]) * 10 else None
    value *= words.UNITS.get(unit or "", 1)
    if label == "leverage":
        prices.leverage.append(value)
    elif label != "size" and value > 0:
        getattr(prices, label).append(value)


def _entry(
    stance: _Stance, symbol: str, text: str, emitted_at: datetime, config: ParserConfig
) -> CanonicalSignal:
    prices = _prices(text)
    if prices.entry and prices.loose:
        raise ParseProblem(ProblemCode.PRICE_UNEXPLAINED, value=str(prices.loose[0]))
    entries = sorted(set(prices.entry or prices.loose))
    _check(prices, entries)
    targets = _targets(prices, stance)
    is_market = config["entry_order"] == "market" or not entries
    is_market = is_market or bool(words.MARKET.search(text))
    is_long = stance.side is Side.LONG
    price = None if not entries else entries[-1] if is_long else entries[0]
    ranged = len(entries) > 1
    size = _size(prices, config)
    return CanonicalSignal(
        action=stance.action,
        symbol=symbol,
        side=stance.side,
        order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
        price=price,
        size=size,
        size_basis=SizeBasis.EQUITY_FRACTION if size else None,
        leverage=min(prices.leverage) if prices.leverage else None,
        stop_loss=prices.stop[0] if prices.stop else None,
        take_profit=targets[0].price if len(targets) == 1 else None,
        targets=targets if len(targets) > 1 else (),
        entry_low=entries[0] if ranged else None,
        entry_high=entries[-1] if ranged else None,
        emitted_at=emitted_at,
    )


def _check(prices: _Prices, entries: list[Decimal]) -> None:
    for label, name in (("stop", "stop_loss"), ("target", "take_profit")):
        if prices.percents.get(label) and not getattr(prices, label):
            raise ParseProblem(ProblemCode.TARGET_NOT_A_PRICE, field=name)
    if len(prices.entry or prices.loose) > MAX_ENTRIES:
        raise ParseProblem(ProblemCode.SEVERAL_VALUES, field="price", path="")
    if len(set(prices.stop)) > 1:
        raise ParseProblem(ProblemCode.SEVERAL_VALUES, field="stop_loss", path="")
    every = [*entries, *prices.stop, *prices.target]
    if every and max(every) > min(every) * MAX_PRICE_RATIO:
        low, high = format(min(every), "f"), format(max(every), "f")
        raise ParseProblem(ProblemCode.PRICES_FAR_APART, low=low, high=high)


def _targets(prices: _Prices, stance: _Stance) -> tuple[Target, ...]:
    """From the nearest on. Percentages that make up 100 are the parts, any others are gains."""
    parts = prices.percents.get("target", [])
    away = stance.side is Side.SHORT
    if len(parts) == len(prices.target) and sum(parts) == _HUNDRED:
        pairs = sorted(zip(prices.target, parts, strict=True), reverse=away)
        return tuple(Target(price, part / _HUNDRED) for price, part in pairs)
    return equal_targets(sorted(set(prices.target), reverse=away))


def _size(prices: _Prices, config: ParserConfig) -> Decimal | None:
    shares = prices.percents.get("size", [])
    if not config["use_size"] or len(shares) != 1 or not 0 < shares[0] <= _HUNDRED:
        return None
    return shares[0] / _HUNDRED


PARSER = ChannelText()
