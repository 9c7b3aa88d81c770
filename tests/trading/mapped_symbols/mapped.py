"""What the tests of mapped symbols have in common."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

from customers.tenancy import tenant_scope
from signals_app.models import Signal
from strategies.models import Subscription
from tests.trading.world import SYMBOL as BTC
from tests.trading.world import World
from trading.models import CopiedPosition, Position

ETH, SOL = "ETH/USDT:USDT", "SOL/USDT:USDT"
"""ETH at 3,000, contracts of 0.1; BTC is at 60,000, with contracts of 0.01."""
INVERSE, SPOT = "BTC/USD:BTC", "BTC/USDT"
IN_BTC, IN_ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def state(world: World, copy: Subscription, **values: Any) -> None:
    with tenant_scope(world.tenant.pk):
        rows = Subscription.objects.filter(pk=copy.pk)
        rows.update(settings={"values": values, "symbols": {}} if values else {})


def mapped(world: World, there: str = ETH, **terms: Any) -> Subscription:
    values = {"symbol_map": {BTC: there}, **terms.pop("values", {})}
    return world.follower(settings={"values": values, "symbols": {}}, **terms)


def sent(world: World, copy: Subscription) -> list[tuple[str, str, D]]:
    """What the exchange took of the copy's orders."""
    rows = sorted(world.ledger_orders(copy), key=lambda row: int(row["ordId"]))
    return [(row["instId"], row["side"], D(row["sz"])) for row in rows]


def reason(world: World, signal: Signal, copy: Subscription) -> str:
    return world.intent(signal, copy).reason_code


def reduction(world: World, fraction: str, **fields: Any) -> Signal:
    return world.signal("reduce", size=D(fraction), size_basis="position_fraction", **fields)


def agrees_with_the_exchange(world: World, copy: Subscription) -> None:
    """Each symbol's position is what the copies hold in it."""
    world.refresh(copy.account_id)
    with tenant_scope(world.tenant.pk):
        shown = Position.objects.filter(account_id=copy.account_id)
        at_venue = {row.symbol: row.quantity for row in shown if row.quantity}
        books: dict[str, D] = {}
        for row in CopiedPosition.objects.filter(account_id=copy.account_id):
            books[row.symbol] = books.get(row.symbol, D(0)) + row.filled
    assert at_venue == {symbol: held for symbol, held in books.items() if held}


def held_for(world: World, copy: Subscription, symbol: str) -> list[CopiedPosition]:
    """What the copy holds because of signals in this symbol."""
    with tenant_scope(world.tenant.pk):
        rows = CopiedPosition.objects.filter(subscription=copy).exclude(filled=D(0))
        return [row for row in rows if row.followed_symbol == symbol]
