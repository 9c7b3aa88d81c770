"""Whether each change of a leader was followed once, and our books are the exchange's. Pure.

What a storm has in common with every run (one order per decision, equal rows, nobody without a
decision) is judged by tests.chaos.verdict; what leaders and clients' own hands add is here:

- each trade of a leader is in one signal, and the signals are one way from flat to what it holds;
- each decision moves its copy's target by what is computed here again from the documented rules
  (docs/flow.md, docs/leaders.md), and nothing but what has a name moves it in between;
- copies + unattributed = what the exchange's ledger adds up to, side by side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from config.demo.reconcile import BookedOrder, inst_id
from tests.chaos.verdict import Books, Ledger, judge

ZERO = Decimal(0)
ENTRIES, REDUCE, CLOSE, FLIP = ("open", "increase"), "reduce", "close", "flip"
MOVES = (*ENTRIES, REDUCE, CLOSE, FLIP)
PRICES_APART = Decimal("0.02")
"""An entry is sized by value, at the price that the follower sees: this much from the leader's."""
LOT = Decimal("0.01")
AROUND = timedelta(seconds=1)
"""Times of rows are those of their transactions' beginnings."""


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One trade of a leader, as it was noted here."""

    symbol: str
    trade_id: str
    outcome: str
    signal_id: str


@dataclass(frozen=True, slots=True)
class SignalRow:
    """`trades`: those that it says it includes. `skip_code`: why nobody follows it."""

    id: str
    source_id: str
    action: str
    symbol: str
    before: Decimal | None
    after: Decimal | None
    is_limit: bool
    skip_code: str
    trades: tuple[str, ...]
    order: tuple[str, str, str] | None
    """Of a leader's resting order: its id, price and quantity; without these when it is over."""


@dataclass(frozen=True, slots=True)
class LeaderRows:
    name: str
    api_key: str
    source_id: str
    follows_working: bool
    trades: Sequence[TradeRow]
    signals: Sequence[SignalRow]
    """In the order in which they were made."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one follower of a signal: its intents, of which a turn has two."""

    signal_id: str
    subscription_id: str
    symbol: str
    ratio: Decimal
    target_before: Decimal
    target_after: Decimal
    reasons: tuple[str, ...]
    """Of the intents that were skipped."""
    has_order: bool
    at: datetime
    exit_direction: int = 0
    """Of what is closed: 1 buys."""
    rested: Decimal = ZERO
    """What his resting order had brought already, when the leader's was filled and the rest of it
    is entered at once; unsigned."""


@dataclass(frozen=True, slots=True)
class Named:
    """What moves a target apart from decisions, and has a name: a finding, an order that ended
    without all of its fills, another attempt of an exit."""

    subscription_id: str
    symbol: str
    at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Rest:
    """What no copy accounts for; signed."""

    api_key: str
    symbol: str
    side: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Copy:
    subscription_id: str
    api_key: str
    symbol: str
    filled: Decimal
    target: Decimal


@dataclass(frozen=True, slots=True)
class StormBooks:
    """All rows of ours that the comparison takes."""

    chaos: Books
    leaders: Sequence[LeaderRows]
    decisions: Sequence[Decision]
    named: Sequence[Named]
    copies: Sequence[Copy]
    rests: Sequence[Rest]
    shown: Sequence[Rest]
    """Positions as the exchange was last heard to say them; signed."""
    hedged: frozenset[str]
    """API keys of accounts in hedge mode."""
    unbooked: int = 0
    """Fills by hand that no books have taken in yet."""


@dataclass
class StormVerdict:
    doubled: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    book_differences: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not (self.doubled or self.missed or self.book_differences)

    def sentences(self) -> list[str]:
        return [
            f"{kind}: {sentence}"
            for kind in ("doubled", "missed", "book_differences")
            for sentence in getattr(self, kind)
        ]


def judge_storm(books: StormBooks, ledger: Ledger) -> StormVerdict:
    """`ledger`: the exchange's, of leaders and clients."""
    verdict = StormVerdict()
    for leader in books.leaders:
        _compare_leader(leader, ledger, verdict)
    _compare_rows(books, ledger, verdict)
    _compare_sides(books, ledger, verdict)
    _compare_targets(books, verdict)
    return verdict


# --- leaders ------------------------------------------------------------------------------------


