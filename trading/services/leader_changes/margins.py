"""A leader's added margin for isolated positions of its followers: the same share of their own.

Adding says how much more, so that twice is not once: each change is sent once at most. What was
not answered is looked up by the position's margin; what cannot be seen there is told, and never
sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.utils import timezone

from customers.deadlocks import retry_on_deadlock
from customers.models import ExchangeAccount
from trading.domain.margin_topups import LEAST_SHARE, Seen, margin_down, own_margin, seen
from trading.domain.planning import Follower
from trading.domain.position_liquidation import margin_at
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import Controls, control_denial, judge_change
from trading.models import FollowedChange
from trading.services.control_state import controls_at_hand, controls_watch
from trading.services.credentials import credentials_of_accounts
from trading.services.fanout.loading import PositionRow
from trading.services.leader_changes.ending import change_end, change_locked
from trading.services.leader_changes.holders import Holder, holder_locked, market_of
from trading.services.leader_changes.leverages import margin_room
from venues.domain.types import (
    Credentials,
    InstrumentKind,
    PositionSide,
    PositionSnapshot,
    VenueError,
    VenueErrorKind,
)
from venues.runtime import gateway_for, run_batches

logger = logging.getLogger(__name__)

State = FollowedChange.State
ZERO = Decimal(0)
READING_SECONDS = 20.0
FRESH = timedelta(seconds=30)
"""So old at most is what a decision goes by."""
SENT_WITHIN = timedelta(seconds=20)
"""Of its row. What takes longer does not leave."""
LOOKED_UP_AFTER = timedelta(seconds=30)
"""Without an answer: by then its sender is dead."""
PROVEN_AFTER = timedelta(seconds=60)
"""What is not there by then does not come: a signature counts for 30 seconds."""
GIVEN_UP_AFTER = timedelta(minutes=15)
LATEST = timedelta(minutes=10)
"""An older top-up of the leader's is no answer to the market of now."""
WAIT = timedelta(seconds=2)
MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Job:
    """The request is written down as on its way."""

    change_id: str
    tries: int
    venue: str
    symbol: str
    amount: Decimal
    position_side: PositionSide
    credentials: Credentials
    sent_at: datetime
    controls: Callable[[], Controls]
    """In the moment in which it leaves."""


@dataclass(frozen=True, slots=True)
class Answer:
    job: Job
    error: VenueError | None = None
    denied: Reason | None = None
    """It did not leave."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the venue shows of the account, and when it was asked for that."""

    change_id: str
    asked_at: datetime
    positions: Sequence[PositionSnapshot]


def prepare(tenant_id: str, changes: Sequence[FollowedChange]) -> list[Job]:
    """What is to leave now; what left before is looked up. Network: positions, and markets."""
    now = timezone.now()
    due = [change for change in changes if change.check_at and change.check_at <= now]
    keys = credentials_of_accounts(
        tenant_id=tenant_id, account_ids=[change.account_id for change in due]
    )
    looks = _looks(due, keys)
    if due:
        controls_watch()  # until they have left
    jobs = []
    for change in due:
        key = keys.get(change.account_id, Reason(ReasonCode.KEY_MISSING))
        if change.state == State.SENDING:
            retry_on_deadlock(lambda change=change: _look_up(change, looks.get(change.pk)))  # type: ignore[misc]
            continue
        job = _prepare(change, key, looks.get(change.pk))
        if job is not None:
            jobs.append(job)
    return jobs


def _looks(
    changes: Sequence[FollowedChange], keys: Mapping[str, Credentials | Reason]
) -> dict[str, Look]:
    asking = []
    for change in changes:
        key = keys.get(change.account_id)
        if isinstance(key, Credentials):
            asking.append(_look(change.pk, change.account.venue, key))
    if not asking:
        return {}
    answers = run_batches(asking, timeout_seconds=READING_SECONDS)
    return {look.change_id: look for batch in answers for look in batch if look is not None}


async def _look(change_id: str, venue: str, key: Credentials) -> Look | None:
    asked_at = timezone.now()
    try:
        positions = (await gateway_for(venue).positions(key)).complete()
    except VenueError:
        return None
    return Look(change_id, asked_at, positions)


# --- deciding -------------------------------------------------------------------------------------


