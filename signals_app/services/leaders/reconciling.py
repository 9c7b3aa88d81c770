"""Comparing leaders with their venue by REST: the first take-over, what was missed, and what they
changed without trading (补全).

Missed trades are fetched from the cursor on, with overlap. What they do not explain is taken from
the positions themselves. Positions and trades are two requests: they are only compared when nothing
was traded around the moment of asking.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.failpoints import failpoint
from signals_app.domain.leaders.account_changes import (
    margin_mode_of,
)
from signals_app.domain.leaders.book import LeaderBook, Slot, positions_of
from signals_app.domain.leaders.catching_up import Guard, added_price, judged
from signals_app.domain.leaders.key_rules import LeaderProblem
from signals_app.domain.leaders.moves import move_between
from signals_app.domain.symbols import is_inverse
from signals_app.models import (
    Leader,
    LeaderCredential,
    LeaderPosition,
    LeaderTrade,
    Signal,
    SignalSource,
)
from signals_app.services.leaders.changes import (
    changes_take,
    last_transfer,
    position_terms,
    reported_store,
    stops_store,
)
from signals_app.services.leaders.keys import (
    LeaderKey,
    leader_health_set,
    leader_key_in_use_judge,
    leader_key_judge,
    leader_keys,
)
from signals_app.services.leaders.orders import orders_into
from signals_app.services.leaders.reading import (
    DERIVATIVE,
    QUIET_MS,
    Reading,
    read_account,
    read_lead_trader,
)
from signals_app.services.leaders.taking import (
    Outcome,
    Terms,
    fills_into,
    leader_book,
    leader_facts,
    leader_locked,
    step_hand_on,
    trades_store,
)
from venues import markets
from venues.domain.types import (
    AccountConfig,
    PositionSnapshot,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for, run

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30.0
CONFIG_EVERY = timedelta(seconds=60)
MOST_READINGS = 20
"""At a time, of a leader with very many missed trades; the next turn goes on."""


def leader_reconcile(*, tenant_id: str, leader_id: str) -> list[Signal] | None:
    """Ask the venue about one leader and take in what it says; the new signals.

    Again and again while there are more trades than one reading takes. None when it could not be
    read to the end, so that what was missed is still missing: that is reported on the leader's own
    row. In the tenant's scope.
    """
    signals: list[Signal] = []
    for _ in range(MOST_READINGS):
        taken = _reconcile_once(tenant_id, leader_id)
        if taken is None:
            return None
        found, is_all = taken
        signals += found
        if is_all:
            return signals
    return None


def _reconcile_once(tenant_id: str, leader_id: str) -> tuple[list[Signal], bool] | None:
    """The new signals, and whether nothing is left to read."""
    rows = Leader.objects.for_tenant(tenant_id).filter(pk=leader_id)
    leader = rows.select_related("source__tenant").first()
    if leader is None:
        return [], True
    rows.update(tried_at=timezone.now())
    try:
        if leader.source.kind == SignalSource.Kind.LEAD_TRADER:
            reading: Reading | None = run(read_lead_trader(leader), timeout_seconds=TIMEOUT_SECONDS)
        else:
            reading = _read_account(leader)
    except VenueError as error:
        _note_error(leader, error)
        return None
    except (TimeoutError, LookupError) as error:
        leader_health_set(
            leader=leader,
            code=LeaderProblem.VENUE_UNREADABLE,
            params={"message": str(error) or "no answer in time", "code": ""},
        )
        return None
    if reading is None:
        return None
    signals = leader_reading_take(leader=leader, reading=reading)
    leader.refresh_from_db()
    if leader.health_code != LeaderProblem.KEY_GAINED_WITHDRAWAL:
        leader_health_set(leader=leader)
    return signals, not reading.is_cut


def _note_error(leader: Leader, error: VenueError) -> None:
    code = LeaderProblem.VENUE_UNREADABLE
    if leader.source.kind == SignalSource.Kind.LEAD_TRADER and error.kind is VenueErrorKind.REFUSED:
        code = LeaderProblem.LEAD_TRADER_UNKNOWN
    elif error.kind is VenueErrorKind.CREDENTIALS:
        code = LeaderProblem.CREDENTIALS_REFUSED
    params = {"code": error.code, "message": error.message}
    leader_health_set(leader=leader, code=code, params=params)


# --- asking -------------------------------------------------------------------------------------


def _read_account(leader: Leader) -> Reading | None:
    """With the key in use; a new one is checked first. None without one that can be used."""
    keys = leader_keys(tenant_id=leader.tenant_id, leader_id=leader.pk)
    new = keys.get(LeaderCredential.Status.UNCHECKED)
    if new is not None:
        answer: AccountConfig | VenueError | None = None
        if new.opened is not None:
            try:
                answer = run(
                    gateway_for(leader.source.venue).account_config(new.opened),
                    timeout_seconds=TIMEOUT_SECONDS,
                )
            except VenueError as error:
                answer = error
        leader_key_judge(leader=leader, key=new, answer=answer)
        keys = leader_keys(tenant_id=leader.tenant_id, leader_id=leader.pk)
    active = keys.get(LeaderCredential.Status.ACTIVE)
    if active is None or active.opened is None:
        _without_key(leader, keys)
        return None
    is_due = leader.checked_at is None or leader.checked_at < timezone.now() - CONFIG_EVERY
    if is_due:
        config = run(
            gateway_for(leader.source.venue).account_config(active.opened),
            timeout_seconds=TIMEOUT_SECONDS,
        )
        leader_key_in_use_judge(leader=leader, key=active, config=config)
    reading = read_account(active.opened, gateway_for(leader.source.venue), leader)
    return run(reading, timeout_seconds=TIMEOUT_SECONDS)


def _without_key(leader: Leader, keys: Mapping[str, LeaderKey]) -> None:
    code, params = str(LeaderProblem.KEY_MISSING), {}
    for status in (LeaderCredential.Status.UNCHECKED, LeaderCredential.Status.REFUSED):
        key = keys.get(status)
        if key is not None:
            code, params = key.row.problem_code, key.row.problem_params
            break
    if LeaderCredential.Status.ACTIVE in keys:
        code, params = str(LeaderProblem.KEY_UNREADABLE), {}
    if code:
        leader_health_set(leader=leader, code=code, params=params)


# --- taking in ----------------------------------------------------------------------------------


def leader_reading_take(*, leader: Leader, reading: Reading) -> list[Signal]:
    """Take in what the venue said; the new signals. Running it again with the same does nothing."""
    reading = replace(
        reading, positions=[each for each in reading.positions if DERIVATIVE in each.symbol]
    )
    guards = _guards(leader, reading)

    def take() -> list[Signal]:
        with transaction.atomic():
            locked = leader_locked(tenant_id=leader.tenant_id, leader_id=leader.pk)
            if locked is None:
                return []
            return _take(locked, reading, guards)

    return retry_on_deadlock(take)


def _guards(leader: Leader, reading: Reading) -> dict[str, Guard]:
    """By symbol: of those that may have moved. Their prices are asked for before anything is
    locked."""
    book = leader_book(leader)
    reported = LeaderBook(positions_of(reading.positions))
    known = set(
        LeaderTrade.objects.for_tenant(leader.tenant_id)
        .filter(leader=leader, trade_id__in={fill.trade_id for fill in reading.fills})
        .values_list("symbol", "trade_id")
    )
    moved = {fill.symbol for fill in reading.fills if (fill.symbol, fill.trade_id) not in known} | {
        symbol
        for symbol, _ in (*book.positions, *reported.positions)
        if book.exposure(symbol) != reported.exposure(symbol)
    }
    venue, source = leader.source.venue, leader.source
    now_ms = max(reading.asked_ms, int(time.time() * 1000) if not reading.asked_ms else 0)
    return {
        symbol: Guard(
            now_ms=now_ms,
            lifetime_ms=source.signal_lifetime_seconds * 1000,
            market_price=markets.last_price(venue, symbol) if DERIVATIVE in symbol else None,
            max_slippage_bps=leader.max_slippage_bps,
        )
        for symbol in moved
    }


def _take(leader: Leader, reading: Reading, guards: Mapping[str, Guard]) -> list[Signal]:
    now = timezone.now()
    _take_balances(leader, reading)
    if leader.started_at is None:
        if reading.is_quiet:
            _start(leader, reading, now)
        return []
    terms = {
        each.symbol: Terms(each.leverage, margin_mode_of(each.margin_mode))
        for each in reading.positions
    }
    before = position_terms(leader)
    guards_of_all = _complete(guards, reading, leader)
    transfers = reading.transfers or ()
    signals = fills_into(leader, reading.fills, terms, guards_of_all, transfers)
    if reading.fills_until_ms is not None:
        _read_on_from(leader, reading.fills_until_ms)
    heard_ms = max((fill.filled_at_ms for fill in reading.fills), default=0)
    if reading.is_quiet and leader.cursor_ms <= max(heard_ms, reading.asked_ms - QUIET_MS):
        signals += _take_positions(leader, reading, guards, now)
        signals += changes_take(leader, reading, before, now)
        if reading.orders is not None:
            signals += orders_into(leader, reading.orders, now, asked_at=reading.asked_at)
    Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(reconciled_at=now)
    failpoint("leader.reconciled")
    return signals


def _read_on_from(leader: Leader, until_ms: int) -> None:
    leader.cursor_ms = max(leader.cursor_ms, until_ms)
    rows = Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk)
    rows.update(cursor_ms=leader.cursor_ms)


def _complete(guards: Mapping[str, Guard], reading: Reading, leader: Leader) -> Mapping[str, Guard]:
    """A fill of a symbol that was not looked at before the lock is judged by its age alone."""
    blind = Guard(
        now_ms=reading.asked_ms,
        lifetime_ms=leader.source.signal_lifetime_seconds * 1000,
        market_price=None,
        max_slippage_bps=leader.max_slippage_bps,
    )
    return {**{fill.symbol: blind for fill in reading.fills}, **guards}


def _start(leader: Leader, reading: Reading, now: datetime) -> None:
    """Take over what it holds: followers begin with what it does from now on."""
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader)
    rows.delete()
    reported_store(leader, reading, now)
    known = set(
        LeaderTrade.objects.for_tenant(leader.tenant_id)
        .filter(leader=leader, trade_id__in={fill.trade_id for fill in reading.fills})
        .values_list("symbol", "trade_id")
    )
    trades_store(
        leader,
        [
            (fill, Outcome.BEFORE_START, None)
            for fill in reading.fills
            if (fill.symbol, fill.trade_id) not in known
        ],
        recorded_at=now,
    )
    stops_store(leader, reading, now)
    settled = reading.asked_ms - QUIET_MS
    Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(
        started_at=now,
        reconciled_at=now,
        settled_ms=settled,
        cursor_ms=settled,
        transfers_until=last_transfer(reading, ""),
    )


def _take_balances(leader: Leader, reading: Reading) -> None:
    if reading.balances is not None:
        equities_take(leader, {each.currency: each.equity for each in reading.balances}, whole=True)


def equities_take(leader: Leader, equities: Mapping[str, Decimal], *, whole: bool) -> None:
    """Equity by currency; `whole`: a currency that is not among them is gone."""
    known = {} if whole else dict(leader.equities)
    told = known | {currency: format(equity, "f") for currency, equity in equities.items()}
    if told != leader.equities:
        leader.equities = told
        Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(equities=told)


def _take_positions(
    leader: Leader, reading: Reading, guards: Mapping[str, Guard], now: datetime
) -> list[Signal]:
    """Adopt what the venue reports where trades do not explain it; hand on the difference."""
    book = leader_book(leader)
    averages = _averages(leader)
    compared_ms = int(leader.reconciled_at.timestamp() * 1000) if leader.reconciled_at else 0
    reported = book.at_venue(reading.positions, reading.asked_ms - QUIET_MS)
    signals: list[Signal] = []
    held = {slot: quantity for slot, quantity in book.positions.items() if quantity}
    differs = held != dict(reported.positions)
    if differs:
        logger.warning("leader %s: trades do not explain its positions", leader.pk)
        _forget_unreported(leader, reported)
    reported_store(leader, reading, now)
    if not differs:
        return []
    Leader.objects.for_tenant(leader.tenant_id).filter(pk=leader.pk).update(
        settled_ms=reported.settled_ms
    )
    symbols = sorted({symbol for symbol, _ in (*book.positions, *reported.positions)})
    by_symbol: Mapping[str, PositionSnapshot] = {each.symbol: each for each in reading.positions}
    for symbol in symbols:
        move = move_between(book.exposure(symbol), reported.exposure(symbol))
        if move is None or (leader.symbols and symbol not in leader.symbols):
            continue
        position = by_symbol.get(symbol)
        guard = guards.get(symbol)
        if guard is None:
            continue
        price, happened, terms = guard.market_price, reading.asked_ms, None
        if position is not None:
            # Not before the last comparison, however old the position is.
            happened = max(position.updated_at_ms, compared_ms) or happened
            terms = Terms(position.leverage, margin_mode_of(position.margin_mode))
            if not move.is_exit:
                average = averages.get((symbol, position.position_side))
                price = added_price(move, average, position.average_price) or price
        later = [each for each in reading.transfers or () if each.moved_at_ms > happened]
        facts = leader_facts(leader, symbol, terms, price, later)
        for number, step in enumerate(judged(move, price, happened, guard)):
            signal = step_hand_on(
                leader,
                symbol,
                step,
                facts=facts,
                external_id=f"position:{symbol}:{reading.asked_ms}:{number}",
                raw={"positions": [str(move.before), str(move.after)], "at_ms": reading.asked_ms},
                now=now,
            )
            if signal is not None:
                signals.append(signal)
    return signals


def _averages(leader: Leader) -> dict[Slot, Decimal]:
    """Of linear positions, as they were told last."""
    rows = LeaderPosition.objects.for_tenant(leader.tenant_id).filter(
        leader=leader, average_price__isnull=False
    )
    return {
        (symbol, side): average
        for symbol, side, average in rows.values_list("symbol", "position_side", "average_price")
        if not is_inverse(symbol)
    }


def _forget_unreported(leader: Leader, reported: LeaderBook) -> None:
    for row in LeaderPosition.objects.for_tenant(leader.tenant_id).filter(leader=leader):
        if (row.symbol, row.position_side) not in reported.positions and row.quantity:
            row.quantity = Decimal(0)
            row.save(update_fields=["quantity"])