def _compare_leader(leader: LeaderRows, ledger: Ledger, verdict: StormVerdict) -> None:
    fills = [row for row in ledger["fills"] if row["apiKey"] == leader.api_key]
    name = f"leader {leader.name}"
    noted = Counter((inst_id(trade.symbol), trade.trade_id) for trade in leader.trades)
    verdict.missed += [
        f"{name}: trade {row['tradeId']} of {row['instId']} was never heard of"
        for row in fills
        if (row["instId"], row["tradeId"]) not in noted
    ]
    verdict.doubled += [
        f"{name}: trade {trade_id} of {instrument} is noted {count} times"
        for (instrument, trade_id), count in noted.items()
        if count > 1
    ]
    included = Counter(
        (signal.symbol, trade_id)
        for signal in leader.signals
        # The two parts of a turn whose entry is refused are of the same trades.
        if not signal.skip_code
        for trade_id in signal.trades
    )
    verdict.doubled += [
        f"{name}: trade {trade_id} of {symbol} is in {count} signals"
        for (symbol, trade_id), count in included.items()
        if count > 1 and not _in_two_groups(leader.signals, symbol, trade_id)
    ]
    _compare_orders_told(leader, verdict)
    if not leader.follows_working:
        _compare_way(leader, fills, verdict)


def _in_two_groups(signals: Iterable[SignalRow], symbol: str, trade_id: str) -> bool:
    """Missed trades are followed in two steps, old and fresh ones, which name all of them: each
    step begins where the other one ended."""
    mine = [s for s in signals if s.symbol == symbol and trade_id in s.trades]
    return len({signal.trades for signal in mine}) == 1 and all(
        first.after == second.before for first, second in pairwise(mine)
    )


def _compare_orders_told(leader: LeaderRows, verdict: StormVerdict) -> None:
    """A resting order is told again only when it is another one."""
    told: dict[str, tuple[str, str, str]] = {}
    for signal in leader.signals:
        if signal.order is None or signal.action == "cancel":
            continue
        order_id = signal.order[0]
        if told.get(order_id) == signal.order:
            verdict.doubled.append(
                f"leader {leader.name}: order {signal.order} was handed on twice"
            )
        told[order_id] = signal.order


def _compare_way(
    leader: LeaderRows, fills: Sequence[Mapping[str, str]], verdict: StormVerdict
) -> None:
    """From flat to what the leader holds, each signal where the one before ended."""
    at: defaultdict[str, Decimal] = defaultdict(Decimal)
    for signal in leader.signals:
        if signal.action not in MOVES or signal.before is None or signal.after is None:
            continue
        if signal.before != at[signal.symbol]:
            verdict.missed.append(
                f"leader {leader.name}: signal {signal.id} begins at {signal.before} "
                f"{signal.symbol}, the one before ended at {at[signal.symbol]}"
            )
        at[signal.symbol] = signal.after
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in fills:
        held[row["instId"]] += _signed(row)
    told = {inst_id(symbol): quantity for symbol, quantity in at.items()}
    verdict.missed += [
        f"leader {leader.name} holds {held[name]} {name}, its signals lead to {told.get(name, 0)}"
        for name in sorted({*held, *told})
        if held[name] != told.get(name, ZERO)
    ]


def _signed(row: Mapping[str, str]) -> Decimal:
    return Decimal(row["fillSz"]) * (1 if row["side"] == "buy" else -1)


# --- rows ---------------------------------------------------------------------------------------


def _compare_rows(books: StormBooks, ledger: Ledger, verdict: StormVerdict) -> None:
    leaders = {leader.api_key for leader in books.leaders}
    of_clients = {
        name: [row for row in rows if row["apiKey"] not in leaders] for name, rows in ledger.items()
    }
    # Clients give their own orders no id.
    by_us = {**of_clients, "orders": [row for row in of_clients["orders"] if row["clOrdId"]]}
    by_us["orders"] = _as_sent(books.chaos.orders, by_us["orders"])
    followed = {
        signal.id
        for leader in books.leaders
        for signal in leader.signals
        if signal.action in MOVES and not signal.skip_code and not _is_superseded(signal, leader)
    }
    moving = {
        signal_id: told for signal_id, told in books.chaos.signals.items() if signal_id in followed
    }
    found = judge(replace(books.chaos, signals=moving), by_us, taken=(), flat=False)
    verdict.doubled += found.duplicates
    verdict.missed += [*found.lost, *found.unresolved]
    verdict.book_differences += found.wrong_size
    if books.unbooked:
        verdict.book_differences.append(f"{books.unbooked} fills by hand are in no books")


def _is_superseded(signal: SignalRow, leader: LeaderRows) -> bool:
    """The leader's resting order was changed or cancelled again: only the last word is followed."""
    return signal.order is not None and any(
        other.order is not None and other.order[0] == signal.order[0] and other.id > signal.id
        for other in leader.signals
    )


