"""Whether each account ended as its settings say, by the exchange's own fills. Pure.

The price at which a limit is reached is computed here from the entry's fills. What was lost beyond
it is taken apart by the prices that the script set:

- waiting: from the first price beyond the limit until the exit was written down;
- sending: from there until the exchange filled it;
- book: from the market's price then to the fills' prices;
- fee: of the exit.

A part is explained when the time or the distance in it is within what is allowed, and the parts
have to add up to the loss.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
HUNDRED = Decimal(100)
CENT = Decimal("0.01")
WAITING_AT_MOST_MS = 10_000
SENDING_AT_MOST_MS = 8_000
STOP_AT_MOST_MS = 1_500
"""The exchange's own stops go off with the price."""
BOOK_AT_MOST = Decimal("0.01")
"""Of the price; so far the exits of all may eat into the book."""
TOO_SOON = Decimal("0.001")
"""Of the price: no exit is decided on so far before its limit."""
MAINTENANCE = Decimal("0.0045")
"""Of the exchange's first tier, with the fee of a liquidation."""


class Kind(StrEnum):
    LOSS = "loss"
    FALL = "fall"
    STOP = "stop"
    NONE = "none"
    MONITOR_CLOSE = "monitor_close"
    MONITOR_REDUCE = "monitor_reduce"
    MONITOR_ENTRIES = "monitor_entries"


@dataclass(frozen=True, slots=True)
class Guard:
    """What protects an account: dollars of net loss or of the day, or percent of equity, price,
    or distance to liquidation. `equity`: before the entry."""

    kind: Kind
    limit: Decimal
    equity: Decimal


@dataclass(frozen=True, slots=True)
class Fill:
    at_ms: int
    is_buy: bool
    coins: Decimal
    price: Decimal
    fee: Decimal
    """Positive is paid."""
    is_liquidation: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """An account after the crash; `decided_ms`: when its exit was written down."""

    label: str
    guard: Guard
    fills: Sequence[Fill]
    status: str
    end_code: str
    decided_ms: int | None
    actions: Sequence[str]
    """What the monitor did, one each time."""
    entries_stopped: bool


Path = Sequence[tuple[int, Decimal]]
"""(time in ms, price), as the script set it."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What was lost beyond the limit, in dollars, and how long it took."""

    label: str
    kind: Kind
    total: Decimal
    waiting: Decimal
    sending: Decimal
    book: Decimal
    fee: Decimal
    waited_ms: int
    sent_ms: int

    @property
    def rest(self) -> Decimal:
        return self.total - self.waiting - self.sending - self.book - self.fee


@dataclass
class Verdict:
    wrong: list[str] = field(default_factory=list)
    """Did not end as set."""
    unexplained: list[str] = field(default_factory=list)
    rows: list[Excess] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.wrong and not self.unexplained

    def sentences(self) -> list[str]:
        return [f"wrong: {text}" for text in self.wrong] + [
            f"unexplained: {text}" for text in self.unexplained
        ]


@dataclass(frozen=True, slots=True)
class _End:
    status: str
    end_code: str
    kept: Decimal
    """Part of the position that is still held."""
    actions: tuple[str, ...] = ()
    entries_stopped: bool = False


_ENDS = {
    Kind.LOSS: _End("stopped", "loss_limit", ZERO),
    Kind.FALL: _End("stopped", "equity_fall", ZERO),
    Kind.STOP: _End("active", "", ZERO),
    Kind.NONE: _End("active", "", Decimal(1)),
    Kind.MONITOR_CLOSE: _End("stopped", "risk", ZERO, ("close",)),
    Kind.MONITOR_REDUCE: _End("active", "", Decimal("0.5"), ("reduce",)),
    Kind.MONITOR_ENTRIES: _End("active", "", Decimal(1), ("stop_entries",), entries_stopped=True),
}


def judge(outcomes: Sequence[Outcome], path: Path) -> Verdict:
    verdict = Verdict()
    for outcome in outcomes:
        wrong = _wrong(outcome)
        verdict.wrong += [f"{outcome.label}: {text}" for text in wrong]
        if not wrong and outcome.guard.kind not in (Kind.NONE, Kind.MONITOR_ENTRIES):
            _explain(outcome, path, verdict)
    return verdict


def is_as_set(outcome: Outcome) -> bool:
    return not _wrong(outcome)


