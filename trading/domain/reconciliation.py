"""Keeping the books of an account equal to what the exchange holds. Pure; signed, long positive.

The books of an account, a symbol and a side are its copies (sub-ledgers) and what no copy accounts
for, the *unattributed* part. Whatever was traded changes exactly one of them by exactly its
quantity, so that copies + unattributed = exchange position. docs/reconciliation.md has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum

from trading.domain.positions import Holding, apply_fill
from venues.domain.types import Instrument, PositionSide

ZERO = Decimal(0)
EXACT_DIGITS = 120
"""Products of two stored amounts fit."""
SECOND_LOOK = timedelta(seconds=1)
"""Two observations are at least so far apart."""

ENTRIES_WITHIN = timedelta(minutes=15)
"""Entries need books that agreed not longer ago: more than a few passes and a restart take, less
than what would be traded blindly after an outage."""


def books_are_fresh(reconciled_at: datetime | None, now: datetime) -> bool:
    return reconciled_at is not None and now - reconciled_at < ENTRIES_WITHIN


class FindingKind(StrEnum):
    """What differs, or was done by others than us."""

    MANUAL_CLOSE = "manual_close"
    MANUAL_REDUCTION = "manual_reduction"
    MANUAL_OPEN = "manual_open"
    MANUAL_INCREASE = "manual_increase"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    HELD_BEFORE = "held_before"
    """Held when we began to keep books."""
    MISSING_FILL = "missing_fill"
    """The position changed by what no fill tells of."""
    POSITION_MODE_CHANGED = "position_mode_changed"
    MARGIN_MODE_CHANGED = "margin_mode_changed"
    LEVERAGE_CHANGED = "leverage_changed"
    UNKNOWN_ORDER = "unknown_order"
    """It carries an id of our form, and we have no such order."""
    TRANSFER_IN = "transfer_in"
    TRANSFER_OUT = "transfer_out"
    BALANCE_UNEXPLAINED = "balance_unexplained"
    """The balance changed by what no bill tells of."""
    DEPOSIT = "deposit"
    """From outside of the exchange, to the customer's wallet there."""
    WITHDRAWAL = "withdrawal"
    COINS_MISSING = "coins_missing"
    """Of what spot copies hold."""
    COPIES_SETTLED = "copies_settled"
    """Copies of a net account held opposite sides."""
    STOP_MISSING = "stop_missing"
    STOP_EXTRA = "stop_extra"


class Attribution(StrEnum):
    """Whose a fill is."""

    COPY = "copy"
    OPERATOR = "operator"
    """Of an order of ours that belongs to no copy."""
    MANUAL = "manual"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    BEFORE = "before"
    """Older than the books: it is in what was held before."""


class Policy(StrEnum):
    ADOPT = "adopt"
    ALERT = "alert"
    REPAIR = "repair"


# --- sharing out --------------------------------------------------------------------------------


