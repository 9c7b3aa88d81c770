"""Whether a waiting entry may cost what a person's new price makes of it.

What it costs more is judged as an entry of its own, by the rules that compare money: the order as
it waits is in the copy's and the account's facts already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from django.utils import timezone

from strategies.models import Strategy
from strategies.selectors.settings import shared_settings
from trading.domain.going_on import Unchangeable
from trading.domain.order_sizes import largest_entry
from trading.domain.reasons import Reason
from trading.domain.risk import judge_more
from trading.models import Order, SignalShard
from trading.services.fanout.context import ShardContext, shard_context
from trading.services.fanout.follower_facts import follower_facts
from trading.services.fanout.free_balances import free_balances_of
from trading.services.fanout.loading import books_of, follower_rows, locked_positions
from trading.services.fanout.mapping import in_symbol
from trading.services.fanout.risk_facts import accounts_lock, asking_of, risk_facts_of
from venues.domain.types import Instrument

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


@dataclass(frozen=True, slots=True)
class ChangeTerms:
    """What a change of this order is judged by. Asks the venue, so not in a transaction."""

    context: ShardContext
    instrument: Instrument


def change_terms(order: Order) -> ChangeTerms | None:
    """None when its market is not known now, or no signal tells whose entry it was."""
    signal = order.intent.signal
    strategy = Strategy.objects.for_tenant(order.tenant_id).filter(pk=order.strategy_id).first()
    if signal is None or strategy is None:
        return None
    shard = SignalShard(
        tenant_id=order.tenant_id,
        signal=signal,
        strategy=strategy,
        first_subscription_id=order.subscription_id,
        last_subscription_id=order.subscription_id,
        settings=shared_settings(strategy),
    )
    context = in_symbol(shard_context(shard, ""), order.symbol, {order.account.venue})
    market = context.markets.get(order.account.venue)
    if market is None or market.instrument is None:
        return None
    return ChangeTerms(context, market.instrument)


def copy_lock(order: Order, terms: ChangeTerms) -> None:
    """Before the order itself, as planning locks: nothing else takes the room meanwhile."""
    rows = follower_rows(terms.context.shard)
    accounts_lock(terms.context, asking_of(terms.context, rows), rows)
    locked_positions(order.tenant_id, rows, order.symbol, timezone.now())


def cost_denial(
    order: Order, terms: ChangeTerms, *, price: Decimal, quantity: Decimal
) -> Unchangeable | Reason | None:
    """Why `quantity` at `price` (both at their steps) is not allowed. In the transaction of the
    change, after `copy_lock`."""
    assert order.price is not None
    context, instrument = terms.context, terms.instrument
    direction = 1 if order.side == "buy" else -1
    now = timezone.now()
    rows = follower_rows(context.shard)
    if not rows:
        return Unchangeable.NOT_COPIED
    positions = locked_positions(order.tenant_id, rows, order.symbol, now)
    [row] = rows
    market = context.markets[row.venue]
    risks = risk_facts_of(context, asking_of(context, rows), now)
    follower = follower_facts(
        context,
        row,
        positions[row.id],
        books_of(order.tenant_id, rows, positions, order.symbol, now)[row.id],
        market,
        free_balances_of(order.tenant_id, rows, now).get(row.account_id, {}),
        now,
        risks.copy(row),
        risks.account(row),
    )
    facts = follower.entry
    worst = ONE + direction * facts.slippage_limit_percent / HUNDRED
    is_worse = (price - order.price) * direction > 0
    if is_worse and market.price and (price - market.price * worst) * direction > 0:
        return Unchangeable.PRICE_BEYOND_MARKET
    rest, rest_before = (each - order.filled_quantity for each in (quantity, order.quantity))
    before = instrument.notional(rest_before, order.price)
    more = instrument.notional(rest, price) - before
    if more <= ZERO:
        return None
    leverage = order.leverage or ONE
    largest = largest_entry(instrument, price, leverage, facts.settings, is_limit=True)
    if largest is not None and quantity > largest:
        return Unchangeable.ABOVE_LARGEST
    return judge_more(
        replace(
            facts,
            quantity=instrument.quantity_of_notional(more, price),
            direction=direction,
            price=price,
            leverage=leverage,
            margin_mode=order.margin_mode,
            is_limit=True,
            rests=True,
        )
    )
