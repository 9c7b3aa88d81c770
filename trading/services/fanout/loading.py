"""A chunk's rows in a fixed number of queries, and each follower's facts from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Q

from customers.models import Customer, ExchangeAccount
from signals_app.models import Signal, SignalSource
from strategies.domain.settings import (
    CopySettings,
    Execution,
    Layer,
    TradeDirection,
    sizing_terms,
)
from strategies.domain.sizing import LeaderSize, SizeBasis
from strategies.models import Strategy, Subscription
from strategies.selectors.settings import own_layers, subscription_content
from trading.domain.order_states import LIVE_STATES, OrderState
from trading.domain.planning import Book, Follower, Instruction
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.reconciliation import books_are_fresh
from trading.domain.risk import (
    NO_COPY_FACTS,
    NO_EQUITY_FACTS,
    NO_MARKET_FACTS,
    CopyFacts,
    EntryFacts,
    EquityFacts,
    HeldTerms,
)
from trading.models import Balance, CopiedPosition, Order, SignalShard
from trading.services.control_state import controls_for
from trading.services.fanout.context import (
    FollowerSettings,
    Market,
    SettingsInForce,
    ShardContext,
    stated_by,
)
from trading.services.fanout.margin_terms import entry_leverage, freed_margin, margin_mode
from venues.domain.types import InstrumentKind

ZERO, ONE = Decimal(0), Decimal(1)


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
    would not see each other's orders, and could open in opposite directions.
    """
    rows = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .filter(account_id__id_in={row.account_id for row in followers}, symbol=symbol)
        .order_by("pk")
        .select_for_update()
        .values_list(*_POSITION_COLUMNS)
    )
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


def settings_of(context: ShardContext, row: FollowerRow) -> FollowerSettings:
    """What is in force for a follower in the symbol that it trades."""
    return settings_by(context.settings, row)


def settings_by(in_force: SettingsInForce, row: FollowerRow) -> FollowerSettings:
    columns = (row.sizing_mode, row.fixed_amount, row.ratio, row.max_leverage)
    own = str(row.settings) if row.settings else ""
    customers = str(row.customer_settings) if row.customer_settings else ""
    key = (columns, row.account_max_leverage, own, customers)
    return in_force.of(key, partial(_own_layers, row))


def may_map(context: ShardContext, row: FollowerRow) -> bool:
    """Whether it is worth a look: a map is stated somewhere above it, or by itself, or was."""
    if row.is_mapped or context.settings.maps_for_all:
        return True
    levels = row.settings, row.customer_settings
    return any("symbol_map" in stated_by(level) for level in levels)


def symbol_map_of(context: ShardContext, row: FollowerRow) -> Mapping[str, str]:
    return settings_of(context, row).effective.settings.symbol_map or {}


def symbol_of(context: ShardContext, row: FollowerRow) -> str:
    """What a follower enters for the signal."""
    symbol = context.signal.symbol
    return symbol_map_of(context, row).get(symbol, symbol) if may_map(context, row) else symbol


def _own_layers(row: FollowerRow) -> Sequence[Layer]:
    content = subscription_content(
        row.settings,
        sizing_mode=row.sizing_mode,
        fixed_amount=row.fixed_amount,
        ratio=row.ratio,
        max_leverage=row.max_leverage,
    )
    return own_layers(row.customer_settings, row.account_max_leverage, content)


def instruction_for(context: ShardContext, market: Market) -> Instruction:
    signal = context.signal
    leader = context.leader_market
    assert market.instrument is not None
    basis = SizeBasis(signal.size_basis) if signal.size_basis else None
    direction = {"long": 1, "short": -1}.get(signal.side, 0)
    if context.action != signal.action:
        direction = 0  # of what is entered in another symbol; here all that is held ends
    instruction = Instruction(
        action=context.action,  # type: ignore[arg-type]  # the model's choices are the Literal's
        direction=direction,
        leader=LeaderSize(
            size=signal.size,
            basis=basis,
            instrument=leader.instrument or market.instrument,
            # Without any, nothing is sized by it: planning looks at the follower's.
            price=signal.price or leader.price or market.price or ZERO,
            leverage=signal.leverage or ONE,
            equity=signal.leader_equity,
            stop_loss=signal.stop_loss,
            direction=direction,
        ),
        reduce_fraction=_reduce_fraction(signal),
    )
    return instruction if context.symbol == signal.symbol else _mapped(instruction, context, market)


def _mapped(instruction: Instruction, context: ShardContext, market: Market) -> Instruction:
    """For another symbol than the leader's: what is known only of the follower's market says
    nothing of the leader's, and a reduction is the share that it is of the leader's position."""
    leader, instrument = instruction.leader, context.leader_market.instrument
    size, basis = leader.size, leader.basis
    if instrument is None and basis in (SizeBasis.CONTRACTS, SizeBasis.BASE):
        size = None  # nobody knows what one of them is
    if instruction.action == "reduce" and instruction.reduce_fraction is not None:
        basis = SizeBasis.POSITION_FRACTION
    there = None if not market.ratio or market.price is None else market.price / market.ratio
    price = context.signal.price or there or ZERO
    found = replace(leader, size=size, basis=basis, price=price, market_price=there)
    return replace(instruction, leader=found)