def _prepare(change: FollowedChange, key: Credentials | Reason, look: Look | None) -> Job | None:
    context = market_of(change)

    @transaction.atomic
    def claim() -> Job | None:
        now = timezone.now()
        holder = holder_locked(context, change, now)
        locked = change_locked(change, now)
        if locked is None or locked.state != State.DUE:
            return None
        if isinstance(key, Reason):
            change_end(locked, now, key)
            return None
        age = now - locked.signal.received_at
        if age > LATEST:
            params = {
                "age_seconds": f"{age.total_seconds():.0f}",
                "limit_seconds": f"{LATEST.total_seconds():.0f}",
            }
            change_end(locked, now, Reason(ReasonCode.SIGNAL_TOO_OLD, params))
            return None
        if look is None or look.asked_at < now - FRESH or _moves_meanwhile(locked, look):
            locked.check_at = now + WAIT
            locked.save(update_fields=["check_at"])
            return None
        reason = _decide(locked, holder, look)
        if reason is not None:
            change_end(locked, now, reason)
            return None
        assert locked.before is not None and locked.after is not None
        locked.state = State.SENDING
        locked.sent_at, locked.check_at = now, now + LOOKED_UP_AFTER
        locked.tries += 1
        locked.save()
        hedged = holder.account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT
        side: PositionSide = "long" if locked.held > 0 else "short"
        return Job(
            locked.pk,
            locked.tries,
            holder.account.venue,
            locked.symbol,
            locked.after - locked.before,
            side if hedged else "net",
            key,
            now,
            partial(
                controls_at_hand,
                tenant_id=locked.tenant_id,
                strategy_id=change.subscription.strategy_id,
                customer_id=change.subscription.customer_id,
                venue=holder.account.venue,
            ),
        )

    return retry_on_deadlock(claim)


def _moves_meanwhile(change: FollowedChange, look: Look) -> bool:
    """Another change of the leader's moves, or has moved since the look, the position's margin."""
    others = FollowedChange.objects.for_tenant(change.tenant_id).filter(
        account_id=change.account_id, symbol=change.symbol, sent_at__isnull=False
    )
    others = others.exclude(pk=change.pk)
    on_their_way = others.filter(state=State.SENDING)
    return on_their_way.exists() or others.filter(finished_at__gte=look.asked_at).exists()


def _decide(change: FollowedChange, holder: Holder, look: Look) -> Reason | None:
    """Fills in what the margin is to be, or says why it stays."""
    position, follower = holder.position, holder.follower
    symbol = {"symbol": change.symbol}
    if not position.filled:
        return Reason(ReasonCode.NOTHING_HELD, symbol)
    if follower is None:
        return Reason(ReasonCode.SYMBOL_NOT_LISTED, {**symbol, "venue": holder.account.venue})
    change.margin_mode = follower.entry.margin_mode
    if change.margin_mode != "isolated":
        return Reason(ReasonCode.MARGIN_NOT_ISOLATED, symbol)
    if (position.filled > 0) != ((change.signal.side == "long") != follower.is_reversed):
        return Reason(ReasonCode.MARGIN_OF_OTHER_SIDE, symbol)
    if follower.settings.monitor_only:
        return Reason(ReasonCode.CHANGE_ONLY_WATCHED)
    if follower.book.others_terms:
        return Reason(ReasonCode.TERMS_SHARED, symbol)
    return judge_change(follower.entry, follower.controls) or _amount(
        change, position, follower, look
    )


def _amount(
    change: FollowedChange, position: PositionRow, follower: Follower, look: Look
) -> Reason | None:
    """The share by which the leader's own margin grew, of what the copy's part of the position
    has, as far as it is free and within the copy's cap."""
    instrument = follower.instrument
    shown = _shown(look.positions, change.symbol, position.filled)
    leaders = Decimal(change.signal.skip_params.get("before") or 0)
    if shown is None or not shown.margin or shown.margin < 0 or leaders <= 0:
        return Reason(ReasonCode.MARGIN_UNKNOWN, {"symbol": change.symbol})
    own = own_margin(shown.margin, shown.quantity, position.filled)
    share = (change.signal.size or ZERO) / leaders
    wanted = margin_down(instrument, own * share)
    room, reason = _room(position, follower, own)
    if reason is not None:
        return reason
    amount = min(wanted, margin_down(instrument, room))
    numbers = {"amount": f"{amount:f}", "currency": instrument.settle}
    if not wanted or share < LEAST_SHARE:
        return Reason(ReasonCode.MARGIN_TOO_LITTLE)
    if not amount:
        needed = {"needed": f"{wanted:f}", "room": f"{margin_down(instrument, room):f}"}
        return Reason(ReasonCode.MARGIN_SHORT, {**needed, "currency": instrument.settle})
    change.before, change.after = shown.margin, shown.margin + amount
    change.held = shown.quantity
    done = Reason(ReasonCode.MARGIN_ADDED, numbers)
    if amount < wanted:
        done = Reason(ReasonCode.MARGIN_ADDED_IN_PART, {**numbers, "wanted": f"{wanted:f}"})
    change.reason_code, change.reason_params = done.code, dict(done.params)
    return None