def _as_sent(
    orders: Sequence[BookedOrder], ledger: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The venue makes an exit smaller that is more than the position, and calls it filled; here it
    keeps its size, and is cancelled."""
    ours = {order.id: order for order in orders}
    rows = []
    for row in ledger:
        order = ours.get(row["clOrdId"])
        if order is not None and _is_shrunk(order, row):
            row = {**row, "sz": format(order.quantity, "f"), "state": "canceled"}
        rows.append(row)
    return rows


def _is_shrunk(order: BookedOrder, row: Mapping[str, Any]) -> bool:
    shrunk = row["reduceOnly"] == "true" and row["state"] == "filled"
    return shrunk and Decimal(row["accFillSz"]) == Decimal(row["sz"]) < order.quantity


def _compare_sides(books: StormBooks, ledger: Ledger, verdict: StormVerdict) -> None:
    ours: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for copy in books.copies:
        ours[copy.api_key, inst_id(copy.symbol), _side(books, copy.api_key, copy.filled)] += (
            copy.filled
        )
    for rest in books.rests:
        ours[rest.api_key, inst_id(rest.symbol), rest.side] += rest.quantity
    shown = {(row.api_key, inst_id(row.symbol), row.side): row.quantity for row in books.shown}
    there: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    leaders = {leader.api_key for leader in books.leaders}
    for row in ledger["fills"]:
        if row["apiKey"] not in leaders:
            there[row["apiKey"], row["instId"], row["posSide"]] += _signed(row)
    for name, rows in (("copies and the rest", ours), ("the position told", shown)):
        verdict.book_differences += [
            f"account {key[0]} {key[1]} {key[2]}: {name} are {rows.get(key, ZERO)}, "
            f"the ledger says {there.get(key, ZERO)}"
            for key in sorted({*rows, *there})
            if rows.get(key, ZERO) != there.get(key, ZERO)
        ]


def _side(books: StormBooks, api_key: str, held: Decimal) -> str:
    if api_key not in books.hedged:
        return "net"
    return "long" if held > 0 else "short"


# --- targets ------------------------------------------------------------------------------------


def _compare_targets(books: StormBooks, verdict: StormVerdict) -> None:
    signals = {signal.id: signal for leader in books.leaders for signal in leader.signals}
    by_copy: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in books.decisions:
        by_copy[decision.subscription_id, decision.symbol].append(decision)
    named: defaultdict[tuple[str, str], list[Named]] = defaultdict(list)
    for row in books.named:
        named[row.subscription_id, row.symbol].append(row)
    for copy in books.copies:
        key = (copy.subscription_id, copy.symbol)
        who = f"{copy.symbol} of subscription {copy.subscription_id}"
        target, last = ZERO, None
        for decision in sorted(by_copy[key], key=lambda each: (each.at, each.signal_id)):
            _compare_start(
                who, target, decision.target_before, last, decision.at, named[key], verdict
            )
            signal = signals.get(decision.signal_id)
            problem = wrong_step(signal, decision) if signal is not None else ""
            if signal is not None and problem:
                verdict.missed.append(f"{who}, signal {signal.id} ({signal.action}): {problem}")
            target, last = decision.target_after, decision.at
        _compare_start(who, target, copy.target, last, None, named[key], verdict)


def _compare_start(
    who: str,
    left_at: Decimal,
    found_at: Decimal,
    since: datetime | None,
    until: datetime | None,
    named: Sequence[Named],
    verdict: StormVerdict,
) -> None:
    if abs(left_at - found_at) < LOT:
        return  # what is too small for an order is carried, or not
    between = [
        row
        for row in named
        if (since is None or row.at >= since - AROUND)
        and (until is None or row.at <= until + AROUND)
    ]
    if not between:
        verdict.missed.append(
            f"{who}: its target went from {left_at} to {found_at}, and nothing says why"
        )


def wrong_step(signal: SignalRow, decision: Decision) -> str:
    """What is wrong with the target after a decision; empty when it is as computed, or unchanged
    for a reason."""
    before, after = decision.target_before, decision.target_after
    if decision.reasons and after == before:
        return ""
    if signal.is_limit or signal.before is None or signal.after is None:
        return ""  # by the order's whole size, less what its predecessor filled
    wanted, tolerance = _computed(signal, decision)
    if abs(after - wanted) <= tolerance:
        return ""
    if decision.reasons and after == ZERO and signal.action in (REDUCE, CLOSE, FLIP):
        return ""  # nothing was held: what was carried goes, too
    if signal.action == REDUCE and after == ZERO and decision.exit_direction * before > ZERO:
        # What a turn was to close is still held, and closed now; of its entry nothing was there.
        return ""
    return f"target {before} became {after}, computed are {wanted} ± {tolerance}"


def _computed(signal: SignalRow, decision: Decision) -> tuple[Decimal, Decimal]:
    """The target after it, and how far the price that the follower saw may move it."""
    assert signal.before is not None
    assert signal.after is not None
    if signal.action in ENTRIES:
        whole = (signal.after - signal.before) * decision.ratio
        rested = min(decision.rested, abs(whole))
        added = whole - rested * (1 if whole > 0 else -1)
        return decision.target_before + added, abs(whole) * PRICES_APART + LOT
    if signal.action == REDUCE:
        return decision.target_before * signal.after / signal.before, LOT
    if signal.action == CLOSE:
        return ZERO, ZERO
    opened = signal.after * decision.ratio
    return opened, abs(opened) * PRICES_APART + LOT
