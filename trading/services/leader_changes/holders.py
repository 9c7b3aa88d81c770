"""One copy that holds what its leader changed: its facts as an entry would be judged by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from customers.models import ExchangeAccount
from strategies.selectors.settings import shared_settings
from trading.domain.planning import Follower
from trading.models import FollowedChange, SignalShard
from trading.services.fanout.context import ShardContext, shard_context
from trading.services.fanout.follower_facts import follower_facts
from trading.services.fanout.free_balances import free_balances_of
from trading.services.fanout.loading import PositionRow, books_of, follower_rows, locked_positions
from trading.services.fanout.mapping import in_symbol, settled
from trading.services.fanout.risk_facts import asking_of, risk_facts_of

_NOTHING = PositionRow("", "", "", Decimal(0), Decimal(0), None, 0)


@dataclass(frozen=True, slots=True)
class Holder:
    """`follower` None: nobody knows the symbol at its venue."""

    account: ExchangeAccount
    position: PositionRow
    follower: Follower | None


def market_of(change: FollowedChange) -> ShardContext:
    """Over the network, if it is not in memory: not in a transaction."""
    shard = SignalShard(
        tenant_id=change.tenant_id,
        signal=change.signal,
        strategy=change.subscription.strategy,
        first_subscription_id=change.subscription_id,
        last_subscription_id=change.subscription_id,
        settings=shared_settings(change.subscription.strategy),
    )
    return in_symbol(shard_context(shard, ""), change.symbol, {change.account.venue})


def holder_locked(context: ShardContext, change: FollowedChange, now: datetime) -> Holder:
    """With the account and all that its copies hold in the symbol locked, in this order."""
    tenant_id, symbol = change.tenant_id, change.symbol
    accounts = ExchangeAccount.objects.for_tenant(tenant_id).select_for_update()
    account = accounts.get(pk=change.account_id)
    rows = follower_rows(context.shard)
    if not rows:  # it was stopped meanwhile
        return Holder(account, _NOTHING, None)
    positions = locked_positions(tenant_id, rows, symbol, now)
    [row] = rows
    market = context.markets[row.venue]
    books = books_of(tenant_id, rows, positions, symbol, now)
    ledger = settled(context, positions[row.id], books[row.id])
    if ledger is None:  # it follows another symbol's signals by now
        return Holder(account, _NOTHING, None)
    position, book = ledger
    if market.instrument is None:
        return Holder(account, position, None)
    balances = free_balances_of(tenant_id, rows, now)
    risks = risk_facts_of(context, asking_of(context, rows), now)
    follower = follower_facts(
        context,
        row,
        position,
        book,
        market,
        balances.get(row.account_id, {}),
        now,
        risks.copy(row),
        risks.account(row),
    )
    return Holder(account, position, follower)
