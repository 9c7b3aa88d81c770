"""Compares our books with the paper exchange's ledger, row by row. Pure.

The ledger is what happened. Each order, fill and position that differs, is missing or is too
many on either side becomes one sentence.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]

# Which ledger states an order of ours may stand for, by our state.
_LEDGER_STATES = {
    "accepted": {"live"},
    "partially_filled": {"partially_filled"},
    "filled": {"filled"},
    "cancelled": {"canceled", "mmp_canceled"},
}
_NEVER_BOOKED = {"rejected", "not_placed", "expired", "ready", "claimed"}


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """One Order of ours; `id` is its client order id. Quantities in the venue's unit.

    `decided`: what its intent is for, over all of its orders: an entry may go on in another one.
    """

    id: str
    intent_id: str
    api_key: str
    symbol: str
    side: str
    state: str
    venue_order_id: str
    quantity: Decimal
    filled: Decimal
    decided: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BookedFill:
    """One Fill of ours. `fee` is positive when paid."""

    api_key: str
    order_id: str
    symbol: str
    trade_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


@dataclass(frozen=True, slots=True)
class BookedPosition:
    """What our sub-ledgers say that an account holds in a symbol, signed."""

    api_key: str
    symbol: str
    held: Decimal


@dataclass(frozen=True, slots=True)
class Reconciliation:
    duplicates: int
    """Orders on the exchange beyond the one of their intent, and those that we never wrote down."""
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences and self.duplicates == 0


def inst_id(symbol: str) -> str:
    """OKX's instrument id of a unified symbol (spot and perpetual swaps)."""
    pair, _, settle = symbol.partition(":")
    return pair.replace("/", "-") + ("-SWAP" if settle else "")


