"""A leader's other leverage for what its followers hold: judged, set at the venue, kept.

Setting a leverage says what it is to be, so that asking again does no harm: what was not answered
is asked again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from customers.bulk_rows import rows_upsert
from customers.deadlocks import retry_on_deadlock
from customers.models import ExchangeAccount
from signals_app.models import Signal
from trading.domain.planning import Follower
from trading.domain.position_liquidation import liquidation_distance, margin_at
from trading.domain.reasons import Reason, ReasonCode
from trading.domain.risk import judge_change
from trading.models import CopiedPosition, FollowedChange, InstrumentSetting
from trading.services.credentials import credentials_of_accounts
from trading.services.fanout.loading import PositionRow
from trading.services.leader_changes.ending import change_end, change_locked
from trading.services.leader_changes.holders import Holder, holder_locked, market_of
from trading.services.submission.refusals import Asked, refusals_note, refusals_standing
from venues.domain.types import Credentials, InstrumentKind, VenueError, VenueErrorKind
from venues.runtime import gateway_for

logger = logging.getLogger(__name__)

ZERO, ONE, HUNDRED = Decimal(0), Decimal(1), Decimal(100)
State = FollowedChange.State
IN_FLIGHT = timedelta(seconds=30)
"""What is on its way for longer was left by a process that died."""
WAIT = timedelta(seconds=2)
MOST_TRIES = 8
_PASSING = (VenueErrorKind.UNAVAILABLE, VenueErrorKind.RATE_LIMIT)


@dataclass(frozen=True, slots=True)
class Job:
    """The request is written down as on its way."""

    change_id: str
    venue: str
    symbol: str
    leverage: Decimal
    margin_mode: str
    position_sides: tuple[str, ...]
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Answer:
    job: Job
    error: VenueError | None = None


def prepare(change: FollowedChange) -> Job | None:
    """What is to leave now; None when nothing is, or not yet. Network: the market, if nobody knows
    it."""
    context = market_of(change)
    keys = credentials_of_accounts(tenant_id=change.tenant_id, account_ids=[change.account_id])
    key = keys.get(change.account_id, Reason(ReasonCode.KEY_MISSING))

    @transaction.atomic
    def claim() -> Job | None:
        now = timezone.now()
        holder = holder_locked(context, change, now)
        locked = change_locked(change, now)
        if locked is None:
            return None
        if is_other_on_its_way(locked, now):
            locked.check_at = now + WAIT
            locked.save(update_fields=["check_at"])
            return None
        reason = key if isinstance(key, Reason) else _overtaken(locked)
        if reason is None and locked.state == State.DUE:
            reason = _decide(locked, holder) or _refused_before(locked, holder)
        if reason is not None or locked.after == locked.before:
            change_end(locked, now, reason)
            return None
        assert isinstance(key, Credentials)
        assert locked.after is not None
        locked.state = State.SENDING
        locked.sent_at, locked.check_at = now, now + IN_FLIGHT
        locked.tries += 1
        locked.save()
        hedged = holder.account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT
        return Job(
            locked.pk,
            holder.account.venue,
            locked.symbol,
            locked.after,
            locked.margin_mode,
            ("long", "short") if hedged else ("net",),
            key,
        )

    return retry_on_deadlock(claim)


def is_other_on_its_way(change: FollowedChange, now: datetime) -> bool:
    """Two requests about one position at once could come in the wrong order. And whether margin was
    added is looked up by what the position has, which another leverage moves."""
    others = FollowedChange.objects.for_tenant(change.tenant_id).filter(
        account_id=change.account_id, symbol=change.symbol, state=State.SENDING
    )
    others = others.filter(Q(sent_at__gt=now - IN_FLIGHT) | Q(signal__action=Signal.Action.MARGIN))
    return others.exclude(pk=change.pk).exists()


def _asked(change: FollowedChange, leverage: Decimal, *, hedged: bool) -> Asked:
    return Asked(change.account_id, change.symbol, change.margin_mode, leverage, hedged)


def _refused_before(change: FollowedChange, holder: Holder) -> Reason | None:
    if change.after is None or change.after == change.before:
        return None
    hedged = holder.account.position_mode == ExchangeAccount.PositionMode.LONG_SHORT
    asked = _asked(change, change.after, hedged=hedged)
    standing = refusals_standing(change.tenant_id, [asked])
    return _not_set(standing[asked], change.after) if asked in standing else None


def _not_set(error: VenueError, leverage: Decimal) -> Reason:
    words = {"code": error.code or "-", "message": error.message}
    return Reason(ReasonCode.LEVERAGE_NOT_SET, {**words, "leverage": format(leverage, "f")})


def _overtaken(change: FollowedChange) -> Reason | None:
    later = FollowedChange.objects.for_tenant(change.tenant_id).filter(
        subscription_id=change.subscription_id,
        symbol=change.symbol,
        signal__action=change.signal.action,
        signal_id__gt=change.signal_id,
    )
    return Reason(ReasonCode.LEADER_CHANGED_AGAIN) if later.exists() else None


def _decide(change: FollowedChange, holder: Holder) -> Reason | None:
    """Fills in what is to be set, or says why not."""
    position, follower = holder.position, holder.follower
    if not position.filled:
        return Reason(ReasonCode.NOTHING_HELD, {"symbol": change.symbol})
    if follower is None:
        return Reason(
            ReasonCode.SYMBOL_NOT_LISTED,
            {"symbol": change.symbol, "venue": holder.account.venue},
        )
    change.before, change.after = position.leverage, follower.terms.leverage
    change.margin_mode = follower.entry.margin_mode
    if follower.settings.monitor_only:
        return Reason(ReasonCode.CHANGE_ONLY_WATCHED)
    if change.before == change.after:
        return None
    if follower.book.others_terms:
        return Reason(ReasonCode.TERMS_SHARED, {"symbol": change.symbol})
    return judge_change(follower.entry, follower.controls) or _margin_denial(position, follower)


def _margin_denial(position: PositionRow, follower: Follower) -> Reason | None:
    """A higher one brings liquidation closer to an isolated position; a lower one takes margin."""
    facts, entry, price = follower.entry, position.average_entry_price, follower.price
    before, after = position.leverage, facts.leverage
    if before is None or entry is None or not price:
        return Reason(ReasonCode.PRICE_UNKNOWN, {"symbol": facts.symbol})
    instrument, held = follower.instrument, position.filled
    margin = margin_at(instrument, held, entry, after)
    if after > before:
        limit = follower.settings.min_liquidation_distance_percent
        if not limit or facts.margin_mode != "isolated":
            return None
        distance = liquidation_distance(instrument, held, entry, margin, price)
        return too_close(distance, limit)
    needed = margin - margin_at(instrument, held, entry, before)
    if instrument.kind is InstrumentKind.INVERSE:
        needed *= price
    return margin_short(needed, follower)


def too_close(distance: Decimal | None, limit: Decimal | None) -> Reason | None:
    if distance is None or not limit or distance >= limit:
        return None
    numbers = {"percent": f"{max(distance, ZERO):.2f}", "limit": f"{limit.normalize():f}"}
    return Reason(ReasonCode.LIQUIDATION_CLOSER, numbers)


def margin_short(needed: Decimal, follower: Follower) -> Reason | None:
    """`needed` in the quote currency: more than is free beside the reserve, or than the copy may
    invest."""
    room, reason = margin_room(follower)
    if reason is not None or needed <= room:
        return reason
    numbers = {
        "needed": f"{needed:.2f}",
        "room": f"{max(room, ZERO):.2f}",
        "currency": follower.entry.currency,
    }
    return Reason(ReasonCode.MARGIN_SHORT, numbers)


def margin_room(follower: Follower) -> tuple[Decimal, Reason | None]:
    """How much more margin the copy's position may take, in the quote currency."""
    facts, settings = follower.entry, follower.settings
    if facts.available is None or facts.equity is None:
        return ZERO, Reason(ReasonCode.BALANCE_UNKNOWN)
    reserve = facts.equity * (settings.free_margin_reserve_percent or ZERO) / HUNDRED
    room = facts.available - reserve
    if settings.total_cap is not None:
        if facts.copy.invested is None:
            symbol = facts.copy.unpriced_symbol or facts.symbol
            return ZERO, Reason(ReasonCode.EXPOSURE_UNKNOWN, {"symbol": symbol})
        room = min(room, settings.total_cap - facts.copy.invested)
    return room, None