def _room(position: PositionRow, follower: Follower, own: Decimal) -> tuple[Decimal, Reason | None]:
    """In settle currency. What was added to the position before counts as invested, too."""
    room, reason = margin_room(follower)
    if reason is not None:
        return room, reason
    entry, price, instrument = position.average_entry_price, follower.price, follower.instrument
    if entry is None or not price or not position.leverage:
        return ZERO, Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": instrument.symbol})
    coin = price if instrument.kind is InstrumentKind.INVERSE else Decimal(1)
    cap, invested = follower.settings.total_cap, follower.entry.copy.invested
    if cap is not None and invested is not None:
        added = own - margin_at(instrument, position.filled, entry, position.leverage)
        room = min(room, cap - invested - max(added, ZERO) * coin)
    return room / coin, None


def _shown(
    positions: Sequence[PositionSnapshot], symbol: str, held: Decimal
) -> PositionSnapshot | None:
    """The isolated position on the side that is held."""
    found = (
        each
        for each in positions
        if each.symbol == symbol and each.margin_mode == "isolated" and each.quantity * held > 0
    )
    return next(found, None)


# --- asking ---------------------------------------------------------------------------------------


async def ask(job: Job) -> Answer:
    if timezone.now() > job.sent_at + SENT_WITHIN:
        return Answer(job, VenueError(VenueErrorKind.RATE_LIMIT, "", "not sent in time"))
    denied = control_denial(job.controls(), is_entry=True)
    if denied is not None:
        return Answer(job, denied=denied)
    try:
        await gateway_for(job.venue).add_margin(
            job.credentials,
            symbol=job.symbol,
            amount=job.amount,
            position_side=job.position_side,
        )
    except VenueError as error:
        return Answer(job, error)
    except Exception as error:
        logger.exception("adding margin for %s failed", job.change_id)
        return Answer(job, VenueError(VenueErrorKind.UNAVAILABLE, "", type(error).__name__))
    return Answer(job)


@transaction.atomic
def learn(tenant_id: str, answer: Answer) -> None:
    now, job, error = timezone.now(), answer.job, answer.error
    rows = FollowedChange.objects.for_tenant(tenant_id)
    change = rows.select_for_update().get(pk=job.change_id)
    if change.state != State.SENDING or change.tries != job.tries:
        return
    if error is None:
        change_end(change, now, answer.denied)
    elif error.kind is VenueErrorKind.UNAVAILABLE:
        change.check_at = now + WAIT  # it may be there
        change.save(update_fields=["check_at"])
    elif error.kind is VenueErrorKind.RATE_LIMIT and change.tries < MOST_TRIES:
        # It is certain that nothing was done: decided anew, by the facts of then.
        change.state, change.check_at = State.DUE, now + timedelta(seconds=2**change.tries)
        change.save(update_fields=["state", "check_at"])
    else:
        params = {"code": error.code or "-", "message": error.message}
        change_end(change, now, Reason(ReasonCode.MARGIN_NOT_ADDED, params))


@transaction.atomic
def _look_up(change: FollowedChange, look: Look | None) -> None:
    now = timezone.now()
    locked = change_locked(change, now)
    if locked is None or locked.state != State.SENDING:
        return
    assert locked.sent_at is not None
    symbol = {"symbol": locked.symbol}
    unclear = Reason(ReasonCode.MARGIN_UNCLEAR, symbol)
    # A look of before it was sent shows nothing of it.
    if look is None or look.asked_at <= locked.sent_at:
        _look_again(locked, now, unclear if now > locked.sent_at + GIVEN_UP_AFTER else None)
        return
    found = _seen(locked, look)
    if found is Seen.ADDED:
        change_end(locked, now)
    elif found is Seen.UNCLEAR:
        change_end(locked, now, unclear)
    else:
        is_proven = look.asked_at > locked.sent_at + PROVEN_AFTER
        missing = Reason(ReasonCode.MARGIN_NOT_ANSWERED, symbol)
        _look_again(locked, now, missing if is_proven else None)


def _look_again(change: FollowedChange, now: datetime, reason: Reason | None) -> None:
    if reason is not None:
        change_end(change, now, reason)
        return
    change.check_at = now + WAIT
    change.save(update_fields=["check_at"])


def _seen(change: FollowedChange, look: Look) -> Seen:
    shown = _shown(look.positions, change.symbol, change.held)
    if shown is None or shown.quantity != change.held or shown.margin is None:
        return Seen.UNCLEAR
    assert change.before is not None and change.after is not None
    return seen(before=change.before, after=change.after, margin=shown.margin)