def with_names(ledger: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """The ledger with our id on the orders that stop orders of ours became, and on their fills:
    the exchange has it elsewhere on the orders, and not at all on the fills."""
    names = {row["ordId"]: row["clOrdId"] or row.get("algoClOrdId", "") for row in ledger["orders"]}
    return {
        **ledger,
        "orders": [{**row, "clOrdId": names[row["ordId"]]} for row in ledger["orders"]],
        "fills": [
            {**row, "clOrdId": row["clOrdId"] or names.get(row["ordId"], "")}
            for row in ledger["fills"]
        ],
    }


def reconcile(
    *,
    orders: Sequence[BookedOrder],
    fills: Sequence[BookedFill],
    positions: Iterable[BookedPosition],
    ledger: Mapping[str, Sequence[Row]],
) -> Reconciliation:
    ledger = with_names(ledger)
    order_differences, duplicates = _compare_orders(orders, ledger["orders"])
    return Reconciliation(
        duplicates=duplicates,
        differences=(
            *order_differences,
            *_compare_fills(fills, ledger["fills"]),
            *_compare_positions(positions, ledger["fills"]),
        ),
    )


def _compare_orders(orders: Sequence[BookedOrder], ledger: Sequence[Row]) -> tuple[list[str], int]:
    ours = {order.id: order for order in orders}
    differences: list[str] = []
    duplicates = 0
    seen: Counter[str] = Counter()
    effective: defaultdict[str, list[Row]] = defaultdict(list)
    for row in ledger:
        client_id = row["clOrdId"]
        seen[client_id] += 1
        order = ours.get(client_id)
        if order is None:
            duplicates += 1
            differences.append(f"order {row['ordId']} ({client_id!r}) is not in our books")
            continue
        if seen[client_id] > 1:
            duplicates += 1
            differences.append(f"order {client_id} was booked {seen[client_id]} times")
            continue
        if Decimal(row["accFillSz"] or 0) or row["state"] in ("live", "partially_filled"):
            effective[order.intent_id].append(row)
        differences += _compare_order(order, row)
    decided = {order.intent_id: order.decided for order in orders}
    for intent_id, rows in effective.items():
        if len(rows) > 1 and not _go_on(rows, decided[intent_id]):
            duplicates += len(rows) - 1
            differences.append(f"intent {intent_id} has {len(rows)} orders on the exchange")
    for order in orders:
        if order.id not in seen and order.state not in _NEVER_BOOKED:
            differences.append(f"order {order.id} is {order.state} but not in the ledger")
    return differences, duplicates


def _go_on(rows: Sequence[Row], decided: Decimal | None) -> bool:
    """One after the other, and together no more than was decided."""
    live = [row for row in rows if row["state"] in ("live", "partially_filled")]
    executed = sum((Decimal(row["accFillSz"] or 0) for row in rows), Decimal(0))
    return decided is not None and len(live) <= 1 and executed <= decided


def _is_shrunk(order: BookedOrder, row: Row) -> bool:
    """What closes a position is shrunk by the exchange to what is there."""
    return row.get("reduceOnly") == "true" and Decimal(row["sz"]) < order.quantity


def _compare_order(order: BookedOrder, row: Row) -> list[str]:
    shrunk = _is_shrunk(order, row)
    pairs = {
        "account": (order.api_key, row["apiKey"]),
        "instrument": (inst_id(order.symbol), row["instId"]),
        "side": (order.side, row["side"]),
        "venue id": (order.venue_order_id, row["ordId"]),
        "size": (Decimal(row["sz"]) if shrunk else order.quantity, Decimal(row["sz"])),
        "filled": (order.filled, Decimal(row["accFillSz"] or 0)),
    }
    differences = [
        f"order {order.id}: {name} is {mine} here, {theirs} on the exchange"
        for name, (mine, theirs) in pairs.items()
        if mine != theirs
    ]
    state = "filled" if shrunk and order.state == "cancelled" and order.filled else order.state
    if row["state"] not in _LEDGER_STATES.get(state, set()):
        differences.append(f"order {order.id}: {order.state} here, {row['state']} on the exchange")
    return differences


def _fill_key(api_key: str, instrument: str, trade_id: str) -> tuple[str, str, str]:
    return (api_key, instrument, trade_id)


def _compare_fills(fills: Sequence[BookedFill], ledger: Sequence[Row]) -> list[str]:
    ours = {_fill_key(fill.api_key, inst_id(fill.symbol), fill.trade_id): fill for fill in fills}
    differences = []
    if len(ours) != len(fills):
        differences.append("a trade id is booked twice here")
    theirs = {_fill_key(row["apiKey"], row["instId"], row["tradeId"]): row for row in ledger}
    for key, row in theirs.items():
        fill = ours.get(key)
        if fill is None:
            differences.append(f"fill {row['tradeId']} of order {row['clOrdId']} is not here")
            continue
        pairs = {
            "order": (fill.order_id, row["clOrdId"]),
            "side": (fill.side, row["side"]),
            "quantity": (fill.quantity, Decimal(row["fillSz"])),
            "price": (fill.price, Decimal(row["fillPx"])),
            # The venue's sign is the balance's: negative is paid.
            "fee": (fill.fee, -Decimal(row["fee"] or 0)),
            "fee currency": (fill.fee_currency, row["feeCcy"]),
        }
        differences += [
            f"fill {fill.trade_id}: {name} is {mine} here, {wanted} on the exchange"
            for name, (mine, wanted) in pairs.items()
            if mine != wanted
        ]
    differences += [
        f"fill {fill.trade_id} is not in the ledger"
        for key, fill in ours.items()
        if key not in theirs
    ]
    return differences


def _compare_positions(positions: Iterable[BookedPosition], ledger: Sequence[Row]) -> list[str]:
    ours: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    theirs: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for position in positions:
        ours[position.api_key, inst_id(position.symbol)] += position.held
    for row in ledger:
        signed = Decimal(row["fillSz"]) * (1 if row["side"] == "buy" else -1)
        if row["feeCcy"] == row["instId"].partition("-")[0] and "-SWAP" not in row["instId"]:
            signed += Decimal(row["fee"] or 0)  # coins pay the fee of their own purchase
        theirs[row["apiKey"], row["instId"]] += signed
    return [
        f"account {key[0]} holds {ours[key]} {key[1]} here, {theirs[key]} by the ledger's fills"
        for key in sorted({*ours, *theirs})
        if ours[key] != theirs[key]
    ]