# --- asking ---------------------------------------------------------------------------------------


async def ask(job: Job) -> Answer:
    try:
        await gateway_for(job.venue).set_leverage(
            job.credentials,
            symbol=job.symbol,
            leverage=job.leverage,
            margin_mode=job.margin_mode,
            position_sides=job.position_sides,
        )
    except VenueError as error:
        return Answer(job, error)
    except Exception as error:
        logger.exception("setting the leverage for %s failed", job.change_id)
        return Answer(job, VenueError(VenueErrorKind.UNAVAILABLE, "", type(error).__name__))
    return Answer(job)


@transaction.atomic
def learn(tenant_id: str, answer: Answer) -> None:
    now = timezone.now()
    rows = FollowedChange.objects.for_tenant(tenant_id)
    seen = rows.get(pk=answer.job.change_id)
    position = (
        CopiedPosition.objects.for_tenant(tenant_id)
        .select_for_update()
        .get(subscription_id=seen.subscription_id, symbol=seen.symbol)
    )
    change = rows.select_for_update().get(pk=seen.pk)
    if change.state != State.SENDING or change.after != answer.job.leverage:
        return
    if answer.error is None:
        _remember(change, position, now)
        change_end(change, now)
    elif answer.error.kind in _PASSING and change.tries < MOST_TRIES:
        change.check_at = now + timedelta(seconds=2**change.tries)
        change.save(update_fields=["check_at"])
    else:
        hedged = answer.job.position_sides != ("net",)
        asked = _asked(change, answer.job.leverage, hedged=hedged)
        refusals_note(tenant_id, [(asked, answer.error)])
        change_end(change, now, _not_set(answer.error, answer.job.leverage))


def _remember(change: FollowedChange, position: CopiedPosition, now: datetime) -> None:
    if position.filled:
        position.leverage = change.after
        position.version += 1
        position.changed_at = now
        position.save(update_fields=["leverage", "version", "changed_at"])
    rows_upsert(
        InstrumentSetting,
        [
            InstrumentSetting(
                tenant_id=change.tenant_id,
                account_id=change.account_id,
                symbol=change.symbol,
                margin_mode=change.margin_mode,
                leverage=change.after,  # type: ignore[misc]  # set, or it were not sent
                confirmed_at=now,
            )
        ],
        ["account", "symbol", "margin_mode"],
        ["leverage", "confirmed_at"],
    )