def _wrong(outcome: Outcome) -> list[str]:
    end = _ENDS[outcome.guard.kind]
    bought = _coins(outcome, is_buy=True)
    held = bought - _coins(outcome, is_buy=False)
    found = []
    if not bought:
        return ["never held anything"]
    if held != bought * end.kept:
        found.append(f"holds {held} of {bought}")
    if any(fill.is_liquidation for fill in outcome.fills):
        found.append("was liquidated")
    for name in ("status", "end_code", "actions", "entries_stopped"):
        is_, meant = getattr(outcome, name), getattr(end, name)
        if (tuple(is_) if name == "actions" else is_) != meant:
            found.append(f"{name} is {is_!r}, {meant!r} was set")
    return found


def _coins(outcome: Outcome, *, is_buy: bool) -> Decimal:
    return sum((fill.coins for fill in outcome.fills if fill.is_buy is is_buy), ZERO)


def limit_price(outcome: Outcome) -> Decimal:
    """Of the market, at which what protects the account is reached; nothing was sold yet."""
    guard = outcome.guard
    coins = _coins(outcome, is_buy=True)
    paid = sum((fill.coins * fill.price for fill in outcome.fills if fill.is_buy), ZERO)
    fee = sum((fill.fee for fill in outcome.fills if fill.is_buy), ZERO)
    entry = paid / coins
    match guard.kind:
        case Kind.STOP:
            return entry * (1 - guard.limit / HUNDRED)
        case Kind.LOSS:
            loss = guard.limit
        case Kind.MONITOR_REDUCE:
            # liquidation at q: equity − fee + coins·(q − entry) = coins·q·rate
            at = (paid - guard.equity + fee) / (coins * (1 - MAINTENANCE))
            return at / (1 - guard.limit / HUNDRED)
        case _:
            loss = guard.equity * guard.limit / HUNDRED
    return entry - (loss - fee) / coins


def _explain(outcome: Outcome, path: Path, verdict: Verdict) -> None:
    label, guard = outcome.label, outcome.guard
    limit = limit_price(outcome)
    crossed = next(((at, price) for at, price in path if price <= limit), None)
    if crossed is None:
        verdict.unexplained.append(f"{label}: sold, but {limit:.1f} was never reached")
        return
    exits = [fill for fill in outcome.fills if not fill.is_buy]
    filled_ms = max(fill.at_ms for fill in exits)
    decided_ms = crossed[0] if outcome.decided_ms is None else outcome.decided_ms
    coins = sum((fill.coins for fill in exits), ZERO)
    at_decision = price_at(path, decided_ms)
    # At the time of each fill.
    at_fills = sum((fill.coins * price_at(path, fill.at_ms) for fill in exits), ZERO)
    got = sum((fill.coins * fill.price for fill in exits), ZERO)
    fee = sum((fill.fee for fill in exits), ZERO)
    row = Excess(
        label=label,
        kind=guard.kind,
        total=limit * coins - got + fee,
        waiting=(limit - at_decision) * coins,
        sending=at_decision * coins - at_fills,
        book=at_fills - got,
        fee=fee,
        waited_ms=decided_ms - crossed[0],
        sent_ms=filled_ms - decided_ms,
    )
    verdict.rows.append(row)
    verdict.unexplained += [f"{label}: {text}" for text in _unexplained(row, outcome, limit, path)]


def _unexplained(row: Excess, outcome: Outcome, limit: Decimal, path: Path) -> list[str]:
    found = []
    if abs(row.rest) > CENT:
        found.append(f"{row.rest:.2f} of {row.total:.2f} have no reason")
    if row.waited_ms > WAITING_AT_MOST_MS:
        found.append(f"it took {row.waited_ms} ms to decide")
    by_venue = row.kind is Kind.STOP
    if row.sent_ms > (STOP_AT_MOST_MS if by_venue else SENDING_AT_MOST_MS):
        found.append(f"it took {row.sent_ms} ms to fill")
    if outcome.decided_ms is not None:
        decided_at = price_at(path, outcome.decided_ms)
        if decided_at > limit * (1 + TOO_SOON):
            found.append(f"it was decided at {decided_at}, before {limit:.1f}")
    for fill in outcome.fills:
        market = price_at(path, fill.at_ms)
        if not fill.is_buy and market - fill.price > market * BOOK_AT_MOST:
            found.append(f"it was filled at {fill.price}, the market was at {market}")
    return found


def price_at(path: Path, at_ms: int) -> Decimal:
    """The last one that was set by then."""
    place = bisect_right([at for at, _ in path], at_ms)
    return path[max(place - 1, 0)][1]
