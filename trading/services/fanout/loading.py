"""A chunk's rows in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q

from customers.index_hints import rows_found_by
from customers.models import ExchangeAccount
from strategies.models import Subscription
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.planning import Book
from trading.domain.risk import HeldTerms
from trading.models import Balance, CopiedPosition, Order, SignalShard

ZERO = Decimal(0)


class FollowerRow(NamedTuple):
    """A subscription with what planning needs of its account and customer."""

    id: str
    account_id: str
    customer_id: str
    sizing_mode: str
    fixed_amount: Decimal | None
    ratio: Decimal | None
    max_leverage: Decimal | None
    status: str
    venue: str
    position_mode: str
    margin_mode: str
    takes_contracts: bool
    account_status: str
    account_health: str
    account_health_code: str
    account_health_params: dict[str, str]
    account_max_leverage: Decimal | None
    customer_status: str
    reconciled_at: datetime | None
    settings: dict[str, Any]
    customer_settings: dict[str, Any] | None
    is_mapped: bool = False


_FOLLOWER_COLUMNS = (
    "pk",
    "account_id",
    "customer_id",
    "sizing_mode",
    "fixed_amount",
    "ratio",
    "max_leverage",
    "status",
    "account__venue",
    "account__position_mode",
    "account__margin_mode",
    "account__takes_contracts",
    "account__status",
    "account__health",
    "account__health_code",
    "account__health_params",
    "account__max_leverage",
    "customer__status",
    "account__reconciled_at",
    "settings",
    "customer__copy_settings__settings",
    "is_mapped",
)


class PositionRow(NamedTuple):
    """A copied position as far as planning needs it."""

    id: str
    subscription_id: str
    account_id: str
    target: Decimal
    filled: Decimal
    leverage: Decimal | None
    version: int
    margin_mode: str = ""
    average_entry_price: Decimal | None = None
    leader_symbol: str = ""


def follower_rows(shard: SignalShard) -> list[FollowerRow]:
    """The shard's followers in the order of their ids."""
    rows = (
        Subscription.objects.for_tenant(shard.tenant_id)
        .filter(
            strategy_id=shard.strategy_id,
            pk__gte=shard.first_subscription_id,
            pk__lte=shard.last_subscription_id,
        )
        .exclude(status=Subscription.Status.STOPPED)
        .order_by("pk")
        .values_list(*_FOLLOWER_COLUMNS)
    )
    return list(map(FollowerRow._make, rows))


_POSITION_COLUMNS = (
    "pk",
    "subscription_id",
    "account_id",
    "target",
    "filled",
    "leverage",
    "version",
    "margin_mode",
    "average_entry_price",
    "leader_symbol",
)


def locked_positions(
    tenant_id: str, followers: Sequence[FollowerRow], symbol: str, now: datetime
) -> dict[str, PositionRow]:
    """The sub-ledgers in the symbol by subscription, locked; the followers' are made if missing.

    The account's other copies are locked with them: two that are planned at once on one account
    would not see each other's orders, and could open in opposite directions. MariaDB locks them by
    account, others by id: who meets the other way round in a deadlock begins again.
    """
    rows = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(account_id__id_in={row.account_id for row in followers}, symbol=symbol)
        .order_by("pk")
        .select_for_update()
        .values_list(*_POSITION_COLUMNS)
    )
    with rows_found_by(CopiedPosition, "copied_account"):
        locked = _by_subscription(rows)
    missing = [
        CopiedPosition(
            tenant_id=tenant_id,
            subscription_id=row.id,
            account_id=row.account_id,
            customer_id=row.customer_id,
            symbol=symbol,
            changed_at=now,
        )
        # One order for all, though each signal starts at another follower: or two would deadlock.
        for row in sorted(followers)
        if row.id not in locked
    ]
    if missing:
        CopiedPosition.objects.bulk_create(missing, ignore_conflicts=True)
        with rows_found_by(CopiedPosition, "copied_account"):
            locked = _by_subscription(rows.all())
    return locked