def share_out(amount: Decimal, claims: Mapping[str, Decimal], lot: Decimal) -> dict[str, Decimal]:
    """`amount` over the claims, pro rata: each rounded down to the lot, the rest to the largest.

    Unsigned native units. Of equal claims the one with the smaller id, which is the older one, is
    first; nobody gets more than his claim. The shares add up to `amount` exactly; zero shares are
    left out. Raises ValueError when the claims are smaller than the amount.
    """
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        total = sum(claims.values(), ZERO)
        if amount > total:
            raise ValueError(f"{amount} cannot be shared out over {total}")
        if not amount:
            return {}
        shares = {key: amount * claim // (total * lot) * lot for key, claim in claims.items()}
        rest = amount - sum(shares.values(), ZERO)
        for key in sorted(claims, key=lambda key: (-claims[key], key)):
            more = min(rest, claims[key] - shares[key])
            shares[key] += more
            rest -= more
        return {key: share for key, share in shares.items() if share}


@dataclass(frozen=True, slots=True)
class Unattributed:
    """What no copy accounts for. `fees` are those of what it holds, positive when paid."""

    quantity: Decimal = ZERO
    average_price: Decimal | None = None
    fees: Decimal = ZERO


def unattributed_after(
    before: Unattributed,
    *,
    signed_quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    at: datetime,
    instrument: Instrument,
) -> Unattributed:
    """After a fill that is no copy's. Exact in quantity; averages keep full precision."""
    holding = Holding(
        filled=before.quantity,
        average_entry_price=before.average_price,
        round_trip_fees=before.fees,
        entered_quantity=abs(before.quantity),
        entered_value=abs(before.quantity) * (before.average_price or price),
    )
    if before.quantity and before.average_price is None:
        holding = replace(holding, average_entry_price=price)
    after, _ = apply_fill(
        holding,
        signed_quantity=signed_quantity,
        price=price,
        fee=fee,
        at=at,
        instrument=instrument,
    )
    return Unattributed(after.filled, after.average_entry_price, after.round_trip_fees)


@dataclass(frozen=True, slots=True)
class SideBook:
    """The books of an account in one symbol and side: copies by id, and the rest."""

    copies: Mapping[str, Decimal]
    unattributed: Unattributed = field(default_factory=Unattributed)

    @property
    def total(self) -> Decimal:
        return sum(self.copies.values(), self.unattributed.quantity)


def copies_of_side(
    quantities: Iterable[tuple[str, Decimal]], side: PositionSide
) -> dict[str, Decimal]:
    """Those that are held on this side: all of a net account; by their sign of a hedged one."""
    sign = {"net": 0, "long": 1, "short": -1}[side]
    return {key: held for key, held in quantities if held and (not sign or held * sign > 0)}


def net_out(book: SideBook, lot: Decimal) -> dict[str, Decimal]:
    """What copies lose to the unattributed part, by copy: signed, against what each holds.

    On one side an exchange holds one position, so what was sold by hand out of it was sold out of
    what there is: first out of the client's own part, which the fills did already, then out of
    the copies, pro rata. Copies and unattributed together stay as they are.
    """
    rest = book.unattributed.quantity
    opposite = {key: abs(held) for key, held in book.copies.items() if held * rest < 0}
    if not opposite:
        return {}
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        amount = min(abs(rest), sum(opposite.values(), ZERO))
    sign = 1 if rest > 0 else -1
    return {key: sign * share for key, share in share_out(amount, opposite, lot).items()}


def opposed(copies: Mapping[str, Decimal], lot: Decimal) -> dict[str, Decimal]:
    """What copies of a net account that hold opposite sides settle with one another, by copy:
    signed, against what each holds. Together they stay as they are.

    The exchange holds neither, so neither could ever be closed there. No plan leads to it, but an
    exit that fills after a stop took the same position does, in whatever order they are heard of.
    """
    longs = {key: held for key, held in copies.items() if held > 0}
    shorts = {key: -held for key, held in copies.items() if held < 0}
    if not longs or not shorts:
        return {}
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        amount = min(sum(longs.values(), ZERO), sum(shorts.values(), ZERO))
    sold = {key: -share for key, share in share_out(amount, longs, lot).items()}
    return sold | share_out(amount, shorts, lot)


def fee_share(part: Decimal, before: Unattributed) -> Decimal:
    """The fee that goes along with `part` (signed as the unattributed part), full precision."""
    return before.fees * part / before.quantity if before.quantity else ZERO


def netted(before: Unattributed, shares: Mapping[str, Decimal]) -> Unattributed:
    """The unattributed part after `net_out`."""
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        given = sum(shares.values(), ZERO)
        quantity = before.quantity - given
    if not quantity:
        return Unattributed()
    return Unattributed(quantity, before.average_price, before.fees - fee_share(given, before))


def target_after_share(
    target: Decimal, share: Decimal, *, held: Decimal, is_working: bool
) -> Decimal:
    """A copy's target after it lost `share` (signed) by somebody else's hand; `held` is after it.

    The target follows what is held, so that the next signal does not order it again. While orders
    of the copy are live it may point to the other side, until they end; without any, what was
    carried of a position that is gone goes, too.
    """
    if not held and not is_working:
        return ZERO
    return target + share


# --- comparing ----------------------------------------------------------------------------------


class Verdict(StrEnum):
    AGREES = "agrees"
    EXPLAINED = "explained"
    """It differs, and something of ours that is under way may be why."""
    WAIT = "wait"
    """It differs, and is looked at once more."""
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A difference that was seen before."""

    difference: Decimal
    seen_at: datetime


def judge_difference(
    difference: Decimal, seen: Suspicion | None, *, is_in_flight: bool, now: datetime
) -> Verdict:
    """`difference`: exchange position − books. Acted upon when it was seen twice and nothing of
    ours was under way either time."""
    if not difference:
        return Verdict.AGREES
    if is_in_flight:
        return Verdict.EXPLAINED
    same = seen is not None and seen.difference == difference
    if seen is None or not same or now - seen.seen_at < SECOND_LOOK:
        return Verdict.WAIT
    return Verdict.ACT


def needs_a_look(filled: Decimal, shown: Decimal | None) -> bool:
    """Whether one of our working orders is to be looked up after the venue listed what works.

    `filled`: what we know of; `shown`: what the list says, None when it is not on it. A list that
    shows less than we know is older than what we know.
    """
    return shown is None or shown > filled


# --- naming -------------------------------------------------------------------------------------


def name_of_loss(cause: Attribution, *, left: Decimal) -> FindingKind:
    """What happened to a copy of which `left` is held."""
    if cause is Attribution.LIQUIDATION:
        return FindingKind.LIQUIDATION
    if cause is Attribution.ADL:
        return FindingKind.ADL
    return FindingKind.MANUAL_REDUCTION if left else FindingKind.MANUAL_CLOSE


def name_of_own(before: Decimal, after: Decimal) -> FindingKind | None:
    """What the client did with what no copy accounts for; None when it got less."""
    if not after or (before * after > 0 and abs(after) <= abs(before)):
        return None
    if before * after > 0:
        return FindingKind.MANUAL_INCREASE
    return FindingKind.MANUAL_OPEN


def opened_by_hand(before: Decimal, after: Decimal) -> Decimal:
    """How much of `after` is new, unsigned: what a repair may exit. What was held before is not."""
    return abs(after) if before * after <= 0 else max(abs(after) - abs(before), ZERO)


_ID_LENGTH = 26
_ID_LETTERS = frozenset("0123456789abcdefghjkmnpqrstvwxyz")


def has_our_form(client_order_id: str) -> bool:
    """Whether an order's client id could be one of ours: an ADR 1 id in lower case."""
    return len(client_order_id) == _ID_LENGTH and _ID_LETTERS.issuperset(client_order_id)


def worst_cause(causes: Sequence[Attribution]) -> Attribution:
    """What to call a loss that several things brought about."""
    for cause in (Attribution.LIQUIDATION, Attribution.ADL):
        if cause in causes:
            return cause
    return Attribution.MANUAL