def _reduce_fraction(signal: Signal) -> Decimal | None:
    """By the leader's positions where the signal has them: a third has no end in decimals. None
    of what is no reduction, or is an amount of what nobody knows."""
    if signal.action != Signal.Action.REDUCE:
        return None
    before, after = signal.leader_position_before, signal.leader_position_after
    if before and after is not None and 0 <= after / before < 1:
        return ONE - after / before
    by_fraction = signal.size_basis == Signal.SizeBasis.POSITION_FRACTION
    return signal.size if by_fraction else None


def instruction_at(instruction: Instruction, leverage: Decimal) -> Instruction:
    """For a signal without leverage: the leader's is taken to be the follower's."""
    return replace(instruction, leader=replace(instruction.leader, leverage=leverage))


_DOUBTS = (ReasonCode.ACCOUNT_UNREADABLE, ReasonCode.ACCOUNT_MODE_OTHER)


def _account_doubt(row: FollowerRow) -> Reason | None:
    if row.account_health_code not in _DOUBTS:
        return None
    return Reason(ReasonCode(row.account_health_code), row.account_health_params)


def _compared_price(
    context: ShardContext, settings: CopySettings, market: Market
) -> Decimal | None:
    """The leader's, for the limit of slippage. A chase has a limit of its own (`worst_price`),
    beside which only a limit counts that somebody stated. What the leader holds since long is
    entered at what it costs now."""
    signal = context.signal
    if signal.addressed_to:
        return market.price
    if signal.is_chase and settings.max_entry_slippage_percent is None:
        return None
    return context.price_here(signal.price, market)


def _chooses_style(signal: Signal, settings: CopySettings) -> bool:
    """Not where the leader's order rests, or is chased: there followers do as it says."""
    if settings.execution is Execution.MARKET:
        return False
    return signal.order_type == Signal.OrderType.MARKET and signal.worst_price is None


def follower_facts(
    context: ShardContext,
    row: FollowerRow,
    position: PositionRow,
    book: Book,
    market: Market,
    balance: dict[str, tuple[Decimal, Decimal]],
    now: datetime,
    copy: CopyFacts = NO_COPY_FACTS,
    account: EquityFacts = NO_EQUITY_FACTS,
    *,
    later_exit: bool = False,
) -> Follower:
    instrument, price = market.instrument, market.price
    assert instrument is not None
    strategy = context.strategy
    found = settings_of(context, row)
    settings = found.effective.settings
    leverage = entry_leverage(
        context.signal.leverage, settings, position.leverage, book, instrument
    )
    rests = context.signal.order_type == Signal.OrderType.LIMIT
    if rests:
        # What it will cost when it fills.
        price = context.price_here(context.signal.price, market) or price
    worst = None if rests else context.price_here(context.signal.worst_price, market)
    equity, available = balance.get(instrument.settle, (None, None))
    if instrument.kind is InstrumentKind.INVERSE and equity is not None and available is not None:
        coin = price or ZERO  # settled in the base coin
        equity, available = equity * coin, available * coin
    return Follower(
        book=book,
        terms=sizing_terms(
            settings,
            leverage=leverage,
            equity=equity,
            daily_range_percent=market.day_range_percent,
        ),
        instrument=instrument,
        price=price,
        controls=controls_for(
            tenant_id=context.shard.tenant_id,
            strategy_id=strategy.pk,
            customer_id=row.customer_id,
            venue=row.venue,
        ),
        entry=EntryFacts(
            now=now,
            expires_at=context.signal.expires_at,
            symbol=context.symbol,
            leader_symbol=context.signal.symbol if context.is_mapped else "",
            settings=settings,
            settings_doubt=found.doubt,
            strategy_active=strategy.status == Strategy.Status.ACTIVE,
            subscription_active=row.status == Subscription.Status.ACTIVE,
            account_active=row.account_status == ExchangeAccount.Status.ACTIVE,
            account_checked=row.account_health != ExchangeAccount.Health.UNKNOWN,
            account_healthy=row.account_health != ExchangeAccount.Health.UNHEALTHY,
            customer_active=row.customer_status == Customer.Status.ACTIVE,
            account_reconciled=books_are_fresh(row.reconciled_at, now),
            instrument=instrument,
            quantity=ZERO,
            price=worst or price or ZERO,
            leverage=leverage,
            margin_mode=margin_mode(
                context.signal.margin_mode,
                settings,
                account=row.margin_mode,
                position=position.margin_mode,
                book=book,
                instrument=instrument,
            ),
            others=book.others_terms,
            available=available,
            currency=instrument.quote,
            is_limit=rests or worst is not None,
            rests=rests,
            venue=row.venue,
            takes_contracts=row.takes_contracts,
            account_doubt=_account_doubt(row),
            market_doubt=market.doubt,
            signal_at=min(context.signal.emitted_at, context.signal.received_at),
            local_now=now.astimezone(context.zone),
            leader_price=_compared_price(context, settings, market),
            last_price=None if worst is None else market.price,
            equity=equity,
            freed=freed_margin(position, row.margin_mode, instrument, market.price),
            copy=copy,
            account=account,
            later_exit=later_exit,
            market=context.told.get(row.venue, NO_MARKET_FACTS),
        ),
        account_closed=row.account_status == ExchangeAccount.Status.CLOSED,
        is_reversed=settings.direction is TradeDirection.REVERSED,
        chooses_style=_chooses_style(context.signal, settings),
        carries=not (rests and context.signal.source.kind == SignalSource.Kind.LEADER),
    )