def _by_subscription(rows: Iterable[tuple[Any, ...]]) -> dict[str, PositionRow]:
    return {row[1]: PositionRow._make(row) for row in rows}


def books_of(
    tenant_id: str,
    followers: Sequence[FollowerRow],
    positions: dict[str, PositionRow],
    symbol: str,
    now: datetime,
) -> dict[str, Book]:
    """Each follower's sub-ledger with its live orders and the account's other sub-ledgers.

    `positions` are all copies of the followers' accounts in the symbol, as `locked_positions`.
    """
    entries: dict[str, Decimal] = defaultdict(Decimal)
    exits: dict[str, Decimal] = defaultdict(Decimal)
    sides = _Sides()
    live = [str(state) for state in LIVE_STATES]
    rows = (
        Order.objects.for_tenant(tenant_id)
        .filter(
            account_id__id_in={row.account_id for row in followers},
            symbol=symbol,
            state__in=[*live, str(OrderState.NOT_PLACED)],
        )
        # The venue may still show an entry that was found absent.
        .filter(Q(state__in=live) | Q(is_entry=True, watch_until__gt=now))
        .values_list(
            "subscription_id",
            "account_id",
            "side",
            "quantity",
            "filled_quantity",
            "is_entry",
            "state",
            "cancel_requested_at",
        )
    )
    for subscription_id, account_id, side, quantity, filled, is_entry, state, overtaken_at in rows:
        rest = (quantity - filled) * (1 if side == "buy" else -1)
        if is_entry:
            sides.add(account_id, subscription_id, rest)
        if not is_entry:
            exits[subscription_id] += rest
        elif state != OrderState.NOT_PLACED and overtaken_at is None:
            entries[subscription_id] += rest
    for position in positions.values():
        sides.add(position.account_id, position.subscription_id, position.filled)
    holding: dict[str, list[PositionRow]] = defaultdict(list)
    for position in positions.values():
        if sides.holds(position.subscription_id):
            holding[position.account_id].append(position)
    books = {}
    for row in followers:
        # In hedge mode both sides of a symbol may be held at once.
        hedged = row.position_mode == ExchangeAccount.PositionMode.LONG_SHORT
        books[row.id] = Book(
            target=positions[row.id].target,
            filled=positions[row.id].filled,
            working_entries=entries[row.id],
            working_exits=exits[row.id],
            own_long=sides.own(row, 1),
            own_short=sides.own(row, -1),
            others_long=ZERO if hedged else sides.of_others(row, 1),
            others_short=ZERO if hedged else sides.of_others(row, -1),
            others_terms=tuple(
                HeldTerms(other.leverage, other.margin_mode or row.margin_mode)
                for other in holding[row.account_id]
                if other.subscription_id != row.id
            ),
        )
    return books


class _Sides:
    """What accounts, and each of their subscriptions, have or may come to have on each side."""

    def __init__(self) -> None:
        self._of_account: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
        self._own: dict[tuple[str, int], Decimal] = defaultdict(Decimal)

    def add(self, account_id: str, subscription_id: str, signed: Decimal) -> None:
        direction = 1 if signed > 0 else -1
        self._of_account[account_id, direction] += abs(signed)
        self._own[subscription_id, direction] += abs(signed)

    def holds(self, subscription_id: str) -> bool:
        return any(self._own.get((subscription_id, direction)) for direction in (1, -1))

    def own(self, row: FollowerRow, direction: int) -> Decimal:
        return self._own[row.id, direction]

    def of_others(self, row: FollowerRow, direction: int) -> Decimal:
        return self._of_account[row.account_id, direction] - self._own[row.id, direction]


def balances_of(
    tenant_id: str, followers: Sequence[FollowerRow]
) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """(equity, available) by account and currency."""
    rows = (
        Balance.objects.for_tenant(tenant_id)
        .filter(account_id__id_in={row.account_id for row in followers})
        .values_list("account_id", "currency", "equity", "available")
    )
    found: dict[str, dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
    for account_id, currency, equity, available in rows:
        found[account_id][currency] = (equity, available)
    return found
